//! A turn is stopped; its process is not, and the next turn knows nothing of it but what was said.

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::json;

use super::{KEY, bash, error_code, request_for, requests, send};
use crate::harness::{Claude, Client, Daemon, Fifo, Reply, gone};

on_all!(
    a_client_that_leaves_stops_its_turn,
    an_abort_is_confirmed,
    an_abort_before_the_turn_began_counts,
    an_interrupt_ends_the_running_tool,
);

async fn abort(client: &Client) -> Reply {
    client.post("/v1/chat/abort", &json!({"session": KEY})).await
}

async fn a_client_that_leaves_stops_its_turn(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent(KEY).await;
    // In the middle of a stream.
    let mut stream = session.stream("::say \"some words\\n\"\n::hold never").await;
    stream.first_text().await;
    drop(stream);
    assert_eq!(session.ask("three").await.text(), "You said: three [turn 3]");
    // While it waits for a whole answer.
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.ask("four\n::silent").await }
    });
    request_for(&daemon.model, "four").await;
    waiting.abort();
    assert_eq!(session.stream("five").await.rest().await.0, "You said: five [turn 5]");
    assert_eq!(daemon.agent(KEY).await, pid);
    // One that has not begun never does.
    let mut running = session.stream("six\n::hold here\n::echo").await;
    request_for(&daemon.model, "six").await;
    drop(session.stream("never").await);
    daemon.logged("its client went away", 3).await;
    daemon.model.release("here");
    assert_eq!(running.rest().await.0, "You said: six [turn 6]");
    assert_eq!(session.ask("seven").await.text(), "You said: seven [turn 7]");
    assert_eq!(daemon.agent(KEY).await, pid);
}

async fn an_abort_is_confirmed(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let mut stream = session.stream("::say \"some words\\n\"\n::hold never").await;
    stream.first_text().await;
    let pid = daemon.agent(KEY).await;
    let aborted = abort(&daemon.client).await;
    assert_eq!((aborted.status.as_u16(), &aborted.json()["status"]), (200, &json!("confirmed")));
    assert_eq!(aborted.json()["turn"], stream.header("x-turnmux-turn").unwrap());
    assert_eq!(error_code(&stream.rest().await.1), "turn_interrupted");
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 2]");
    assert_eq!(daemon.agent(KEY).await, pid);
    let nothing = abort(&daemon.client).await;
    assert_eq!((nothing.status.as_u16(), &*nothing.code()), (404, "no_active_turn"));
}

async fn an_abort_before_the_turn_began_counts(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    // Before there is a process.
    let mut first = session.stream("never asked").await;
    assert_eq!(abort(&daemon.client).await.json()["status"], "confirmed");
    assert_eq!(error_code(&first.rest().await.1), "turn_interrupted");
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    // Given to a claude that cannot have begun with it yet.
    let pid = daemon.agent(KEY).await;
    send(pid, SIGSTOP);
    let mut stream = session.stream("two\n::silent").await;
    let aborting = tokio::spawn({
        let client = daemon.client.clone();
        async move { abort(&client).await }
    });
    daemon.logged("interrupting", 1).await;
    send(pid, SIGCONT);
    assert_eq!(aborting.await.unwrap().json()["status"], "confirmed");
    assert_eq!(error_code(&stream.rest().await.1), "turn_interrupted");
    let next = session.ask("three").await.text();
    assert!(next.starts_with("You said: three"), "{next}");
    assert_eq!(daemon.agent(KEY).await, pid);
    assert!(requests(&daemon.model).iter().all(|request| request.user_text != "never asked"));
}

async fn an_interrupt_ends_the_running_tool(claude: Claude) {
    let daemon = Daemon::claude(claude).args(&["--permission", "bypass"]).env("IS_SANDBOX", "1").start().await;
    let session = daemon.client.session(KEY);
    let mut fifo = Fifo::new(&daemon.scratch().join("fifo"));
    let mut stream = session.stream(&bash("echo $$ > ../fifo; tail -f /dev/null")).await;
    let tool = fifo.pids().await;
    let pid = daemon.agent(KEY).await;
    assert_eq!(abort(&daemon.client).await.json()["status"], "confirmed");
    gone(tool[0]).await;
    assert_eq!(error_code(&stream.rest().await.1), "turn_interrupted");
    assert!(session.ask("next").await.text().starts_with("You said: next"));
    assert_eq!(daemon.agent(KEY).await, pid);
}
