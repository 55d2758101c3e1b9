//! Who says nothing, and whether that means that it is gone.

use std::time::Duration;

use serde_json::json;
use turnmux::channel::{HubConfig, PushError};

use super::plugin::reply;
use super::world::{World, heard, patient, push};

#[tokio::test]
async fn one_missed_pong_is_the_end_of_a_connection() {
    let world = World::with(HubConfig { ping: Duration::from_millis(20), ..patient() }).await;
    let mut member = world.hub.enlist("main::test");
    let mut plugin = world.stranger().await.greet(member.token.expose(), 0).await;
    assert_eq!(heard(&mut member).await, "connected 7");
    assert_eq!(plugin.hear().await, json!({"type": "ping"}));
    assert_eq!(plugin.closed().await, 4005);
    assert_eq!(heard(&mut member).await, "cut");
    assert_eq!(world.hub.connected(), 0);
}

/// Several times as long as a silent one would last: by a pong, and by any other frame.
#[tokio::test]
async fn whoever_answers_stays() {
    let world = World::with(HubConfig { ping: Duration::from_millis(500), ..patient() }).await;
    let (mut member, mut plugin) = world.pair().await;
    for seq in 1..=2 {
        assert_eq!(plugin.hear_of("ping").await, json!({"type": "ping"}));
        plugin.say(&json!({"type": "pong"})).await;
        assert_eq!(plugin.hear_of("ping").await, json!({"type": "ping"}));
        plugin.say(&reply(seq, "here")).await;
        assert_eq!(heard(&mut member).await, "reply here");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_back_is_lost() {
    let world = World::with(HubConfig { grace: Duration::from_millis(20), ..patient() }).await;
    let (mut member, plugin) = world.pair().await;
    let token = member.token.expose().to_owned();
    drop(plugin);
    assert_eq!(heard(&mut member).await, "cut");
    assert_eq!(heard(&mut member).await, "lost");
    assert_eq!(member.push("x".into(), std::collections::BTreeMap::new()), Err(PushError::Lost));
    let mut late = world.stranger().await;
    late.say(&super::plugin::hello(&token, 0)).await;
    assert_eq!(late.closed().await, 4003);
    let asker = world.asker(&member);
    let hook = json!({"of": "the agent"});
    let (asked, heard) = tokio::join!(asker.post("/hooks", &hook), heard(&mut member));
    assert_eq!(
        (asked.status.as_u16(), &*heard),
        (200, "hook {\"of\":\"the agent\"}"),
        "the agent lives, and tells what it does"
    );
    drop(member);
    assert_eq!(asker.post("/hooks", &json!({})).await.status, 401);
}

/// Before its first connection a member is not lost: how long an agent may take to start is the driver's to say.
#[tokio::test]
async fn grace_begins_with_a_cut() {
    let world = World::with(HubConfig { grace: Duration::from_millis(20), ..patient() }).await;
    let patient_one = world.hub.enlist("main::slow");
    let (mut member, plugin) = world.pair().await;
    drop(plugin);
    assert_eq!(heard(&mut member).await, "cut");
    assert_eq!(heard(&mut member).await, "lost");
    push(&patient_one, "still wanted");
    let mut plugin = world.stranger().await.greet(patient_one.token.expose(), 0).await;
    assert_eq!(plugin.hear().await["content"], "still wanted");
}
