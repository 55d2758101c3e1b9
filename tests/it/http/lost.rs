//! A thread that the agent has lost: the answer says so, in its headers and by an event.

use serde_json::{Value, json};

use crate::harness::{Daemon, Reply};

const KEY: &str = "a::b";

/// Removes what the stand-in keeps of a thread.
fn lose(daemon: &Daemon, thread: &str) {
    std::fs::remove_file(daemon.scratch().join(format!("threads/{thread}.jsonl"))).expect("the thread is kept");
}

/// A daemon whose session has had a turn, and whose agent has lost the thread, which is given.
async fn lost(config: &str) -> (Daemon, String) {
    let daemon = Daemon::stand_in().config("sessions.idle_timeout = \"0s\"").config(config).start().await;
    let first = daemon.client.session(KEY).ask("my name is Ada").await;
    daemon.logged("the session has no process", 1).await;
    let thread = first.header("x-turnmux-thread").expect("a thread").to_owned();
    lose(&daemon, &thread);
    (daemon, thread)
}

/// The turn's events of one kind.
async fn events(daemon: &Daemon, reply: &str, kind: &str) -> Vec<Value> {
    let mut watch = daemon.client.watch(&format!("/v1/turns/{reply}/events")).await;
    let mut found = Vec::new();
    while let Some(event) = watch.next().await {
        found.extend(Some(event).filter(|event| event["type"] == kind));
    }
    found
}

#[tokio::test]
async fn a_whole_answer_names_the_thread_that_was_lost_and_the_new_one() {
    let (daemon, old) = lost("").await;
    let session = daemon.client.session(KEY);
    let second = session.ask("::where").await;
    assert_eq!(second.header("x-turnmux-context-lost"), Some(&*old));
    let new = second.header("x-turnmux-thread").unwrap().to_owned();
    assert_ne!(new, old);
    let losses = events(&daemon, second.header("x-turnmux-turn").unwrap(), "context_lost").await;
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((&loss["from"], &loss["to"], &loss["recalled"]), (&json!(old), &json!(new), &json!(2)));
    daemon.logged("the session has no process", 3).await;
    let third = session.ask("three").await;
    assert_eq!(third.header("x-turnmux-context-lost"), None);
    assert_eq!(third.header("x-turnmux-thread"), Some(&*new));
}

#[tokio::test]
async fn a_stream_says_it_in_its_headers_and_to_who_asks_for_events() {
    let (daemon, old) = lost("").await;
    let session = daemon.client.session(KEY).with("x-turnmux-events", "true");
    let mut stream = session.stream("two").await;
    assert_eq!(stream.header("x-turnmux-context-lost"), Some(&*old));
    let new = stream.header("x-turnmux-thread").unwrap().to_owned();
    let (text, chunks) = stream.rest().await;
    assert!(text.starts_with("You said: two "), "{text}");
    let names: Vec<_> = chunks.iter().filter_map(|chunk| chunk["turnmux"]["event"].as_str()).collect();
    let at = |name| names.iter().position(|other| *other == name).unwrap_or_else(|| panic!("no {name} in {names:?}"));
    assert_eq!(at("user_text"), 0, "nothing is missing before it");
    assert!(at("context_lost") < at("turn_started"), "{names:?}");
    daemon.logged("the session has no process", 3).await;
    let mut third = daemon.client.session(KEY).stream("three").await;
    assert_eq!((third.header("x-turnmux-context-lost"), third.header("x-turnmux-thread")), (None, Some(&*new)));
    assert!(third.rest().await.0.starts_with("You said: three "));
}

#[tokio::test]
async fn headers_wait_for_a_slow_start_no_longer_than_for_a_heartbeat() {
    let daemon = Daemon::stand_in()
        .config("sessions.idle_timeout = \"0s\"\nserver.heartbeat = \"300ms\"")
        .env("STAND_IN_FAULT", "hang-at-start")
        .env("STAND_IN_FAULT_WHILE", "@SCRATCH@/hang")
        .start()
        .await;
    let session = daemon.client.session(KEY);
    session.ask("one").await;
    daemon.logged("the session has no process", 1).await;
    std::fs::write(daemon.scratch().join("hang"), "").unwrap();
    let mut stream = session.stream("two").await;
    assert_eq!(daemon.session(KEY).await.unwrap()["state"], "starting", "the headers are there before the agent is");
    assert_eq!(stream.next().await.unwrap()["choices"][0]["delta"]["role"], "assistant");
}

#[tokio::test]
async fn by_configuration_the_turn_fails_and_says_what_to_do() {
    let (daemon, old) = lost("sessions.lost_thread = \"fail\"").await;
    let session = daemon.client.session(KEY);
    let lost: Reply = session.ask("two").await;
    let refusal = lost.refused(409, "thread_not_found");
    assert!(refusal.message.contains("reset the session"), "{refusal:?}");
    assert!(refusal.message.contains("sessions.lost_thread = \"continue\""), "{refusal:?}");
    assert_eq!(daemon.session(KEY).await.unwrap()["thread"], json!(old));
    daemon.client.post("/v1/chat/session/reset", &json!({"session": KEY})).await;
    assert_eq!(session.ask("three").await.text(), "You said: three [turn 1]");
}

#[tokio::test]
async fn what_the_caller_brings_along_stands_in() {
    let (daemon, old) = lost("").await;
    let messages = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "two")];
    let messages = messages.map(|(role, content)| json!({"role": role, "content": content}));
    let reply = daemon.client.session(KEY).post("/v1/chat/completions", &json!({"messages": messages})).await;
    assert_eq!(reply.header("x-turnmux-context-lost"), Some(&*old));
    let losses = events(&daemon, reply.header("x-turnmux-turn").unwrap(), "context_lost").await;
    assert_eq!(losses[0]["recalled"], 4);
}

#[tokio::test]
async fn a_thread_that_was_named_for_the_session_is_not_replaced() {
    let daemon = Daemon::stand_in().start().await;
    let unknown = uuid::Uuid::new_v4().to_string();
    let session = daemon.client.session(KEY);
    session.with("x-turnmux-thread", &unknown).ask("one").await.refused(409, "thread_not_found");
    // Nor when the next turn does not name it.
    session.ask("two").await.refused(409, "thread_not_found");
    let adopted = daemon.client.post("/v1/sessions/c::d/adopt", &json!({"thread": unknown})).await;
    assert_eq!(adopted.status, 200);
    daemon.client.session("c::d").ask("one").await.refused(409, "thread_not_found");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_said_and_nothing_is_begun_anew() {
    let config = "sessions.idle_timeout = \"0s\"\nserver.workspace_roots = [\"@SCRATCH@\"]";
    let daemon = Daemon::stand_in().config(config).start().await;
    let folder = daemon.scratch().join("project");
    std::fs::create_dir(&folder).unwrap();
    let session = daemon.client.session(KEY);
    let first = session.with("x-turnmux-workspace", folder.to_str().unwrap()).ask("one").await;
    daemon.logged("the session has no process", 1).await;
    std::fs::remove_dir(&folder).unwrap();
    let refusal = session.ask("two").await.refused(503, "agent_misconfigured");
    assert!(refusal.message.contains("project is not there"), "{refusal:?}");
    std::fs::create_dir(&folder).unwrap();
    let third = session.ask("three").await;
    assert_eq!(third.text(), "You said: three [turn 2]", "it was there all the time");
    assert_eq!(third.header("x-turnmux-thread"), first.header("x-turnmux-thread"));
}
