//! A thread that claude has lost: the session goes on with a new one, which knows the conversation, and nobody has to guess.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::{KEY, error_code, request_for};
use crate::harness::{Claude, Client, Daemon, DaemonBuilder, Reply};

on_all!(
    a_new_thread_is_told_the_conversation,
    a_stream_says_so_in_its_headers,
    by_configuration_the_turn_fails,
    a_thread_of_another_directory_is_found_or_lost_aloud,
    a_directory_that_is_gone_is_no_lost_thread,
);

/// Its agents end as soon as they have nothing to do.
fn impatient(claude: Claude) -> DaemonBuilder {
    Daemon::claude(claude).config("sessions.idle_timeout = \"0s\"")
}

/// A turn, and the end of its process, which is the session's `number`th; claude has written everything down then.
async fn turn(daemon: &Daemon, session: &Client, text: &str, number: usize) -> Reply {
    let reply = session.ask(text).await;
    assert!(reply.text().starts_with(&format!("You said: {text} ")), "{}", reply.text());
    daemon.logged("the session has no process", number).await;
    reply
}

/// What the model was told when it was asked for this.
async fn told(daemon: &Daemon, text: &str) -> String {
    request_for(&daemon.model, text).await.body["messages"].to_string()
}

fn thread(reply: &Reply) -> String {
    reply.header("x-turnmux-thread").expect("a thread").to_owned()
}

async fn a_new_thread_is_told_the_conversation(claude: Claude) {
    let daemon = impatient(claude).start().await;
    let transcripts = daemon.transcripts();
    let session = daemon.client.session(KEY);
    let old = thread(&turn(&daemon, &session, "my name is Ada", 1).await);
    turn(&daemon, &session, "and I like tea", 2).await;
    transcripts.lose();
    // One process finds the loss, another one goes on.
    let third = turn(&daemon, &session, "who am I?", 4).await;
    let new = thread(&third);
    assert_eq!(third.header("x-turnmux-context-lost"), Some(&*old));
    assert_ne!(new, old);
    let before = told(&daemon, "who am I?").await;
    for text in ["my name is Ada", "You said: my name is Ada", "and I like tea", "You said: and I like tea"] {
        assert!(before.contains(text), "{text} is not in {before}");
    }
    let path = format!("/v1/turns/{}/events", third.header("x-turnmux-turn").expect("a turn"));
    let mut watch = daemon.client.watch(&path).await;
    let mut kinds = Vec::new();
    while let Some(event) = watch.next().await {
        if event["type"] == "context_lost" {
            assert_eq!((&event["from"], &event["to"], &event["recalled"]), (&json!(old), &json!(new), &json!(4)));
        }
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    let at = |kind: &str| kinds.iter().position(|other| other == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}"));
    assert!(at("context_lost") < at("turn_started"), "{kinds:?}");
    // From here on it is a thread like any other.
    let fourth = turn(&daemon, &session, "and now?", 5).await;
    assert_eq!((fourth.header("x-turnmux-context-lost"), thread(&fourth)), (None, new.clone()));
    assert!(told(&daemon, "and now?").await.contains("who am I?"));
    assert_eq!(daemon.session(KEY).await.unwrap()["thread"], new);
}

async fn a_stream_says_so_in_its_headers(claude: Claude) {
    let daemon = impatient(claude).start().await;
    let transcripts = daemon.transcripts();
    let session = daemon.client.session(KEY);
    let old = thread(&turn(&daemon, &session, "my name is Ada", 1).await);
    transcripts.lose();
    let mut stream = session.with("x-turnmux-events", "true").stream("who am I?").await;
    assert_eq!(stream.header("x-turnmux-context-lost"), Some(&*old));
    let new = stream.header("x-turnmux-thread").expect("a thread").to_owned();
    let (text, chunks) = stream.rest().await;
    assert!(text.starts_with("You said: who am I?"), "{text}");
    let named = |name: &str| chunks.iter().find(|chunk| chunk["turnmux"]["event"] == name).expect("an event");
    let loss: &Value = &named("context_lost")["turnmux"]["data"];
    assert_eq!((&loss["from"], &loss["to"], &loss["recalled"]), (&json!(old), &json!(new), &json!(2)));
    assert_eq!(named("turn_started")["turnmux"]["data"]["thread"], new);
    assert!(told(&daemon, "who am I?").await.contains("You said: my name is Ada"));
}

async fn by_configuration_the_turn_fails(claude: Claude) {
    let daemon = impatient(claude).config("sessions.lost_thread = \"fail\"").start().await;
    let transcripts = daemon.transcripts();
    let session = daemon.client.session(KEY);
    turn(&daemon, &session, "one", 1).await;
    transcripts.lose();
    let refusal = session.ask("two").await.refused(409, "thread_not_found");
    for hint in ["reset the session", "sessions.lost_thread"] {
        assert!(refusal.message.contains(hint), "{refusal:?}");
    }
    assert_eq!(error_code(&session.stream("two").await.rest().await.1), "thread_not_found");
    daemon.client.post("/v1/chat/session/reset", &json!({"session": KEY})).await;
    let again = session.ask("three").await;
    assert_eq!((&*again.text(), again.header("x-turnmux-context-lost")), ("You said: three [turn 1]", None));
}

/// claude keeps threads by the directory they began in, links resolved. 2.1.197 knows only those of the directory it is in;
/// 2.1.329 finds others, too.
async fn a_thread_of_another_directory_is_found_or_lost_aloud(claude: Claude) {
    let config = "agents.tester.workspace = \"@SCRATCH@/current\"\nserver.workspace_roots = [\"@SCRATCH@\"]";
    let daemon = impatient(claude).config(config).start().await;
    let current = daemon.scratch().join("current");
    for version in ["v1", "v2"] {
        std::fs::create_dir(daemon.scratch().join(version)).unwrap();
    }
    symlink("v1", &current).unwrap();
    let session = daemon.client.session(KEY);
    let old = thread(&turn(&daemon, &session, "my name is Ada", 1).await);
    std::fs::remove_file(&current).unwrap();
    symlink("v2", &current).unwrap();
    let is_lost = matches!(claude, Claude::Older | Claude::OlderInTerminal);
    let second = turn(&daemon, &session, "who am I?", if is_lost { 3 } else { 2 }).await;
    assert_eq!(second.header("x-turnmux-context-lost"), is_lost.then_some(&*old));
    assert_eq!(thread(&second) == old, !is_lost);
    assert!(told(&daemon, "who am I?").await.contains("You said: my name is Ada"));
}

async fn a_directory_that_is_gone_is_no_lost_thread(claude: Claude) {
    let daemon = impatient(claude).config("server.workspace_roots = [\"@SCRATCH@\"]").start().await;
    let folder = daemon.scratch().join("project");
    std::fs::create_dir(&folder).unwrap();
    let session = daemon.client.session(KEY);
    let first = turn(&daemon, &session.with("x-turnmux-workspace", folder.to_str().unwrap()), "one", 1).await;
    let moved = daemon.scratch().join("moved");
    std::fs::rename(&folder, &moved).unwrap();
    let refusal = session.ask("two").await.refused(503, "agent_misconfigured");
    assert!(refusal.message.contains("project is not there; bring it back"), "{refusal:?}");
    let named = session.with("x-turnmux-workspace", moved.to_str().unwrap());
    named.ask("two").await.refused(409, "session_conflict");
    std::fs::rename(&moved, &folder).unwrap();
    let third = session.ask("three").await;
    assert_eq!((third.header("x-turnmux-context-lost"), thread(&third)), (None, thread(&first)));
    assert!(told(&daemon, "three").await.contains("You said: one"));
}
