//! The end of the listener, and of members.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::net::TcpStream;
use turnmux::channel::PushError;

use super::plugin::hello;
use super::world::{World, heard, push};
use crate::harness::within;

#[tokio::test]
async fn stopping_closes_everything() {
    let world = World::new().await;
    let address = world.hub.address();
    let (mut member, mut plugin) = world.pair().await;
    let mut waiting = world.stranger().await;
    let mut unconnected = world.hub.enlist("main::other");
    let _silent = TcpStream::connect(address).await.unwrap();
    let asker = world.asker(&member);
    let asked = tokio::spawn(async move { asker.raw(b"POST /hooks HTTP/1.1\r\nhost: localhost\r\n").await });
    push(&member, "last");
    assert_eq!(plugin.hear().await["content"], "last");
    let closing = tokio::spawn(async move { (plugin.closed().await, waiting.closed().await) });
    let hub = world.stop().await;
    assert_eq!(within("the close frames", closing).await.unwrap(), (1001, 1001));
    assert!(within("the end of a half request", asked).await.is_err(), "it is answered nothing");
    assert_eq!(heard(&mut member).await, "lost");
    assert_eq!(heard(&mut unconnected).await, "lost");
    assert_eq!(member.push("x".into(), BTreeMap::new()), Err(PushError::Lost));
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    let mut late = hub.enlist("main::late");
    assert_eq!(heard(&mut late).await, "lost");
    assert!(late.events.recv().await.is_none());
    assert_eq!(late.push("x".into(), BTreeMap::new()), Err(PushError::Lost));
    assert_eq!(hub.connected(), 0);
}

/// A plugin that never answers the close frame does not hold up the stop for long, and the daemon not at all.
#[tokio::test]
async fn a_plugin_that_does_not_listen_does_not_keep_it() {
    let world = World::new().await;
    let (_member, plugin) = world.pair().await;
    world.stop().await;
    drop(plugin);
}

#[tokio::test]
async fn dropping_a_member_ends_its_plugin_and_its_hooks() {
    let world = World::new().await;
    let (member, mut plugin) = world.pair().await;
    let asker = world.asker(&member);
    let token = member.token.expose().to_owned();
    drop(member);
    // At once: no turn of the runtime lies between.
    assert_eq!(asker.post("/hooks", &json!({})).await.status, 401);
    assert_eq!(plugin.closed().await, 1000);
    let mut late = world.stranger().await;
    late.say(&hello(&token, 0)).await;
    assert_eq!(late.closed().await, 4003);
}

/// tungstenite writes whole messages to the `log` crate. Nothing may carry those on.
#[test]
fn nothing_listens_to_the_log_crate() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"tungstenite\""));
    assert!(!lock.contains("name = \"tracing-log\""), "switch tracing-subscriber's feature off again");
}
