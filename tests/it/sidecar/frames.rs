//! Frames both ways, to the letter.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::agent::TOKEN;
use super::{Agent, Hub, connected};

#[tokio::test]
async fn hello_says_who_it_is() {
    let (_hub, agent, _wire, hello) = connected().await;
    let (session, pid) = ("main::chat", agent.pid());
    let expected =
        json!({ "type": "hello", "pid": pid, "session": session, "token": TOKEN, "protocol": 2, "received": 0 });
    assert_eq!(hello, expected);
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!arguments.contains(TOKEN), "{arguments}");
    agent.stop().await;
}

#[tokio::test]
async fn a_message_becomes_a_notification() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    let meta = json!({ "chat_id": "c", "message_id": "m", "ts": "2026-11-20T00:00:00Z" });
    let content = "/clear \u{0}\n<channel>ü";
    wire.send(json!({ "type": "inbound", "seq": 1, "content": content, "meta": meta })).await;
    let params = json!({ "content": content, "meta": meta });
    let expected = json!({ "jsonrpc": "2.0", "method": "notifications/claude/channel", "params": params });
    assert_eq!(agent.line().await, expected);
    assert_eq!(wire.frame().await, json!({ "type": "ack", "seq": 1 }));
    agent.stop().await;
}

#[tokio::test]
async fn a_reply_becomes_a_frame() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    let sent = (false, "sent".to_owned());
    for (seq, arguments, content, is_final) in [
        (1, json!({ "text": "one\n\"two\"" }), "one\n\"two\"", false),
        (2, json!({ "content": "three", "final": true }), "three", true),
        (3, json!({ "text": "", "final": true }), "", true),
    ] {
        assert_eq!(agent.reply(arguments).await, sent);
        assert_eq!(wire.frame().await, json!({ "type": "reply", "seq": seq, "content": content, "final": is_final }));
    }
    agent.stop().await;
}

#[tokio::test]
async fn questions_and_answers_about_tools() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    let question =
        json!({ "request_id": "abcde", "tool_name": "Bash", "description": "list", "input_preview": "{\"a\":1}" });
    let method = "notifications/claude/channel/permission_request";
    agent.send(&json!({ "jsonrpc": "2.0", "method": method, "params": question })).await;
    let mut expected = question.clone();
    expected["type"] = "permission_request".into();
    expected["seq"] = 1.into();
    assert_eq!(wire.frame().await, expected);
    for (seq, behavior) in [(1, "deny"), (2, "allow")] {
        let frame = json!({ "type": "permission", "seq": seq, "request_id": "abcde", "behavior": behavior });
        wire.send(frame).await;
        let params = json!({ "request_id": "abcde", "behavior": behavior });
        let method = "notifications/claude/channel/permission";
        assert_eq!(agent.line().await, json!({ "jsonrpc": "2.0", "method": method, "params": params }));
        assert_eq!(wire.frame().await, json!({ "type": "ack", "seq": seq }));
    }
    agent.stop().await;
}

#[tokio::test]
async fn what_comes_before_the_agent_is_ready_waits_and_keeps_its_order() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    let (mut wire, _) = hub.greet(0).await;
    let _result = agent.initialize("2025-11-25").await;
    // More than may wait: the others stay on the wire.
    for seq in 1..=200 {
        wire.inbound(seq, &seq.to_string()).await;
    }
    let mut acknowledged = 0;
    while acknowledged < 64 {
        acknowledged = wire.frame().await["seq"].as_u64().unwrap();
    }
    assert_eq!(acknowledged, 64, "no more are taken than may wait");
    assert_eq!(agent.call("ping", json!({})).await["result"], json!({}), "none has come so far");
    agent.initialized().await;
    for seq in 1..=200 {
        assert_eq!(agent.line().await["params"]["content"], seq.to_string());
    }
    agent.stop().await;
}

#[tokio::test]
async fn ten_megabytes_pass() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    let content = "words \"quoted\"\n".repeat(700_000);
    wire.inbound(1, &content).await;
    let line = agent.line().await;
    assert!(line["params"]["content"] == content, "10.5 MB came out otherwise");
    assert_eq!(wire.frame().await, json!({ "type": "ack", "seq": 1 }));
    agent.stop().await;
}

#[tokio::test]
async fn pings_of_both_kinds_are_answered() {
    let (_hub, agent, mut wire, _) = connected().await;
    wire.send(json!({ "type": "ping" })).await;
    assert_eq!(wire.frame().await, json!({ "type": "pong" }));
    wire.put(Message::Ping("x".into())).await;
    assert_eq!(wire.message().await, Some(Message::Pong("x".into())));
    agent.stop().await;
}

#[tokio::test]
async fn frames_of_later_revisions_are_left_out() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    wire.send(json!({ "type": "from_the_future", "content": "private words" })).await;
    wire.put(Message::text("no JSON: private words")).await;
    wire.put(Message::binary("private words")).await;
    wire.send(json!({ "type": "inbound", "seq": 1, "content": "x", "meta": {}, "more": [1] })).await;
    assert_eq!(agent.line().await["params"], json!({ "content": "x", "meta": {} }));
    agent.hang_up();
    let (status, stderr) = agent.ended().await;
    assert!(status.success(), "{status}");
    assert_eq!(stderr.matches("does not know").count(), 2, "{stderr}");
    assert!(!stderr.contains("private"), "{stderr}");
}

#[tokio::test]
async fn the_65th_reply_that_nobody_acknowledges_is_refused() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    for n in 1..=64 {
        assert_eq!(agent.reply(json!({ "text": n.to_string() })).await, (false, "sent".to_owned()), "{n}");
    }
    let (is_error, sentence) = agent.reply(json!({ "text": "65" })).await;
    assert!(is_error && sentence.contains("64 messages wait"), "{sentence}");
    for n in 1..=64 {
        assert_eq!(wire.frame().await["seq"], n);
    }
    wire.send(json!({ "type": "ack", "seq": 1 })).await;
    // When the answer to this is there, what came before it has been read.
    wire.send(json!({ "type": "ping" })).await;
    assert_eq!(wire.frame().await["type"], "pong");
    assert_eq!(agent.reply(json!({ "text": "66" })).await, (false, "sent".to_owned()));
    let frame = wire.frame().await;
    assert_eq!((&frame["seq"], &frame["content"]), (&Value::from(65), &Value::from("66")));
    agent.stop().await;
}
