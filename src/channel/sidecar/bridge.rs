//! The task that owns the connection to the daemon: makes it, carries frames over it, and makes it again when it is cut.
//!
//! ```text
//!  away ── hello, hello_ack ─▶ connected ── closed for good ─▶ gone (until the agent ends)
//!    ▲                             │
//!    └────── cut: at once, ────────┘
//!            50 ms … 2 s later     away for a minute: over
//! ```

use std::pin::pin;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::inbox::Inbox;
use super::outbox::{Outbox, Saying};
use super::patience::Patience;
use super::place::Place;
use super::socket::{Closed, Event, Socket};
use crate::wire::channel::{Ack, FromPlugin, Hello, PROTOCOL, ToPlugin};

/// What the task owns.
pub(super) struct Bridge {
    pub(super) place: Place,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// Closed when the agent is gone.
    pub(super) said: mpsc::Receiver<Saying>,
    /// Called after each greeting.
    pub(super) started: fn(),
}

/// Why there is nothing more to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The agent is gone, and what it said last is on its way if there was a connection.
    AgentGone,
    /// The daemon was away for longer than anybody waits.
    DaemonAway,
}

/// Why a connection is over.
enum Parted {
    Closed(Closed),
    AgentGone,
}

impl Bridge {
    /// Carries frames until one side is gone.
    pub(super) async fn run(mut self) -> Over {
        let mut patience = Patience::new();
        while let Some(delay) = patience.next() {
            let parted = match self.connect(delay).await {
                Ok(socket) => {
                    let since = Instant::now();
                    let parted = self.carry(socket).await;
                    patience.was_connected(since);
                    parted
                }
                Err(parted) => parted,
            };
            match parted {
                Parted::Closed(Closed::Cut) => {}
                Parted::Closed(Closed::ForGood(why)) => {
                    self.gone(why).await;
                    return Over::AgentGone;
                }
                Parted::AgentGone => return Over::AgentGone,
            }
        }
        Over::DaemonAway
    }

    /// One attempt, after a while. What the agent says meanwhile is kept.
    async fn connect(&mut self, delay: std::time::Duration) -> Result<Socket, Parted> {
        let Place { url, token, session } = self.place.clone();
        let (pid, received) = (std::process::id(), self.inbox.received());
        let hello = Hello { pid, session: session.into(), token: token.into(), protocol: PROTOCOL, received };
        let hello = text(&FromPlugin::Hello(hello));
        let mut opening = pin!(async move {
            sleep(delay).await;
            Socket::open(&url, hello).await
        });
        let (socket, answer) = loop {
            tokio::select! {
                opened = &mut opening => break opened.map_err(Parted::Closed)?,
                saying = self.said.recv() => self.outbox.push(saying.ok_or(Parted::AgentGone)?),
            }
        };
        let Ok(ToPlugin::HelloAck(ack)) = ToPlugin::parse(&answer) else {
            tracing::warn!("turnmux has answered `hello` with something else than `hello_ack`");
            return Err(Parted::Closed(Closed::Cut));
        };
        self.outbox.reconnected(ack.received);
        (self.started)();
        Ok(socket)
    }

    /// Carries frames until the connection is over.
    async fn carry(&mut self, mut socket: Socket) -> Parted {
        let mut pong_due = false;
        let mut is_agent_gone = false;
        loop {
            if socket.is_flushed() {
                match self.next_frame(&mut pong_due) {
                    Some(frame) => socket.write(frame),
                    None if is_agent_gone => {
                        socket.close().await;
                        return Parted::AgentGone;
                    }
                    None => {}
                }
            }
            let has_room = self.inbox.has_room();
            tokio::select! {
                event = socket.event(has_room) => match event {
                    Event::Flushed => {}
                    Event::Text(frame) => pong_due |= self.take(&frame),
                    Event::Closed(closed) => return Parted::Closed(closed),
                },
                saying = self.said.recv(), if !is_agent_gone => match saying {
                    Some(saying) => self.outbox.push(saying),
                    None => is_agent_gone = true,
                },
                () = self.inbox.room(), if !has_room => {}
            }
        }
    }

    /// What is to be written next: short answers before what the agent said.
    fn next_frame(&mut self, pong_due: &mut bool) -> Option<Utf8Bytes> {
        if std::mem::take(pong_due) {
            return Some(text(&FromPlugin::Pong {}).into());
        }
        match self.inbox.take_ack() {
            Some(seq) => Some(text(&FromPlugin::Ack(Ack { seq })).into()),
            None => self.outbox.next(),
        }
    }

    /// Takes a frame of the daemon; says whether it wants a pong.
    fn take(&mut self, frame: &str) -> bool {
        match ToPlugin::parse(frame) {
            Ok(ToPlugin::Inbound(inbound)) => self.inbox.message(inbound),
            Ok(ToPlugin::Permission(permission)) => self.inbox.permission(&permission),
            Ok(ToPlugin::Ack(Ack { seq })) => self.outbox.acknowledged(seq),
            Ok(ToPlugin::Ping {}) => return true,
            // No hook is sent over the bridge, so none is answered.
            Ok(ToPlugin::Pong {} | ToPlugin::HookResult(_) | ToPlugin::HelloAck(_)) => {}
            // Not the error: it may quote what was said.
            Ok(ToPlugin::Unknown(_)) | Err(_) => {
                tracing::warn!(bytes = frame.len(), "turnmux has sent a frame that this version does not know");
            }
        }
        false
    }

    /// There is no daemon for this agent any more: what it says is refused until it ends.
    async fn gone(&mut self, why: &str) {
        tracing::warn!("{why}; replies are not sent any more");
        self.outbox.close();
        while self.said.recv().await.is_some() {}
    }
}

fn text(frame: &FromPlugin<'_>) -> String {
    // These are our own types, with names for keys: they can be written.
    serde_json::to_string(frame).unwrap_or_default()
}
