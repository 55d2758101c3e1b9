//! Either side may not keep up: the pressure goes back to the other, and nothing piles up between.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use turnmux::channel::{Behavior, EVENTS_MAX, HubConfig, PushError, QUEUE_MAX};

use super::plugin::reply;
use super::world::{World, event, heard, patient, push};

#[tokio::test]
async fn a_busy_driver_stops_the_plugin_but_not_what_goes_to_it() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    let all = EVENTS_MAX as u64 + 100;
    for seq in 1..=all {
        plugin.say(&reply(seq, &seq.to_string())).await;
    }
    // So many wait for the driver, and one more has been read.
    let last_read = EVENTS_MAX as u64 + 1;
    while plugin.hear_of("ack").await["seq"] != last_read {}
    for round in 0..3 {
        push(&member, "m");
        member.permission("abcde", Behavior::Allow).unwrap();
        assert_eq!(plugin.hear().await["type"], "inbound", "round {round}: and no further frame was read meanwhile");
        assert_eq!(plugin.hear().await["type"], "permission");
    }
    for seq in 1..=all {
        assert_eq!(heard(&mut member).await, format!("reply {seq}"));
    }
    while plugin.hear_of("ack").await["seq"] != all {}
}

/// A plugin that is not read cannot be heard; it is not taken for dead. Another's death is the clock.
#[tokio::test]
async fn a_plugin_that_is_not_read_is_not_silent() {
    let world = World::with(HubConfig { ping: Duration::from_millis(50), ..patient() }).await;
    let (mut member, mut plugin) = world.pair().await;
    for seq in 1..=EVENTS_MAX as u64 + 2 {
        plugin.say(&reply(seq, "x")).await;
    }
    while plugin.hear_of("ack").await["seq"] != EVENTS_MAX as u64 + 1 {}
    for _ in 0..2 {
        let (_other, mut silent) = world.pair().await;
        assert_eq!(silent.closed().await, 4005);
    }
    push(&member, "m");
    assert_eq!(plugin.hear().await["type"], "inbound", "no ping came, and no close");
    for _ in 1..=EVENTS_MAX + 2 {
        assert_eq!(heard(&mut member).await, "reply x");
    }
}

/// While the driver is away, connections may come and go; it hears how that ended.
#[tokio::test]
async fn a_busy_driver_hears_of_the_last_connection_only() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    for seq in 1..=EVENTS_MAX as u64 + 1 {
        plugin.say(&reply(seq, "x")).await;
    }
    while plugin.hear_of("ack").await["seq"] != EVENTS_MAX as u64 + 1 {}
    for _ in 0..20 {
        plugin = world.stranger().await.greet(member.token.expose(), 0).await;
    }
    for _ in 1..=EVENTS_MAX + 1 {
        assert_eq!(heard(&mut member).await, "reply x");
    }
    assert_eq!(heard(&mut member).await, "connected 7");
    plugin.say(&reply(EVENTS_MAX as u64 + 2, "last")).await;
    assert_eq!(heard(&mut member).await, "reply last");
}

#[tokio::test]
async fn the_queue_to_the_plugin_has_an_end() {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    for n in 0..QUEUE_MAX {
        push(&member, &n.to_string());
    }
    assert_eq!(member.push("x".into(), BTreeMap::new()), Err(PushError::Full));
    assert_eq!(member.permission("abcde", Behavior::Allow), Err(PushError::Full));
    // Sending is not enough: a place is free when the plugin says that the frame has arrived.
    let mut plugin = world.stranger().await.greet(member.token.expose(), 0).await;
    for n in 0..QUEUE_MAX {
        assert_eq!(plugin.hear().await["content"], n.to_string());
    }
    assert_eq!(member.push("x".into(), BTreeMap::new()), Err(PushError::Full));
    plugin.say(&json!({"type": "ack", "seq": 2})).await;
    plugin.say(&reply(1, "after the ack")).await;
    assert_eq!(heard(&mut member).await, "connected 7");
    event(&mut member).await;
    push(&member, "x");
    push(&member, "y");
    assert_eq!(member.push("z".into(), BTreeMap::new()), Err(PushError::Full));
}

/// A plugin that does not read holds up its own frames only, and is still read.
#[tokio::test]
async fn a_plugin_that_does_not_read() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    let large = "x".repeat(1 << 20);
    for _ in 0..QUEUE_MAX {
        push(&member, &large);
    }
    assert_eq!(member.push(large.clone(), BTreeMap::new()), Err(PushError::Full));
    for seq in 1..=10 {
        plugin.say(&reply(seq, "still here")).await;
        assert_eq!(heard(&mut member).await, "reply still here");
    }
    let (mut other, mut bystander) = world.pair().await;
    bystander.say(&reply(1, "undisturbed")).await;
    assert_eq!(heard(&mut other).await, "reply undisturbed");
    for _ in 0..QUEUE_MAX {
        assert_eq!(plugin.hear_of("inbound").await["content"].as_str().map(str::len), Some(large.len()));
    }
}

/// A plugin's hooks are bounded like an agent's own.
#[tokio::test]
async fn a_plugin_with_too_many_hooks() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    let mut held = Vec::new();
    for id in 1..=256 {
        plugin.say(&json!({"type": "hook", "id": id, "event": {}})).await;
        held.push(event(&mut member).await);
    }
    plugin.say(&json!({"type": "hook", "id": 257, "event": {}})).await;
    assert_eq!(plugin.closed().await, 4004);
}
