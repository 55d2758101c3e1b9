//! The task of one member: owns its numbers, its queue and its WebSocket over all connections.
//!
//! ```text
//!              hello                cut: Cut                grace over: Lost
//!  Waiting ──────────▶ Connected ──────────────▶ Cut off ──────────────────▶ (end)
//!                       │ ▲  ▲ hello: 4002 for the old one │
//!                       └─┘  └──────── hello ──────────────┘
//!  anywhere: the member is dropped: 1000; the listener stops: 1001, Lost
//! ```
//!
//! It awaits nothing but its `select!`. While the driver has no room for events nothing is read from the plugin, and what is
//! due is written nevertheless.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::event::{ChannelEvent, HookCall};
use super::farewell::{Close, Socket, farewell};
use super::held::Held;
use super::hub::HubConfig;
use super::lifetime::Alive;
use super::line::{Counted, Line};
use super::outbox::{Outbox, Outgoing};
use super::registry::{HOOKS_MAX, Listed};
use crate::wire::channel::{CLOSE_BAD_FRAME, CLOSE_BAD_TOKEN, CLOSE_REPLACED, CLOSE_SILENT, FromPlugin, HelloAck};

/// Connections that are being closed at a time; one more and the others are let go of without another word.
const LEAVING_MAX: usize = 4;

/// A connection that has shown the member's token.
pub(super) struct Arrival {
    pub(super) socket: Socket,
    pub(super) pid: u32,
    /// The revision that both speak.
    pub(super) revision: u32,
    /// Highest `seq` of ours that the plugin has seen.
    pub(super) received: u64,
}

/// What a keeper is given.
pub(super) struct Keeper {
    pub(super) config: HubConfig,
    pub(super) alive: Alive,
    pub(super) listed: Listed,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) outgoing: mpsc::Receiver<Outgoing>,
    pub(super) events: mpsc::Sender<ChannelEvent>,
    pub(super) connected: Arc<AtomicUsize>,
    pub(super) state: State,
}

/// What it remembers.
#[derive(Default)]
pub(super) struct State {
    line: Option<Line>,
    outbox: Outbox,
    held: Held,
    /// Highest `seq` of the plugin's.
    received: u64,
    /// Until when a connection that was cut may come back; without one that counts.
    grace: Option<Instant>,
    leaving: FuturesUnordered<BoxFuture<'static, ()>>,
}

enum Happening {
    Released,
    Stopped,
    Arrived(Box<Arrival>),
    Queued(Outgoing),
    Delivered,
    Left,
    Came(Result<Message, Error>),
    TimeIsUp,
}

/// Why a keeper's work is over.
#[derive(PartialEq, Eq)]
enum End {
    Released,
    Stopped,
    Lost,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let end = loop {
            let happening = self.next().await;
            if let Err(end) = self.handle(happening) {
                break end;
            }
        };
        self.finish(end).await;
    }

    async fn next(&mut self) -> Happening {
        let State { line, outbox, held, grace, leaving, .. } = &mut self.state;
        let reading = held.is_empty();
        let deadline = match line {
            // Whoever does not listen cannot say that it is silent.
            Some(line) => reading.then(|| line.liveness.deadline()),
            None => *grace,
        };
        tokio::select! {
            outgoing = self.outgoing.recv() => outgoing.map_or(Happening::Released, Happening::Queued),
            () = self.alive.stopped() => Happening::Stopped,
            Some(arrival) = self.arrivals.recv() => Happening::Arrived(Box::new(arrival)),
            room = self.events.reserve(), if !reading => match (room, held.pop()) {
                (Ok(room), Some(event)) => {
                    room.send(event);
                    Happening::Delivered
                }
                _ => Happening::Released,
            },
            came = poll_fn(|cx| line.as_mut().map_or(Poll::Pending, |line| line.poll(cx, outbox, reading))) => {
                Happening::Came(came)
            }
            Some(()) = leaving.next() => Happening::Left,
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Happening::TimeIsUp,
        }
    }

    fn handle(&mut self, happening: Happening) -> Result<(), End> {
        let now = Instant::now();
        match happening {
            Happening::Released => return Err(End::Released),
            Happening::Stopped => return Err(End::Stopped),
            Happening::Arrived(arrival) => self.arrived(*arrival),
            Happening::Queued(outgoing) => self.state.outbox.queue(outgoing),
            Happening::Delivered | Happening::Left => {}
            Happening::Came(message) => {
                if let Err(close) = self.came(message, now) {
                    self.cut(close, now);
                }
            }
            Happening::TimeIsUp => match &mut self.state.line {
                None => return Err(End::Lost),
                Some(line) => {
                    if line.silent(now) {
                        self.cut(Some(Close { code: CLOSE_SILENT, reason: "a ping was not answered" }), now);
                    }
                }
            },
        }
        Ok(())
    }

    fn arrived(&mut self, arrival: Arrival) {
        let Arrival { socket, pid, revision, received } = arrival;
        self.leave(Some(Close { code: CLOSE_REPLACED, reason: "another connection with this token took over" }));
        tracing::debug!(session = self.listed.session(), pid, revision, "a plugin has connected");
        let hello_ack = HelloAck { protocol: revision, received: self.state.received };
        let counted = Counted::new(self.connected.clone());
        self.state.line = Some(Line::new(socket, hello_ack, self.config.ping, counted));
        self.state.outbox.connected(revision, received);
        self.state.held.connected(pid);
    }

    /// Something has come from the plugin. The error ends the connection, with a word for the plugin or without.
    fn came(&mut self, message: Result<Message, Error>, now: Instant) -> Result<(), Option<Close>> {
        let message = message.map_err(|error| Close::of(&error))?;
        if let Some(line) = &mut self.state.line {
            line.liveness.heard(now);
        }
        match message {
            Message::Text(text) => self.frame(&text).map_err(Some),
            Message::Binary(_) => Err(Some(Close::BINARY)),
            // Whatever the code: the plugin may come back.
            Message::Close(_) => Err(None),
            // tungstenite has answered it.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn frame(&mut self, text: &str) -> Result<(), Close> {
        let Some(line) = &mut self.state.line else { return Ok(()) };
        let received = &mut self.state.received;
        let held = &mut self.state.held;
        match FromPlugin::parse(text).map_err(|_| Close::BAD_FRAME)? {
            FromPlugin::Hello(_) => {
                return Err(Close { code: CLOSE_BAD_FRAME, reason: "a connection says hello once" });
            }
            FromPlugin::Reply(reply) => {
                if is_new(reply.seq, line, received)? {
                    held.frame(ChannelEvent::Reply { content: reply.content.into_owned(), is_final: reply.is_final });
                }
            }
            FromPlugin::PermissionRequest(request) => {
                if is_new(request.seq, line, received)? {
                    held.frame(ChannelEvent::PermissionRequest {
                        request_id: request.request_id.into_owned(),
                        tool_name: request.tool_name.into_owned(),
                        description: request.description.into_owned(),
                        input_preview: request.input_preview.into_owned(),
                    });
                }
            }
            FromPlugin::Hook(hook) => {
                if line.hooks() >= HOOKS_MAX {
                    return Err(Close { code: CLOSE_BAD_FRAME, reason: "too many hooks wait for an answer" });
                }
                if !hook.event.get().starts_with('{') {
                    return Err(Close::BAD_FRAME);
                }
                let (call, output) = HookCall::new(Bytes::copy_from_slice(hook.event.get().as_bytes()));
                line.wait_for(hook.id, output);
                held.frame(ChannelEvent::Hook(call));
            }
            FromPlugin::Ack(ack) => self.state.outbox.arrived(ack.seq),
            FromPlugin::Ping {} => line.answer_ping(),
            FromPlugin::Pong {} => {}
            FromPlugin::Unknown(unknown) => {
                is_new(unknown.seq, line, received)?;
                if !std::mem::replace(&mut line.skipped, true) {
                    let kind: String = unknown.kind.chars().take(40).collect();
                    let session = self.listed.session();
                    tracing::warn!(session, kind, "skipped a frame of an unknown type; the plugin may be newer");
                }
            }
        }
        Ok(())
    }

    /// The connection is over, but may come back.
    fn cut(&mut self, close: Option<Close>, now: Instant) {
        let session = self.listed.session();
        if let Some(Close { code, reason }) = close {
            tracing::warn!(session, code, reason, "closed a plugin's connection");
        } else {
            tracing::debug!(session, "a plugin has left");
        }
        self.leave(close);
        self.state.held.cut();
        self.state.grace = Some(now + self.config.grace);
    }

    /// Closes the connection, if there is one.
    fn leave(&mut self, close: Option<Close>) {
        if let Some(line) = self.state.line.take() {
            if self.state.leaving.len() >= LEAVING_MAX {
                self.state.leaving.clear();
            }
            self.state.leaving.push(Box::pin(farewell(line.into_socket(), close)));
        }
    }

    async fn finish(mut self, end: End) {
        let close = match end {
            End::Released => Close::RELEASED,
            End::Stopped => Close::STOPPING,
            End::Lost => Close { code: CLOSE_BAD_TOKEN, reason: "this agent was given up" },
        };
        self.leave(Some(close));
        let Self { alive, listed, mut arrivals, outgoing, events, state, .. } = self;
        let State { mut leaving, mut held, .. } = state;
        tracing::debug!(session = listed.session(), code = close.code, "the channel of an agent is closed");
        drop(outgoing);
        // The plugin is gone, the agent is not: it still tells by its hooks what it does.
        let listed = (end == End::Lost).then_some(listed);
        let stopped = alive.stopped_later();
        arrivals.close();
        while let Ok(arrival) = arrivals.try_recv() {
            leaving.push(Box::pin(farewell(arrival.socket, Some(close))));
        }
        let leaving = async {
            while leaving.next().await.is_some() {}
            drop(alive);
        };
        // Whatever the driver has no room for waits for it; the member's end is the bound.
        let telling = async {
            if end == End::Released {
                return;
            }
            while let Some(event) = held.pop() {
                if events.send(event).await.is_err() {
                    return;
                }
            }
            let _ = events.send(ChannelEvent::Lost).await;
            if listed.is_some() {
                tokio::select! {
                    () = events.closed() => {}
                    () = stopped => {}
                }
            }
            drop((listed, events));
        };
        tokio::join!(leaving, telling);
    }
}

/// Whether a frame has not been seen; says so to the plugin either way.
fn is_new(seq: Option<u64>, line: &mut Line, received: &mut u64) -> Result<bool, Close> {
    let Some(seq) = seq.filter(|_| line.revision >= 2) else { return Ok(true) };
    if seq == 0 {
        return Err(Close { code: CLOSE_BAD_FRAME, reason: "seq counts from 1" });
    }
    let new = seq > *received;
    *received = seq.max(*received);
    line.acknowledge(*received);
    if !new && !std::mem::replace(&mut line.repeated, true) {
        // After a reconnect that is as it should be. A plugin that began to count anew would lose all it says.
        tracing::debug!(seq, received, "dropped a frame that is known");
    }
    Ok(new)
}
