//! `x-turnmux-isolation: call`: turns that see nothing of each other and find a process that is warm.

use serde_json::json;

use crate::harness::{Client, Daemon, Reply, agents_of};

fn calls(daemon: &Daemon) -> Client {
    daemon.client.with("x-turnmux-isolation", "call")
}

fn keeping(daemon: &Daemon) -> Client {
    calls(daemon).with("x-turnmux-keep", "true")
}

fn session(reply: &Reply) -> &str {
    reply.header("x-turnmux-session").expect("a session")
}

#[tokio::test]
async fn calls_in_a_row_find_one_process_and_nothing_in_it() {
    let daemon = Daemon::stand_in().start().await;
    let mut threads = std::collections::HashSet::new();
    for number in 1..=50 {
        let reply = calls(&daemon).ask(&format!("call {number}")).await;
        assert_eq!((reply.text(), session(&reply)), (format!("You said: call {number} [turn 1]"), "call::1"));
        assert!(threads.insert(reply.header("x-turnmux-thread").expect("a thread").to_owned()), "each has its own");
    }
    assert_eq!((daemon.started(), agents_of(daemon.scratch()).len()), (1, 1));
    let turns = daemon.client.get("/v1/sessions/call::1/turns?limit=100").await.json();
    assert_eq!(turns["data"].as_array().map(Vec::len), Some(50), "what was said can be looked up");
    let thread = turns["data"][0]["thread"].as_str().expect("a thread");
    assert!(threads.contains(thread));
}

#[tokio::test]
async fn calls_at_the_same_time_have_processes_of_their_own() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let mut first = calls(&daemon).stream(&format!("::say some\n{}", gate.hold())).await;
    first.first_text().await;
    let second = calls(&daemon).ask("second").await;
    assert_eq!((&*second.text(), session(&second)), ("You said: second [turn 1]", "call::2"));
    drop(gate);
    drop(first);
    daemon.logged("turn interrupted", 1).await;
    // Whichever is free again.
    let third = calls(&daemon).ask("third").await;
    assert_eq!(third.text(), "You said: third [turn 1]");
    assert_eq!(daemon.started(), 2);
}

#[tokio::test]
async fn a_call_that_was_stopped_leaves_nothing_either() {
    let daemon = Daemon::stand_in().start().await;
    let mut stopped = calls(&daemon).stream("::say some\n::silent").await;
    stopped.first_text().await;
    let turn = stopped.header("x-turnmux-turn").expect("a turn").to_owned();
    daemon.client.post("/v1/chat/abort", &json!({"turn": turn})).await;
    let next = calls(&daemon).ask("next").await;
    assert_eq!((&*next.text(), session(&next)), ("You said: next [turn 1]", "call::1"));
    let failed = calls(&daemon).ask("::status 529").await;
    assert_eq!(failed.status, 503, "{failed:?}");
    assert_eq!(calls(&daemon).ask("last").await.text(), "You said: last [turn 1]");
    assert_eq!(daemon.started(), 1);
}

#[tokio::test]
async fn what_is_kept_is_there_for_the_next_call_of_its_kind() {
    let daemon = Daemon::stand_in().start().await;
    assert_eq!(keeping(&daemon).ask("one").await.text(), "You said: one [turn 1]");
    let other =
        json!({"messages": [{"role": "system", "content": "Speak Latin."}, {"role": "user", "content": "two"}]});
    let other = calls(&daemon).post("/v1/chat/completions", &other).await;
    assert_eq!((&*other.text(), session(&other)), ("You said: two [turn 1]", "call::2"), "other instructions");
    assert_eq!(keeping(&daemon).ask("three").await.text(), "You said: three [turn 2]");
    assert_eq!(calls(&daemon).ask("four").await.text(), "You said: four [turn 3]");
    assert_eq!(calls(&daemon).ask("five").await.text(), "You said: five [turn 1]", "and it went with that");
    assert_eq!(daemon.started(), 2);
}

#[tokio::test]
async fn a_process_in_which_something_may_be_left_is_not_used_again() {
    let daemon = Daemon::stand_in().start().await;
    calls(&daemon).ask("::tool Bash {\"command\":\"true\"}").await;
    assert_eq!(calls(&daemon).ask("two").await.text(), "You said: two [turn 1]");
    assert_eq!(daemon.started(), 1);
    calls(&daemon).ask("::tool Bash {\"command\":\"sleep 9\",\"run_in_background\":true}").await;
    let next = calls(&daemon).ask("three").await;
    assert_eq!(next.text(), "You said: three [turn 1]");
    assert_eq!(daemon.started(), 2);
}

#[tokio::test]
async fn a_claude_that_does_not_forget_is_ended() {
    let daemon = Daemon::stand_in().env("STAND_IN_FAULT", "ignore-clear").start().await;
    for text in ["one", "two"] {
        assert_eq!(calls(&daemon).ask(text).await.text(), format!("You said: {text} [turn 1]"));
    }
    assert_eq!(daemon.started(), 2);
    let named = daemon.client.session("a::b");
    named.ask("one").await;
    let clean = named.with("x-turnmux-isolation", "clean").ask("two").await;
    assert_eq!(clean.text(), "You said: two [turn 1]");
    let after = named.ask("three").await;
    assert_eq!(after.header("x-turnmux-thread"), clean.header("x-turnmux-thread"));
}

#[tokio::test]
async fn a_reset_keeps_the_process() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    let process = daemon.agent("a::b").await;
    daemon.client.post("/v1/sessions/a::b/reset", &json!({})).await;
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 1]");
    assert_eq!(daemon.agent("a::b").await, process);
}

#[tokio::test]
async fn a_closed_session_serves_no_calls() {
    let daemon = Daemon::stand_in().start().await;
    calls(&daemon).ask("one").await;
    daemon.client.post("/v1/sessions/call::1/close", &json!({})).await;
    let next = calls(&daemon).ask("two").await;
    assert_eq!((&*next.text(), session(&next)), ("You said: two [turn 1]", "call::2"));
}

#[tokio::test]
async fn tenants_have_calls_of_their_own() {
    let keys = "[keys.alice]\nkey = \"key-of-alice\"\n[keys.bob]\nkey = \"key-of-bob\"\n";
    let daemon = Daemon::stand_in().keys(keys).start().await;
    for key in ["key-of-alice", "key-of-bob"] {
        let reply = keeping(&daemon).key(key).ask("one").await;
        assert_eq!((&*reply.text(), session(&reply)), ("You said: one [turn 1]", "call::1"));
    }
    assert_eq!(daemon.started(), 2);
}

#[tokio::test]
async fn what_contradicts_a_call_is_refused() {
    let daemon = Daemon::stand_in().start().await;
    let thread = uuid::Uuid::new_v4().to_string();
    for (name, value) in [("x-turnmux-session", "a::b"), ("x-turnmux-thread", &thread)] {
        calls(&daemon).with(name, value).ask("x").await.refused(400, "invalid_isolation");
    }
    daemon.client.with("x-turnmux-keep", "true").ask("x").await.refused(400, "invalid_isolation");
    calls(&daemon).with("x-turnmux-keep", "perhaps").ask("x").await.refused(400, "invalid_header");
    daemon.client.session("a::b").ask("one").await;
    let submitted = calls(&daemon).post("/v1/sessions/a::b/submit", &json!({"input": "x"})).await;
    submitted.refused(400, "invalid_isolation");
}

#[tokio::test]
async fn a_call_that_comes_again_joins_its_turn() {
    let daemon = Daemon::stand_in().start().await;
    let named = calls(&daemon).with("Idempotency-Key", "first");
    let first = named.ask("one").await;
    calls(&daemon).ask("two").await;
    let again = named.ask("one").await;
    assert_eq!((again.text(), again.header("x-turnmux-joined")), (first.text(), Some("true")));
    assert_eq!(session(&again), session(&first));
    assert_eq!(daemon.stand_in_turns(), ["one", "two"]);
}
