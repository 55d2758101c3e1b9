//! Frames that are not as they should be: each closes its own connection, with a code that says why, and no other.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use turnmux::channel::HubConfig;

use super::plugin::{Plugin, reply};
use super::world::{World, heard, patient, push};

/// What a message is answered with, while another member's connection works on.
async fn closes_with(what: &str, messages: Vec<Message>, code: u16) {
    let world = World::with(HubConfig { frame_bytes: 1000, ..patient() }).await;
    let (mut other, mut bystander) = world.pair().await;
    let (mut member, mut plugin) = world.pair().await;
    for message in messages {
        plugin.send(message).await;
    }
    assert_eq!(plugin.closed().await, code, "{what}");
    assert_eq!(heard(&mut member).await, "cut", "{what}");
    bystander.say(&reply(1, "undisturbed")).await;
    assert_eq!(heard(&mut other).await, "reply undisturbed", "{what}");
    push(&member, "later");
    let mut again = world.stranger().await.greet(member.token.expose(), 0).await;
    assert_eq!(again.hear().await["content"], "later", "it may come back after {what}");
}

#[tokio::test]
async fn what_is_no_frame() {
    for text in [
        "",
        "no JSON",
        "[]",
        r#"["ping"]"#,
        "null",
        "{}",
        r#"{"type": 7}"#,
        r#"{"type": "reply", "seq": 1, "content": 7}"#,
        r#"{"type": "reply", "seq": -1}"#,
        r#"{"type": "reply", "seq": 0}"#,
        r#"{"type": "ack"}"#,
        r#"{"type": "hook", "id": 1}"#,
        r#"{"type": "hook", "id": 1, "event": "Stop"}"#,
        r#"{"type": "permission_request", "seq": 1, "tool_name": "Bash"}"#,
        r#"{"type": "ping"} {"type": "ping"}"#,
    ] {
        closes_with(text, vec![Message::text(text)], 4004).await;
    }
}

#[tokio::test]
async fn binary() {
    closes_with("binary", vec![Message::binary(reply(1, "x").to_string())], 4004).await;
}

#[tokio::test]
async fn too_big_in_one_piece_or_in_many() {
    closes_with("one piece", vec![Message::text(reply(1, &"x".repeat(1000)).to_string())], 4008).await;
    let piece = |code, last| Message::Frame(Frame::message(vec![b'x'; 300], OpCode::Data(code), last));
    let pieces = vec![
        piece(Data::Text, false),
        piece(Data::Continue, false),
        piece(Data::Continue, false),
        piece(Data::Continue, false),
        piece(Data::Continue, true),
    ];
    closes_with("pieces", pieces, 4008).await;
}

/// The plugin is told why, though it has not finished writing when the hub stops reading.
#[tokio::test]
async fn ten_megabytes() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    plugin.say(&reply(1, &"x".repeat(10 << 20))).await;
    assert_eq!(plugin.closed().await, 4008);
    assert_eq!(heard(&mut member).await, "cut");
}

/// A header that announces more than there is room for is enough: nothing is waited for.
#[tokio::test]
async fn ten_megabytes_that_never_come() {
    let world = World::new().await;
    let (_member, mut plugin) = world.pair().await;
    // A masked text frame of 10 MiB in 64-bit length.
    let header = [&[0x81, 0xff][..], &(10_u64 << 20).to_be_bytes(), &[1, 2, 3, 4]].concat();
    plugin.socket.get_mut().write_all(&header).await.unwrap();
    assert_eq!(plugin.closed().await, 4008);
}

#[tokio::test]
async fn what_is_no_websocket() {
    let world = World::new().await;
    // Not masked; a reserved opcode; a continuation of nothing.
    for bytes in [&[0x81, 0x02, b'{', b'}'][..], &[0x83, 0x80, 0, 0, 0, 0], &[0x80, 0x80, 0, 0, 0, 0]] {
        let (mut member, mut plugin) = world.pair().await;
        plugin.socket.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(plugin.closed().await, 1002, "{bytes:x?}");
        assert_eq!(heard(&mut member).await, "cut");
    }
    let (_member, mut plugin) = world.pair().await;
    plugin.send(Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true))).await;
    assert_eq!(plugin.closed().await, 4004, "text that is not UTF-8");
}

/// A newer plugin may say more than we know. What it numbers is acknowledged, or it would say so for ever.
#[tokio::test]
async fn what_is_unknown_is_skipped() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    plugin.say(&json!({"type": "mood", "seq": 1, "is": "good"})).await;
    plugin.say(&json!({"type": "mood"})).await;
    plugin.say(&json!({"type": "mood", "seq": "odd"})).await;
    plugin.say(&json!({"type": "reply", "seq": 2, "content": "x", "final": true, "more": [1]})).await;
    assert_eq!(heard(&mut member).await, "reply x");
    while plugin.hear_of("ack").await["seq"] != 2 {}
}

#[tokio::test]
async fn a_plugin_that_says_goodbye_may_come_back() {
    let world = World::new().await;
    let (mut member, plugin) = world.pair().await;
    let Plugin { mut socket } = plugin;
    socket.close(None).await.unwrap();
    assert_eq!(heard(&mut member).await, "cut");
    let _again = world.stranger().await.greet(member.token.expose(), 0).await;
    assert_eq!(heard(&mut member).await, "connected 7");
}
