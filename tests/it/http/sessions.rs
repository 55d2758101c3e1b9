//! `GET /v1/sessions`, `DELETE /v1/sessions/{key}` and `POST /v1/chat/session/reset`.

use serde_json::{Value, json};

use crate::harness::{Daemon, gone};

async fn reset(daemon: &Daemon, key: &str) -> crate::harness::Reply {
    daemon.client.post("/v1/chat/session/reset", &json!({"session": key})).await
}

#[tokio::test]
async fn sessions_are_listed_as_they_are() {
    let daemon = Daemon::stand_in().start().await;
    assert_eq!(daemon.client.get("/v1/sessions").await.json(), json!({"object": "list", "data": []}));
    daemon.client.session("b::1").ask("one").await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::1");
    let mut running = session.stream(&format!("::say x\n{}", gate.hold())).await;
    running.first_text().await;
    let _queued = session.stream("waits").await;

    let list = daemon.client.get("/v1/sessions").await.json();
    let keys: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|session| session["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a::1", "b::1"]);
    let (active, idle) = (&list["data"][0], &list["data"][1]);
    assert_eq!((&active["state"], &active["queued"], &active["turns"]), (&json!("active"), &json!(1), &json!(0)));
    assert_eq!(active["turn"], json!(running.header("x-turnmux-turn")));
    assert_eq!((&idle["state"], &idle["queued"], &idle["turns"]), (&json!("idle"), &json!(0), &json!(1)));
    assert_eq!((&idle["turn"], &idle["generation"]), (&Value::Null, &json!(0)));
    assert_eq!((&idle["backend"], &idle["driver"]), (&json!("claude-code"), &json!("claude-stream")));
    assert!(idle["thread"].is_string() && idle["pid"].is_u64() && idle["object"] == "session", "{idle}");
}

#[tokio::test]
async fn a_deleted_session_is_forgotten_with_its_process_and_its_turns() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a/b ü::c%d");
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent("a/b ü::c%d").await;
    let gate = daemon.gate("gate");
    let mut running = session.stream(&format!("::say x\n{}", gate.hold())).await;
    running.first_text().await;
    let mut queued = session.stream("waits").await;

    let path = "/v1/sessions/a%2Fb%20%C3%BC%3A%3Ac%25d";
    let deleted = daemon.client.delete(path).await;
    assert_eq!(deleted.json(), json!({"key": "a/b ü::c%d", "object": "session.deleted", "deleted": true}));
    for stream in [&mut running, &mut queued] {
        let (_, refusal) = stream.refused("turn_interrupted").await;
        assert!(refusal.message.contains("closed"), "{refusal:?}");
    }
    gone(pid).await;
    assert!(daemon.session("a/b ü::c%d").await.is_none());
    daemon.client.delete(path).await.refused(404, "session_not_found");
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 1]", "a new conversation");
    assert!(!daemon.stand_in_turns().contains(&"waits".to_owned()), "a queued turn of a closed session never runs");
}

#[tokio::test]
async fn a_session_without_a_process_can_be_deleted_too() {
    let daemon = Daemon::stand_in().config("sessions.idle_timeout = \"0s\"").start().await;
    daemon.client.session("a::b").ask("one").await;
    daemon.logged("the session has no process", 1).await;
    assert!(daemon.client.delete("/v1/sessions/a%3A%3Ab").await.status.is_success());
    assert!(daemon.session("a::b").await.is_none());
}

#[tokio::test]
async fn a_reset_session_begins_a_new_thread() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let thread = async || daemon.session("a::b").await.unwrap()["thread"].clone();
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let (old, pid) = (thread().await, daemon.agent("a::b").await);
    let reply = reset(&daemon, "a::b").await;
    assert_eq!(reply.json(), json!({"object": "session.reset", "session": "a::b", "reset": true}));
    let view = daemon.session("a::b").await.unwrap();
    assert_eq!((&view["generation"], &view["thread"]), (&json!(1), &Value::Null));
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 1]");
    assert_ne!(thread().await, old);
    assert_eq!(daemon.agent("a::b").await, pid, "the process stays");
    assert_eq!(reset(&daemon, "a::b").await.status, 200);
    assert_eq!(daemon.session("a::b").await.unwrap()["generation"], 2);
    reset(&daemon, "never::seen").await.refused(404, "session_not_found");
}

#[tokio::test]
async fn a_reset_ends_what_runs_and_what_waits() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let gate = daemon.gate("gate");
    let mut running = session.stream(&format!("::say x\n{}", gate.hold())).await;
    running.first_text().await;
    let mut queued = session.stream("waits").await;
    assert_eq!(reset(&daemon, "a::b").await.status, 200);
    for stream in [&mut running, &mut queued] {
        let (_, refusal) = stream.refused("turn_interrupted").await;
        assert!(refusal.message.contains("reset"), "{refusal:?}");
    }
    assert_eq!(session.ask("after").await.text(), "You said: after [turn 1]");
    assert_eq!(daemon.stand_in_turns().len(), 2, "the queued turn never ran");
}
