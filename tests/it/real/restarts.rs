//! What outlives the daemon: threads, turns, events and names, whether it was killed or told to go.

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::{Value, json};

use super::{KEY, request_for, requests};
use crate::harness::{Claude, Daemon, all_gone, types};

on_all!(a_killed_daemon_loses_the_turn_that_ran_and_nothing_else, a_daemon_that_was_told_to_go_goes_on_where_it_was,);

/// The turn as the API shows it.
async fn turn(daemon: &Daemon, id: &str) -> Value {
    daemon.client.get(&format!("/v1/turns/{id}")).await.json()
}

/// Waits for the turn's end; its text.
async fn answer(daemon: &Daemon, id: &str) -> String {
    daemon.client.watch(&format!("/v1/turns/{id}/events")).await.until("turn_completed").await;
    turn(daemon, id).await["text"].as_str().expect("an answer").to_owned()
}

/// A turn that nobody reads.
async fn submit(daemon: &Daemon, text: &str) -> String {
    let reply = daemon.client.post(&format!("/v1/sessions/{KEY}/submit"), &json!({"input": text})).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["status"]), (202, &json!("queued")), "{reply:?}");
    reply.json()["turn"].as_str().expect("a turn").to_owned()
}

async fn a_killed_daemon_loses_the_turn_that_ran_and_nothing_else(claude: Claude) {
    let mut daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let first = session.ask("turn 1").await;
    let thread = first.header("x-turnmux-thread").expect("a thread").to_owned();
    let mut running = session.stream("::say \"seen\\n\"\n::hold here\n::say never").await;
    running.first_text().await;
    let lost = running.header("x-turnmux-turn").expect("a turn").to_owned();
    let read_one = session.stream("never to be asked").await;
    let read = read_one.header("x-turnmux-turn").expect("a turn").to_owned();
    let detached = submit(&daemon, "detached").await;
    let named_one = session.with("Idempotency-Key", "name").stream("named").await;
    let named = named_one.header("x-turnmux-turn").expect("a turn").to_owned();
    let seen = daemon.client.watch(&format!("/v1/sessions/{KEY}/events?after=0")).await.until("text_delta").await;
    daemon.signal(SIGKILL);
    daemon.ended().await;
    all_gone(daemon.scratch()).await;

    let daemon = Daemon::claude(claude).scratch(daemon.share_scratch()).start().await;
    daemon.logged("lost=1 queued=2", 1).await;
    let gone = turn(&daemon, &lost).await;
    assert_eq!((&gone["status"], &gone["error"]["code"]), (&json!("failed"), &json!("turn_lost")), "{gone}");
    assert_eq!(answer(&daemon, &detached).await.split(" [").next(), Some("You said: detached"));
    assert_eq!(answer(&daemon, &named).await.split(" [").next(), Some("You said: named"));
    let read = turn(&daemon, &read).await;
    assert_eq!(read["status"], "interrupted", "{read}");

    // Numbers go on behind the last that was seen, names mean what they meant, and the thread is the same.
    let last = seen.last().expect("events")["seq"].to_string();
    let path = format!("/v1/sessions/{KEY}/events");
    let next = daemon.client.with("Last-Event-ID", &last).watch(&path).await.until("error").await;
    assert_eq!(next[0]["seq"].as_u64(), seen.last().expect("events")["seq"].as_u64().map(|last| last + 1));
    assert_eq!(types(&next[next.len() - 3..]), ["missed", "assistant_text", "error"], "{next:?}");
    assert_eq!(next[next.len() - 2]["text"].as_str().map(str::trim_end), Some("seen"));
    assert_eq!(next.last().expect("the ending")["turn"], lost);
    let again = daemon.client.session(KEY).with("Idempotency-Key", "name").stream("named").await;
    assert_eq!((again.header("x-turnmux-turn"), again.header("x-turnmux-joined")), (Some(&*named), Some("true")));
    let after = daemon.client.session(KEY).ask("afterwards").await;
    assert_eq!(after.header("x-turnmux-thread"), Some(&*thread));
    let asked = request_for(&daemon.model, "afterwards").await.body["messages"].to_string();
    for text in ["turn 1", "detached", "named"] {
        assert!(asked.contains(text), "{asked}");
    }
    let all = requests(&daemon.model).iter().map(|request| request.user_text.clone()).collect::<Vec<_>>();
    assert!(!all.iter().any(|text| text.contains("never")), "{all:?}");
    assert!(daemon.stop().await.success());
}

async fn a_daemon_that_was_told_to_go_goes_on_where_it_was(claude: Claude) {
    let mut daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let mut running = session.stream("::say \"one,\\n\"\n::hold here\n::say two").await;
    running.first_text().await;
    let thread = running.header("x-turnmux-thread").expect("a thread").to_owned();
    let mut read = session.stream("never to be asked").await;
    let detached = submit(&daemon, "detached").await;
    let scratch = daemon.share_scratch();
    daemon.signal(SIGTERM);
    daemon.logged("shutting down", 1).await;
    daemon.model.release("here");
    assert_eq!(running.rest().await.0, "two");
    assert_eq!(super::error_code(&read.rest().await.1), "shutting_down");
    assert!(daemon.ended().await.success());

    let daemon = Daemon::claude(claude).scratch(scratch).start().await;
    assert!(answer(&daemon, &detached).await.starts_with("You said: detached"));
    let after = daemon.client.session(KEY).ask("afterwards").await;
    assert_eq!(after.header("x-turnmux-thread"), Some(&*thread));
    assert!(request_for(&daemon.model, "afterwards").await.body["messages"].to_string().contains("one,"));
    assert!(daemon.stop().await.success());
}
