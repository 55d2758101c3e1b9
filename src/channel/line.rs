//! One connection of a plugin that has said hello: what is to be written to it, and what has come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use serde_json::value::to_raw_value;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::farewell::Socket;
use super::liveness::{Liveness, Silence};
use super::outbox::Outbox;
use crate::wire::channel::{Ack, HelloAck, HookResult, ToPlugin};

/// A plugin's WebSocket. Its own frames, which no reconnect repeats, are kept here.
pub(super) struct Line {
    socket: Socket,
    /// Which of the wire's revisions is spoken.
    pub(super) revision: u32,
    pub(super) liveness: Liveness,
    hello_ack: Option<HelloAck>,
    ack: Option<Ack>,
    pong: bool,
    ping: bool,
    hooks: FuturesUnordered<Asked>,
    /// Whether something was written since the last flush.
    unflushed: bool,
    /// Writing failed. What the plugin said before it left is still read.
    broken: bool,
    /// Whether the log has been told of a frame that was skipped.
    pub(super) skipped: bool,
    /// Whether it has been told of a frame that was known.
    pub(super) repeated: bool,
    _counted: Counted,
}

impl Line {
    /// A connection whose hello is to be acknowledged.
    pub(super) fn new(socket: Socket, hello_ack: HelloAck, ping: Duration, counted: Counted) -> Self {
        Self {
            socket,
            revision: hello_ack.protocol,
            liveness: Liveness::new(ping, Instant::now()),
            hello_ack: Some(hello_ack),
            ack: None,
            pong: false,
            ping: false,
            hooks: FuturesUnordered::new(),
            unflushed: false,
            broken: false,
            skipped: false,
            repeated: false,
            _counted: counted,
        }
    }

    /// Writes what is due, as far as the peer takes it, and then gives what comes, if it is to be read.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        reading: bool,
    ) -> Poll<Result<Message, Error>> {
        if !self.broken && self.poll_write(cx, outbox).is_ready() {
            self.broken = true;
        }
        if !reading {
            return Poll::Pending;
        }
        self.socket.poll_next_unpin(cx).map(|message| message.unwrap_or(Err(Error::ConnectionClosed)))
    }

    /// Everything up to this has arrived; the plugin is to know.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.ack = Some(Ack { seq });
    }

    /// The plugin has asked whether we are there.
    pub(super) fn answer_ping(&mut self) {
        self.pong = true;
    }

    /// The plugin waits for a hook's output.
    pub(super) fn wait_for(&mut self, id: u64, output: oneshot::Receiver<Value>) {
        self.hooks.push(Asked { id, output });
    }

    /// How many hooks wait.
    pub(super) fn hooks(&self) -> usize {
        self.hooks.len()
    }

    /// Nothing has come for too long. Returns whether the plugin is to be given up.
    pub(super) fn silent(&mut self, now: Instant) -> bool {
        self.ping = true;
        self.liveness.silent(now) == Silence::Dead
    }

    /// For a farewell. Hooks that wait are abandoned.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Ready when writing has failed; pending when everything is written, or the peer takes no more for now.
    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<Error> {
        loop {
            if let Err(error) = ready!(self.socket.poll_ready_unpin(cx)) {
                return Poll::Ready(error);
            }
            let sent = match self.next_text(cx, outbox) {
                Some(text) => {
                    self.unflushed = true;
                    text.map_err(|error| Error::Io(error.into()))
                        .and_then(|text| self.socket.start_send_unpin(Message::text(text)))
                }
                None if self.unflushed => {
                    let flushed = ready!(self.socket.poll_flush_unpin(cx));
                    self.unflushed = false;
                    flushed
                }
                None => return Poll::Pending,
            };
            if let Err(error) = sent {
                return Poll::Ready(error);
            }
        }
    }

    /// Small frames come first, so that no backlog makes us look dead.
    fn next_text(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Option<serde_json::Result<String>> {
        let small = if let Some(hello_ack) = self.hello_ack.take() {
            Some(ToPlugin::HelloAck(hello_ack))
        } else if let Some(ack) = self.ack.take() {
            Some(ToPlugin::Ack(ack))
        } else if std::mem::take(&mut self.pong) {
            Some(ToPlugin::Pong {})
        } else if std::mem::take(&mut self.ping) {
            Some(ToPlugin::Ping {})
        } else {
            None
        };
        if let Some(frame) = small {
            return Some(serde_json::to_string(&frame));
        }
        if let Poll::Ready(Some((id, output))) = self.hooks.poll_next_unpin(cx) {
            let text = to_raw_value(&output)
                .and_then(|output| serde_json::to_string(&ToPlugin::HookResult(HookResult { id, output: &output })));
            return Some(text);
        }
        outbox.next(self.revision)
    }
}

/// A hook that the plugin has asked about.
struct Asked {
    id: u64,
    output: oneshot::Receiver<Value>,
}

impl Future for Asked {
    type Output = (u64, Value);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(Pin::new(&mut self.output).poll(cx));
        Poll::Ready((self.id, output.unwrap_or_else(|_| Value::Object(serde_json::Map::new()))))
    }
}

/// One connection that counts.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
