//! Bodies that are no chat request: a 400 that names the field, and nothing reaches an agent.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Daemon, Reply, ask};

const CHAT: &str = "/v1/chat/completions";

async fn send(client: &Client, body: impl Into<Bytes>) -> Reply {
    client.request(Method::POST, CHAT, body.into()).await
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let daemon = Daemon::stand_in().start().await;
    let whole = ask("hello").to_string();
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [Vec<u8>; 11] = [
        b"".to_vec(),
        b" \n".to_vec(),
        b"{".to_vec(),
        b"hello".to_vec(),
        b"model=claude-code&messages=hello".to_vec(),
        whole[..whole.len() - 1].into(),
        whole[..whole.len() / 2].into(),
        format!("{whole} and more").into(),
        [whole.replace("hello", "hel").as_bytes(), b"\xff\xfe", b"lo"].concat(),
        whole.replace("hello", "\u{0}").into(),
        whole.replace("\"hello\"", &nested).into(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let refusal = send(&daemon.client, body).await.refused(400, "invalid_json");
        assert!(refusal.message.contains("not valid JSON") && refusal.param.is_none(), "{shown}: {refusal:?}");
    }
    let bad_utf8 = whole.replace("hello", "h?llo").into_bytes();
    let bad_utf8: Vec<u8> = bad_utf8.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
    send(&daemon.client, bad_utf8).await.refused(400, "invalid_json");
    assert!(daemon.stand_in_turns().is_empty(), "nothing may reach an agent");
    assert_eq!(daemon.client.ask("still there").await.text(), "You said: still there [turn 1]");
}

#[tokio::test]
async fn json_that_is_no_object_is_refused() {
    let daemon = Daemon::stand_in().start().await;
    for body in ["null", "true", "5", "\"hello\"", "[]"] {
        let refusal = send(&daemon.client, body).await.refused(400, "invalid_body");
        assert!(refusal.param.is_none(), "{body}: {refusal:?}");
    }
}

#[tokio::test]
async fn wrong_types_are_refused_by_name() {
    let daemon = Daemon::stand_in().start().await;
    let user = json!([{"role": "user", "content": "hello"}]);
    let cases: [(Value, &str); 19] = [
        (json!({"messages": "hello"}), "messages"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": {"role": "user"}}), "messages"),
        (json!({"messages": ["hello"]}), "messages[0]"),
        (json!({"messages": [{"role": "user", "content": "a"}, null]}), "messages[1]"),
        (json!({"messages": [{"content": "hello"}]}), "messages[0].role"),
        (json!({"messages": [{"role": 5, "content": "hello"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "robot", "content": "hello"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": {"text": "hello"}}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": ["hello"]}]}), "messages[0].content[0].type"),
        (json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}), "messages[0].content[0].text"),
        (json!({"messages": user, "model": 5}), "model"),
        (json!({"messages": user, "stream": "yes"}), "stream"),
        (json!({"messages": user, "stream_options": true}), "stream_options"),
        (json!({"messages": user, "stream_options": {"include_usage": "yes"}}), "stream_options.include_usage"),
        (json!({"messages": user, "user": 5}), "user"),
        (json!({"messages": user, "n": "two"}), "n"),
        (json!({"messages": user, "tools": "hammer"}), "tools"),
    ];
    for (body, param) in cases {
        for stream in [false, true] {
            let mut body = body.clone();
            if body.get("stream").is_none() {
                body["stream"] = json!(stream);
            }
            let reply = daemon.client.post(CHAT, &body).await;
            let code = reply.code();
            let refusal = reply.refused(400, &code);
            assert_eq!(refusal.param.as_deref(), Some(param), "{body}");
            assert!(refusal.message.contains(&format!("`{param}`")), "{body}: {refusal:?}");
        }
    }
    assert!(daemon.stand_in_turns().is_empty(), "nothing may reach an agent");
}

#[tokio::test]
async fn without_a_user_message_there_is_nothing_to_answer() {
    let daemon = Daemon::stand_in().start().await;
    for messages in [
        json!([]),
        json!([{"role": "system", "content": "be brief"}]),
        json!([{"role": "assistant", "content": "hello"}]),
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
        json!([{"role": "user", "content": ""}]),
        json!([{"role": "user", "content": " \n\t"}]),
        json!([{"role": "user", "content": null}]),
        json!([{"role": "user", "content": []}]),
    ] {
        let reply = daemon.client.post(CHAT, &json!({"messages": messages})).await;
        let refusal = reply.refused(400, "no_user_message");
        assert_eq!(refusal.param.as_deref(), Some("messages"), "{messages}");
    }
    let refusal = daemon.client.post(CHAT, &json!({})).await.refused(400, "no_user_message");
    assert_eq!(refusal.param.as_deref(), Some("messages"));
    assert!(daemon.stand_in_turns().is_empty(), "nothing may reach an agent");
}

#[tokio::test]
async fn control_bodies_are_read_as_strictly() {
    let daemon = Daemon::stand_in().start().await;
    for path in ["/v1/chat/abort", "/v1/chat/session/reset"] {
        daemon.client.request(Method::POST, path, "{".into()).await.refused(400, "invalid_json");
        let refusal = daemon.client.post(path, &json!({"session": 5})).await.refused(400, "invalid_type");
        assert_eq!(refusal.param.as_deref(), Some("session"));
        let refusal = daemon.client.post(path, &json!({"session": "a\u{7}b"})).await.refused(400, "invalid_session");
        assert_eq!(refusal.param.as_deref(), Some("session"));
    }
    let refusal = daemon.client.post("/v1/chat/abort", &json!({})).await.refused(400, "missing_field");
    assert_eq!(refusal.param.as_deref(), Some("session"));
    let refusal = daemon.client.post("/v1/chat/session/reset", &json!({})).await.refused(400, "missing_field");
    assert_eq!(refusal.param.as_deref(), Some("session"));
    let refusal = daemon.client.post("/v1/chat/abort", &json!({"turn": "first"})).await.refused(400, "invalid_turn");
    assert_eq!(refusal.param.as_deref(), Some("turn"));
}
