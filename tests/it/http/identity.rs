//! Whose session a request belongs to.

use serde_json::json;

use crate::harness::{Client, Daemon, ask};

/// The session's key, as the answer's header says.
async fn key(client: &Client) -> String {
    let reply = client.ask("hello").await;
    assert!(reply.status.is_success(), "{reply:?}");
    String::from_utf8(reply.headers["x-turnmux-session"].as_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn headers_name_a_session_and_the_first_rule_that_applies_counts() {
    let daemon = Daemon::stand_in().start().await;
    let client = &daemon.client;
    assert_eq!(key(&client.with("x-turnmux-session", "a::b").with("x-turnmux-agent-id", "c")).await, "a::b");
    let pair = client.with("x-turnmux-agent-id", "ops").with("x-turnmux-chat-id", "42");
    assert_eq!(key(&pair).await, "ops::42");
    assert_eq!(key(&pair.with("x-openclaw-chat-id", "43")).await, "ops::42");
    assert_eq!(key(&client.with("x-openclaw-agent-id", "main").with("x-openclaw-chat-id", "7")).await, "main::7");
    assert_eq!(key(&client.with("x-session-affinity", "s:0")).await, "default::s:0");
    assert_eq!(key(&client.with("session_id", "s:0")).await, "default::s:0");
    assert_eq!(key(&client.with("x-turnmux-session", "grüße::日本")).await, "grüße::日本");
}

#[tokio::test]
async fn the_body_names_a_session_too() {
    let daemon = Daemon::stand_in().start().await;
    for (field, expected) in [("user", "someone"), ("prompt_cache_key", "default::someone")] {
        let mut body = ask("hello");
        body[field] = json!("someone");
        for turn in 1..=2 {
            let reply = daemon.client.post("/v1/chat/completions", &body).await;
            assert_eq!(reply.header("x-turnmux-session"), Some(expected));
            assert_eq!(reply.text(), format!("You said: hello [turn {turn}]"), "{field}");
        }
    }
}

#[tokio::test]
async fn without_a_name_every_request_is_a_conversation_of_its_own() {
    let daemon = Daemon::stand_in().start().await;
    let (one, two) = (daemon.client.ask("hello").await, daemon.client.ask("hello").await);
    assert_eq!((one.text(), two.text()), ("You said: hello [turn 1]".into(), "You said: hello [turn 1]".into()));
    assert_ne!(one.header("x-turnmux-session"), two.header("x-turnmux-session"));
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let daemon = Daemon::stand_in().start().await;
    for name in ["x-turnmux-session", "x-turnmux-chat-id", "x-openclaw-agent-id"] {
        let refusal = daemon.client.with(name, &"x".repeat(5000)).ask("hello").await.refused(400, "invalid_session");
        assert_eq!(refusal.param.as_deref(), Some(name));
    }
    let refusal =
        daemon.client.with("x-turnmux-thread", "not a thread!").ask("hello").await.refused(400, "invalid_thread");
    assert_eq!(refusal.param.as_deref(), Some("x-turnmux-thread"));
    let raw = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-turnmux-session: \xff\xfe\r\n\
        content-length: 44\r\n\r\n{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    daemon.client.raw(raw).await.refused(400, "invalid_header");
    assert!(daemon.stand_in_turns().is_empty());
}

#[tokio::test]
async fn a_session_takes_up_a_thread_that_the_agent_knows() {
    let daemon = Daemon::stand_in().start().await;
    let first = daemon.client.session("a::b").ask("one").await;
    let thread = first.header("x-turnmux-thread").unwrap();
    let other = daemon.client.session("c::d").with("x-turnmux-thread", thread);
    assert_eq!(other.ask("two").await.text(), "You said: two [turn 2]");
    assert_eq!(daemon.session("c::d").await.unwrap()["thread"], json!(thread));
    // The session has one by now: another is a conflict.
    let unknown = uuid::Uuid::new_v4().to_string();
    let conflict = daemon.client.session("c::d").with("x-turnmux-thread", &unknown);
    conflict.ask("three").await.refused(409, "session_conflict");
    let fresh = daemon.client.session("e::f").with("x-turnmux-thread", &unknown);
    let refusal = fresh.ask("four").await.refused(409, "thread_not_found");
    assert!(refusal.message.contains("reset"), "{refusal:?}");
}
