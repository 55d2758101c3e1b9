//! How a connection shows whose it is, and what happens to one that cannot.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use turnmux::channel::HubConfig;

use super::plugin::{Plugin, hello};
use super::world::{World, heard, patient, push};
use crate::harness::within;

#[tokio::test]
async fn hello_must_come_in_time() {
    let config = HubConfig { hello_within: Duration::from_millis(20), ..patient() };
    let world = World::with(config).await;
    assert_eq!(world.stranger().await.closed().await, 4001);
}

/// So must the request before it.
#[tokio::test]
async fn headers_must_come_in_time() {
    let world = World::with(HubConfig { hello_within: Duration::from_millis(20), ..patient() }).await;
    for begun in ["", "GET /bridge HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut stream = TcpStream::connect(world.hub.address()).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within("the end of a slow connection", stream.read_to_end(&mut answer)).await.unwrap();
    }
}

#[tokio::test]
async fn hello_must_come_first() {
    let world = World::new().await;
    let member = world.hub.enlist("main::test");
    for first in [
        Message::text(json!({"type": "reply", "content": "x"}).to_string()),
        Message::text(json!({"type": "later", "token": member.token.expose()}).to_string()),
        Message::text("no JSON"),
        Message::text(r#"{"type": "hello", "pid": "seven"}"#),
        Message::binary(hello(member.token.expose(), 0).to_string()),
    ] {
        let mut plugin = world.stranger().await;
        plugin.send(first.clone()).await;
        assert_eq!(plugin.closed().await, 4001, "{first:?}");
    }
    assert_eq!(world.hub.connected(), 0);
}

#[tokio::test]
async fn a_token_must_be_a_living_members() {
    let world = World::new().await;
    let (member, other) = (world.hub.enlist("main::test"), world.hub.enlist("main::other"));
    let token = member.token.expose().to_owned();
    let (number, secret) = token.split_once('.').unwrap();
    let others = other.token.expose().split_once('.').unwrap().0;
    for wrong in [
        String::new(),
        "never issued".into(),
        format!("{number}."),
        format!("99.{secret}"),
        format!("{others}.{secret}"),
        format!("{token}0"),
        token[..token.len() - 1].to_owned(),
    ] {
        let mut plugin = world.stranger().await;
        plugin.say(&hello(&wrong, 0)).await;
        assert_eq!(plugin.closed().await, 4003, "{wrong}");
    }
    // Which session it is the token says, whatever hello calls it.
    let mut plugin = world.stranger().await;
    let mut named = hello(&token, 0);
    named["session"] = json!("nobody::knows");
    plugin.say(&named).await;
    assert_eq!(plugin.hear().await, json!({"type": "hello_ack", "protocol": 2, "received": 0}));
    drop(member);
    assert_eq!(plugin.closed().await, 1000, "its connection goes with the member");
    let mut late = world.stranger().await;
    late.say(&hello(&token, 0)).await;
    assert_eq!(late.closed().await, 4003, "and the token is void");
}

#[tokio::test]
async fn tokens_are_never_given_twice() {
    let world = World::new().await;
    let members: Vec<_> = (0..100).map(|_| world.hub.enlist("main::test")).collect();
    let tokens: std::collections::HashSet<_> = members.iter().map(|member| member.token.expose()).collect();
    assert_eq!(tokens.len(), 100);
    assert!(!format!("{members:?}").contains(members[0].token.expose()), "and not printed");
}

#[tokio::test]
async fn a_connection_says_hello_once() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    plugin.say(&hello(member.token.expose(), 0)).await;
    assert_eq!(plugin.closed().await, 4004);
    assert_eq!(heard(&mut member).await, "cut");
}

/// A plugin of revision 1 has its token in the URL, and neither numbers nor acknowledgements.
#[tokio::test]
async fn revision_1_is_spoken() {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    push(&member, "waits");
    let path = format!("/bridge?x=1&token={}", member.token.expose());
    let mut plugin = Plugin::try_connect(world.hub.address(), &path).await.unwrap();
    plugin.say(&json!({"type": "hello", "openclaw_session": "main::test", "pid": 5})).await;
    assert_eq!(plugin.hear().await, json!({"type": "hello_ack", "protocol": 1, "received": 0}));
    assert_eq!(plugin.hear().await, json!({"type": "inbound", "content": "waits", "meta": {}}));
    plugin.say(&json!({"type": "reply", "content": "a"})).await;
    plugin.say(&json!({"type": "reply", "content": "a", "final": false})).await;
    assert_eq!(heard(&mut member).await, "connected 5");
    assert_eq!(heard(&mut member).await, "reply a");
    assert_eq!(heard(&mut member).await, "piece a");
    drop(plugin);
    assert_eq!(heard(&mut member).await, "cut");
    push(&member, "later");
    let mut plugin = Plugin::try_connect(world.hub.address(), &path).await.unwrap();
    plugin.say(&json!({"type": "hello"})).await;
    plugin.hear_of("hello_ack").await;
    assert_eq!(plugin.hear().await["content"], "later", "what was written is not written again");
}

#[tokio::test]
async fn a_newer_plugin_is_answered_in_our_revision() {
    let world = World::new().await;
    let member = world.hub.enlist("main::test");
    let mut plugin = world.stranger().await;
    let mut newer = hello(member.token.expose(), 0);
    newer["protocol"] = json!(9);
    newer["colour"] = json!("blue");
    plugin.say(&newer).await;
    assert_eq!(plugin.hear().await, json!({"type": "hello_ack", "protocol": 2, "received": 0}));
}
