//! Connections break at any byte, and are replaced at any moment; nothing is lost and nothing comes twice.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use turnmux::channel::{ChannelEvent, Member};

use super::plugin::{Plugin, hello, reply};
use super::proxy::{Breaks, broken_wire};
use super::world::{World, event, heard, push};
use crate::harness::within;

#[tokio::test]
async fn the_new_connection_takes_over() {
    let world = World::new().await;
    let (mut member, mut old) = world.pair().await;
    push(&member, "a");
    push(&member, "b");
    assert_eq!(old.hear().await["seq"], 1);
    assert_eq!(old.hear().await["seq"], 2);
    old.say(&reply(1, "r")).await;
    assert_eq!(heard(&mut member).await, "reply r");
    let mut new = world.stranger().await;
    new.say(&hello(member.token.expose(), 1)).await;
    assert_eq!(new.hear().await, json!({"type": "hello_ack", "protocol": 2, "received": 1}));
    assert_eq!(new.hear().await["content"], "b", "what was not seen comes again");
    assert_eq!(old.closed().await, 4002);
    assert_eq!(heard(&mut member).await, "connected 7");
    new.say(&reply(1, "r")).await;
    assert_eq!(new.hear().await, json!({"type": "ack", "seq": 1}), "known, and acknowledged again");
    new.say(&reply(2, "s")).await;
    assert_eq!(heard(&mut member).await, "reply s");
    assert_eq!(world.hub.connected(), 1);
}

#[tokio::test]
async fn a_cut_connection_may_come_back_and_what_was_pushed_waits() {
    let world = World::new().await;
    let (mut member, plugin) = world.pair().await;
    drop(plugin);
    assert_eq!(heard(&mut member).await, "cut");
    assert_eq!(world.hub.connected(), 0);
    push(&member, "meanwhile");
    let mut plugin = world.stranger().await.greet(member.token.expose(), 0).await;
    assert_eq!(plugin.hear().await["content"], "meanwhile");
    assert_eq!(heard(&mut member).await, "connected 7");
}

/// A plugin process that is started anew knows nothing, and learns from `hello_ack` where to count on.
#[tokio::test]
async fn a_new_plugin_process_counts_on() {
    let world = World::new().await;
    let (mut member, mut plugin) = world.pair().await;
    push(&member, "a");
    plugin.hear().await;
    plugin.say(&json!({"type": "ack", "seq": 1})).await;
    for seq in 1..=3 {
        plugin.say(&reply(seq, "old")).await;
        heard(&mut member).await;
    }
    push(&member, "b");
    let mut plugin = world.stranger().await;
    plugin.say(&hello(member.token.expose(), 0)).await;
    assert_eq!(plugin.hear().await["received"], 3);
    let frame = plugin.hear().await;
    assert_eq!((&frame["seq"], &frame["content"]), (&json!(2), &json!("b")), "what was acknowledged is not said again");
    plugin.say(&reply(4, "new")).await;
    assert_eq!(heard(&mut member).await, "connected 7");
    assert_eq!(heard(&mut member).await, "reply new");
}

const MESSAGES: usize = 60;

/// What a connection is like before the next one.
#[derive(Debug, Clone)]
enum Fate {
    /// It breaks after so many bytes.
    Breaks(Breaks),
    /// After so many frames the plugin opens another beside it.
    Replaced { frames: usize },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => (100..4000_u64, 100..4000_u64).prop_map(|(up, down)| Fate::Breaks(Breaks { up, down })),
        1 => (0..30_usize).prop_map(|frames| Fate::Replaced { frames }),
    ]
}

/// A plugin as it ought to be.
struct Honest {
    address: SocketAddr,
    token: String,
    received: u64,
    heard: Vec<String>,
    /// Replies that have not arrived.
    unacknowledged: VecDeque<u64>,
    said: u64,
    /// Connections that were replaced, and are still open.
    old: Vec<Plugin>,
    connections: usize,
}

impl Honest {
    /// Talks until everything has been said and heard, over as many connections as that takes.
    async fn talk(&mut self, fates: &[Fate]) {
        loop {
            let patience = match fates.get(self.connections) {
                Some(Fate::Replaced { frames }) => *frames,
                _ => usize::MAX,
            };
            self.connections += 1;
            let Ok(mut plugin) = Plugin::try_connect(self.address, "/bridge").await else { continue };
            match self.one_connection(&mut plugin, patience).await {
                Some(true) => return,
                Some(false) => self.old.push(plugin),
                None => {}
            }
        }
    }

    /// Whether all is done; or false when the patience is over; or none when the connection broke.
    async fn one_connection(&mut self, plugin: &mut Plugin, patience: usize) -> Option<bool> {
        send(plugin, &hello(&self.token, self.received)).await?;
        let ack = next(plugin).await?;
        assert_eq!(ack["type"], "hello_ack");
        self.arrived(&ack["received"]);
        for seq in self.unacknowledged.clone() {
            send(plugin, &reply(seq, &format!("r{seq}"))).await?;
        }
        for _ in 0..patience {
            if self.heard.len() == MESSAGES && self.said == MESSAGES as u64 && self.unacknowledged.is_empty() {
                return Some(true);
            }
            if self.said < MESSAGES as u64 {
                self.said += 1;
                self.unacknowledged.push_back(self.said);
                send(plugin, &reply(self.said, &format!("r{}", self.said))).await?;
            }
            let frame = next(plugin).await?;
            match frame["type"].as_str().unwrap() {
                "inbound" => {
                    let seq = frame["seq"].as_u64().unwrap();
                    if seq > self.received {
                        self.received = seq;
                        self.heard.push(frame["content"].as_str().unwrap().to_owned());
                    }
                    send(plugin, &json!({"type": "ack", "seq": seq})).await?;
                }
                "ack" => self.arrived(&frame["seq"]),
                other => panic!("{other}"),
            }
        }
        Some(false)
    }

    fn arrived(&mut self, seq: &Value) {
        let seq = seq.as_u64().unwrap();
        self.unacknowledged.retain(|waiting| *waiting > seq);
    }
}

async fn send(plugin: &mut Plugin, frame: &Value) -> Option<()> {
    within("a frame to be taken", plugin.socket.send(Message::text(frame.to_string()))).await.ok()
}

async fn next(plugin: &mut Plugin) -> Option<Value> {
    match within("a frame", plugin.socket.next()).await? {
        Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
        _ => None,
    }
}

/// The driver's side: pushes as it goes along, and what it heard.
async fn drive(member: &mut Member) -> Vec<String> {
    let (mut pushed, mut replies) = (0, Vec::new());
    while replies.len() < MESSAGES || pushed < MESSAGES {
        for _ in 0..if pushed == 0 { 10 } else { 1 } {
            if pushed < MESSAGES {
                push(member, &format!("m{pushed}"));
                pushed += 1;
            }
        }
        if replies.len() < MESSAGES
            && let ChannelEvent::Reply { content, .. } = event(member).await
        {
            replies.push(content);
        }
    }
    replies
}

async fn nothing_is_lost_or_doubled(fates: &[Fate]) {
    let world = World::new().await;
    let mut member = world.hub.enlist("main::test");
    let endless = Breaks { up: u64::MAX, down: u64::MAX };
    let breaks = fates.iter().map(|fate| if let Fate::Breaks(breaks) = fate { *breaks } else { endless }).collect();
    let mut plugin = Honest {
        address: broken_wire(world.hub.address(), breaks).await,
        token: member.token.expose().to_owned(),
        received: 0,
        heard: Vec::new(),
        unacknowledged: VecDeque::new(),
        said: 0,
        old: Vec::new(),
        connections: 0,
    };
    let (replies, ()) = futures_util::join!(drive(&mut member), plugin.talk(fates));
    let numbered =
        |letter: char, from: usize| (from..from + MESSAGES).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    assert_eq!(plugin.heard, numbered('m', 0));
    assert_eq!(replies, numbered('r', 1));
    let must_break = |fate: &Fate| match fate {
        Fate::Breaks(breaks) => breaks.up < 2000 || breaks.down < 2000,
        Fate::Replaced { .. } => true,
    };
    assert!(plugin.connections > 1 || !fates.first().is_some_and(must_break), "{fates:?} was to be met");
    while let Ok(left) = member.events.try_recv() {
        assert!(!matches!(left, ChannelEvent::Reply { .. }), "{left:?} came twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_wherever_it_breaks(fates in prop::collection::vec(fate(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(nothing_is_lost_or_doubled(&fates));
    }
}
