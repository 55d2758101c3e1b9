//! What goes back and forth on a connection that works.

use std::collections::BTreeMap;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use turnmux::channel::{Behavior, ChannelEvent, HubConfig};

use super::plugin::reply;
use super::world::{World, event, heard, patient};

#[tokio::test]
async fn messages_and_replies() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    assert_eq!(world.hub.connected(), 1);
    let meta = BTreeMap::from([("chat_id".into(), "c1".into()), ("message_id".into(), "m1".into())]);
    member.push("/clear is \"text\"\n".into(), meta).unwrap();
    let inbound = json!({"type": "inbound", "seq": 1, "content": "/clear is \"text\"\n",
        "meta": {"chat_id": "c1", "message_id": "m1"}});
    assert_eq!(plugin.hear().await, inbound);
    plugin.say(&json!({"type": "ack", "seq": 1})).await;
    // Nothing asks for a turn: whose reply this is, is not the channel's to judge.
    plugin.say(&json!({"type": "reply", "seq": 1, "content": "half", "final": false})).await;
    plugin.say(&reply(2, "whole")).await;
    assert_eq!(heard(&mut member).await, "piece half");
    assert_eq!(heard(&mut member).await, "reply whole");
    while plugin.hear_of("ack").await["seq"] != 2 {}
}

#[tokio::test]
async fn permissions() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    let request = json!({"type": "permission_request", "seq": 1, "request_id": "abcde", "tool_name": "Bash",
        "description": "to look", "input_preview": "{\"command\":\"ls\"}"});
    plugin.say(&request).await;
    match event(&mut member).await {
        ChannelEvent::PermissionRequest { request_id, tool_name, description, input_preview } => {
            assert_eq!((&*request_id, &*tool_name, &*description), ("abcde", "Bash", "to look"));
            assert_eq!(input_preview, "{\"command\":\"ls\"}");
        }
        other => panic!("{other:?}"),
    }
    member.permission("abcde", Behavior::Deny).unwrap();
    let answer = plugin.hear_of("permission").await;
    assert_eq!(answer, json!({"type": "permission", "seq": 1, "request_id": "abcde", "behavior": "deny"}));
}

/// Answers come in the order in which they are given, each with its call's number.
#[tokio::test]
async fn hooks_by_the_plugin() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    let mut calls = Vec::new();
    for id in 1..=3 {
        plugin.say(&json!({"type": "hook", "id": id, "event": {"hook_event_name": "Stop", "n": id}})).await;
        match event(&mut member).await {
            ChannelEvent::Hook(call) => calls.push(call),
            other => panic!("{other:?}"),
        }
    }
    assert!(calls.iter().all(turnmux::channel::HookCall::is_waiting));
    assert_eq!(&*calls[0].body, br#"{"hook_event_name":"Stop","n":1}"#);
    calls.remove(1).answer(json!({"decision": "block"}));
    let result = plugin.hear().await;
    assert_eq!(result, json!({"type": "hook_result", "id": 2, "output": {"decision": "block"}}));
    drop(calls.remove(0));
    assert_eq!(plugin.hear().await, json!({"type": "hook_result", "id": 1, "output": {}}), "no answer is no opinion");
    drop(plugin);
    let mut last = calls.remove(0);
    crate::harness::within("the end of the asker", last.abandoned()).await;
    assert!(!last.is_waiting());
}

#[tokio::test]
async fn pings_of_either_kind_are_answered() {
    let world = World::new().await;
    let (_member, mut plugin) = world.pair().await;
    plugin.say(&json!({"type": "ping"})).await;
    assert_eq!(plugin.hear().await, json!({"type": "pong"}));
    plugin.send(Message::Ping("are you?".into())).await;
    let pong = futures_util::StreamExt::next(&mut plugin.socket).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you?".into()));
}

/// There is no limit on what goes to the plugin, and none near on what comes.
#[tokio::test]
async fn large_frames_pass() {
    let world = World::with(HubConfig { frame_bytes: 1 << 20, ..patient() }).await;
    let (mut member, mut plugin) = world.pair().await;
    let large = "é".repeat(5 << 20);
    member.push(large.clone(), BTreeMap::new()).unwrap();
    assert_eq!(plugin.hear().await["content"].as_str().map(str::len), Some(large.len()));
    let whole = (1 << 20) - reply(1, "").to_string().len();
    plugin.say(&reply(1, &"x".repeat(whole))).await;
    assert_eq!(heard(&mut member).await.len(), "reply ".len() + whole);
}
