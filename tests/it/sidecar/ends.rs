//! How the sidecar ends, and how it does not even begin.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Agent, Hub, connected};

/// Far more than it takes, far less than any wait that could be in the way.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn ends_at_once(mut agent: Agent) {
    let start = Instant::now();
    agent.hang_up();
    let (status, stderr) = agent.ended().await;
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert!(status.success() && stderr.is_empty(), "{status}: {stderr}");
}

#[tokio::test]
async fn it_ends_with_its_stdin_and_says_good_bye() {
    let (_hub, agent, mut wire, _) = connected().await;
    ends_at_once(agent).await;
    assert!(matches!(wire.message().await, Some(Message::Close(_))));
}

#[tokio::test]
async fn last_words_are_sent() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    let params = json!({ "name": "reply", "arguments": { "text": "last words" } });
    agent.send(&json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params })).await;
    agent.hang_up();
    assert_eq!(wire.frame().await["content"], "last words");
    ends_at_once(agent).await;
}

#[tokio::test]
async fn it_ends_before_the_agent_has_said_anything() {
    let hub = Hub::new().await;
    ends_at_once(Agent::start(&hub)).await;
}

#[tokio::test]
async fn it_ends_while_the_daemon_is_away() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    let _result = agent.shake_hands().await;
    drop(hub);
    ends_at_once(agent).await;
}

#[tokio::test]
async fn it_ends_while_the_daemon_says_nothing() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    let _result = agent.shake_hands().await;
    let (_wire, _hello) = hub.accept().await;
    let _sent = agent.reply(json!({ "text": "x" })).await;
    ends_at_once(agent).await;
}

#[tokio::test]
async fn it_ends_while_the_daemon_reads_nothing() {
    let (_hub, mut agent, _wire, _) = connected().await;
    // 20 MB: more than sockets hold.
    for _ in 0..20 {
        assert_eq!(agent.reply(json!({ "text": "x".repeat(1 << 20) })).await, (false, "sent".to_owned()));
    }
    ends_at_once(agent).await;
}

#[tokio::test]
async fn it_ends_while_the_agent_reads_nothing() {
    let (_hub, mut agent, mut wire, _) = connected().await;
    wire.inbound(1, &"x".repeat(1 << 20)).await;
    wire.inbound(2, "y").await;
    assert_eq!(wire.frame().await["type"], "ack");
    // An answer that waits behind what nobody reads.
    agent.send(&json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })).await;
    ends_at_once(agent).await;
}

#[tokio::test]
async fn somebody_who_speaks_no_mcp_is_told_so() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    agent
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/private", "params": { "x": "private words" } }))
        .await;
    let (status, stderr) = agent.ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.starts_with("turnmux: the first message on stdin was not `initialize`"), "{stderr}");
    assert!(!stderr.contains("private"), "{stderr}");
}

#[tokio::test]
async fn without_its_variables_it_says_which() {
    let all = [
        ("TURNMUX_CHANNEL_URL", "ws://127.0.0.1:1/bridge"),
        ("TURNMUX_CHANNEL_TOKEN", super::agent::TOKEN),
        ("TURNMUX_CHANNEL_SESSION", "a::b"),
    ];
    for missing in 0..all.len() {
        for empty in [false, true] {
            let mut variables = all.to_vec();
            let (name, _) = variables.remove(missing);
            if empty {
                variables.push((name, ""));
            }
            refused(&variables, &format!("turnmux: {name} is not set: ")).await;
        }
    }
    let no_url = [("TURNMUX_CHANNEL_URL", "http://127.0.0.1:1"), all[1], all[2]];
    refused(&no_url, "turnmux: TURNMUX_CHANNEL_URL is `http://127.0.0.1:1`, which is no ws:// URL").await;
}

async fn refused(variables: &[(&str, &str)], said: &str) {
    let (status, stderr) = Agent::with(variables).ended().await;
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with(said) && stderr.lines().count() == 1, "{stderr}");
}
