//! Connections that are cut, refused, and closed for good.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{Agent, Hub, Wire, connected};

async fn replies(wire: &mut Wire, contents: &[&str], first_seq: u64) {
    for (seq, content) in (first_seq..).zip(contents) {
        let frame = wire.frame().await;
        assert_eq!((frame["type"].as_str(), frame["content"].as_str()), (Some("reply"), Some(*content)), "{frame}");
        assert_eq!(frame["seq"], seq);
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_over_a_cut() {
    let (hub, mut agent, mut wire, _) = connected().await;
    wire.inbound(1, "a").await;
    wire.inbound(2, "b").await;
    assert_eq!(agent.line().await["params"]["content"], "a");
    assert_eq!(agent.line().await["params"]["content"], "b");
    for text in ["one", "two", "three"] {
        let _sent = agent.reply(json!({ "text": text })).await;
    }
    let mut acks = 0;
    while acks < 2 {
        let frame = wire.frame().await;
        acks = if frame["type"] == "ack" { frame["seq"].as_u64().unwrap() } else { acks };
    }
    // The daemon has seen one reply, and says so by an acknowledgement; another it saw without saying so.
    wire.send(json!({ "type": "ack", "seq": 1 })).await;
    wire.send(json!({ "type": "ping" })).await;
    while wire.frame().await["type"] != "pong" {}
    drop(wire);

    let (mut wire, hello) = hub.greet(2).await;
    assert_eq!(hello["received"], 2);
    replies(&mut wire, &["three"], 3).await;
    // The daemon has not seen the acknowledgement of `b`.
    wire.inbound(2, "b").await;
    assert_eq!(wire.frame().await, json!({ "type": "ack", "seq": 2 }));
    wire.inbound(3, "c").await;
    assert_eq!(wire.frame().await, json!({ "type": "ack", "seq": 3 }));
    assert_eq!(agent.line().await["params"]["content"], "c");
    let _sent = agent.reply(json!({ "text": "four" })).await;
    replies(&mut wire, &["four"], 4).await;
    drop(wire);

    let (mut wire, hello) = hub.greet(3).await;
    assert_eq!(hello["received"], 3);
    replies(&mut wire, &["four"], 4).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_is_said_while_the_daemon_is_away_is_sent_when_it_is_back() {
    let (hub, mut agent, wire, _) = connected().await;
    drop(wire);
    let (wire, _) = hub.accept().await;
    // This connection is not taken yet.
    assert_eq!(agent.reply(json!({ "text": "one" })).await, (false, "sent".to_owned()));
    drop(wire);
    let mut refused = hub.tcp().await;
    refused.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert_eq!(agent.reply(json!({ "text": "two" })).await, (false, "sent".to_owned()));
    drop(refused);
    let (mut wire, _) = hub.greet(0).await;
    replies(&mut wire, &["one", "two"], 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_code_that_may_pass_is_followed_by_another_connection() {
    let (hub, agent, mut wire, _) = connected().await;
    for code in [1001, 1011, 4001, 4004, 4008] {
        wire.close(code).await;
        wire = hub.greet(0).await.0;
    }
    agent.stop().await;
}

#[tokio::test]
async fn after_a_final_code_replies_are_refused_and_the_agent_keeps_its_server() {
    for (code, why) in [
        (1000, "turnmux has ended this session's channel"),
        (4002, "another process has taken over this agent's channel"),
        (4003, "turnmux does not know this agent"),
    ] {
        let (hub, mut agent, mut wire, _) = connected().await;
        wire.close(code).await;
        // The answer to the close: then it is known to the sidecar.
        while wire.message().await.is_some() {}
        refused_for_good(&hub, &mut agent, why).await;
    }
}

#[tokio::test]
async fn a_token_that_is_refused_before_the_handshake_is_refused_for_good() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    let _result = agent.shake_hands().await;
    let mut stream = hub.tcp().await;
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    refused_for_good(&hub, &mut agent, "turnmux does not know this agent").await;
}

async fn refused_for_good(hub: &Hub, agent: &mut Agent, why: &str) {
    let refused = (true, "not sent: turnmux has closed this channel".to_owned());
    // One that was on its way before the close was read is taken, and lost.
    while agent.reply(json!({ "text": "x" })).await != refused {}
    assert_eq!(agent.call("ping", json!({})).await["result"], json!({}));
    tokio::select! {
        biased;
        _ = hub.tcp() => panic!("it has connected again"),
        answer = agent.call("tools/list", json!({})) => assert_eq!(answer["result"]["tools"][0]["name"], "reply"),
    }
    agent.hang_up();
    let (status, stderr) = agent.ended().await;
    assert!(status.success(), "{status}: {stderr}");
    assert_eq!(stderr.matches("WARN").count(), 1, "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
}
