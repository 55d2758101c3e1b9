//! A hub that listens, and what its drivers hear.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use turnmux::channel::{ChannelEvent, Hub, HubConfig, Member};

use super::plugin::Plugin;
use crate::harness::{Client, within};

/// Ends with the test.
pub(super) struct World {
    pub(super) hub: Hub,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// Bounds of time that no test comes near, unless it means to.
pub(super) fn patient() -> HubConfig {
    let long = Duration::from_hours(1);
    HubConfig { hello_within: long, ping: long, grace: long, ..HubConfig::default() }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(patient()).await
    }

    pub(super) async fn with(config: HubConfig) -> Self {
        let (hub, listener) = Hub::bind("127.0.0.1:0".parse().unwrap(), config).await.expect("a port");
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(listener.run(async {
            let _ = stopped.await;
        }));
        Self { hub, stop, running }
    }

    /// A plain HTTP client.
    pub(super) fn client(&self) -> Client {
        Client::of_side_door(&self.hub.address().to_string())
    }

    /// One that may call this member's hooks.
    pub(super) fn asker(&self, member: &Member) -> Client {
        self.client().with("authorization", &format!("Bearer {}", member.token.expose()))
    }

    /// A WebSocket that has said nothing.
    pub(super) async fn stranger(&self) -> Plugin {
        Plugin::connect(self.hub.address()).await
    }

    /// A member and its plugin, which has said hello.
    pub(super) async fn pair(&self) -> (Member, Plugin) {
        let mut member = self.hub.enlist("main::test");
        let plugin = self.stranger().await.greet(member.token.expose(), 0).await;
        assert_eq!(heard(&mut member).await, "connected 7");
        (member, plugin)
    }

    /// Tells it to stop and waits until it has.
    pub(super) async fn stop(self) -> Hub {
        self.stop.send(()).expect("it runs");
        within("the listener to stop", self.running).await.expect("it does not panic");
        self.hub
    }
}

/// The next event.
pub(super) async fn event(member: &mut Member) -> ChannelEvent {
    within("an event", member.events.recv()).await.expect("an event")
}

/// The next event in a few words.
pub(super) async fn heard(member: &mut Member) -> String {
    match event(member).await {
        ChannelEvent::Connected { pid } => format!("connected {pid}"),
        ChannelEvent::Cut => "cut".into(),
        ChannelEvent::Lost => "lost".into(),
        ChannelEvent::Reply { content, is_final: true } => format!("reply {content}"),
        ChannelEvent::Reply { content, is_final: false } => format!("piece {content}"),
        ChannelEvent::PermissionRequest { request_id, tool_name, .. } => format!("may {tool_name}? {request_id}"),
        ChannelEvent::Hook(call) => format!("hook {}", String::from_utf8_lossy(&call.body)),
    }
}

/// Pushes a text.
pub(super) fn push(member: &Member, text: &str) {
    member.push(text.into(), BTreeMap::new()).expect("there is room");
}
