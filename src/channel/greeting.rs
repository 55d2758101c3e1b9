//! A WebSocket that has yet to show whose it is: the first frame, and the token in it.

use std::sync::Arc;

use futures_util::StreamExt as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::farewell::{Close, Socket, farewell};
use super::hub::Shared;
use super::keeper::Arrival;
use super::listener::Newcomer;
use super::registry::Entry;
use crate::wire::channel::{CLOSE_BAD_TOKEN, CLOSE_EXPECTED_HELLO, FromPlugin, Hello, PROTOCOL};

/// What a WebSocket reads at a time. There may be a thousand idle ones, and the library takes this beforehand for each.
const READ_BYTES: usize = 4096;

const NO_HELLO: Close = Close { code: CLOSE_EXPECTED_HELLO, reason: "the first frame must be hello" };
const LATE: Close = Close { code: CLOSE_EXPECTED_HELLO, reason: "no hello in time" };
const BAD_TOKEN: Close = Close { code: CLOSE_BAD_TOKEN, reason: "no agent has this token, or it has ended" };

/// Sees a connection from its upgrade to its member's keeper, or out again.
pub(super) async fn greet(
    hub: Arc<Shared>,
    upgrade: OnUpgrade,
    url_token: Option<String>,
    waiting: OwnedSemaphorePermit,
    newcomer: Newcomer,
) {
    let peer = newcomer.peer;
    let Some(mut socket) = open(upgrade, hub.config.frame_bytes).await else {
        tracing::debug!(%peer, "a WebSocket did not come to be");
        return;
    };
    let mut alive = newcomer.alive.clone();
    let met = tokio::select! {
        met = tokio::time::timeout(hub.config.hello_within, meet(&mut socket, &hub, url_token)) => met.unwrap_or(Err(Some(LATE))),
        () = alive.stopped() => Err(Some(Close::STOPPING)),
    };
    drop(waiting);
    let close = match met {
        Ok(Met { entry, pid, revision, received }) => {
            // The keeper takes it at once, or is over.
            match entry.arrivals.send(Arrival { socket, pid, revision, received }).await {
                Ok(()) => return,
                Err(back) => {
                    socket = back.0.socket;
                    Some(BAD_TOKEN)
                }
            }
        }
        Err(close) => close,
    };
    if let Some(Close { code, reason }) = close {
        tracing::warn!(%peer, code, reason, "refused a plugin's connection");
    }
    farewell(socket, close).await;
    drop(newcomer);
}

async fn open(upgrade: OnUpgrade, frame_bytes: usize) -> Option<Socket> {
    let parts = upgrade.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        // Each frame goes out by itself, so that the queue with the bound is the outbox.
        .write_buffer_size(0)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    let (stream, early) = (parts.io.into_inner(), parts.read_buf.to_vec());
    Some(WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await)
}

struct Met {
    entry: Entry,
    pid: u32,
    revision: u32,
    received: u64,
}

/// Waits for hello. Without a reason in the error the peer has left.
async fn meet(socket: &mut Socket, hub: &Shared, url_token: Option<String>) -> Result<Met, Option<Close>> {
    loop {
        let message = socket.next().await.ok_or(None)?.map_err(|error| Close::of(&error))?;
        return match message {
            Message::Text(text) => match FromPlugin::parse(&text) {
                Ok(FromPlugin::Hello(hello)) => admit(&hello, hub, url_token.as_deref()).ok_or(Some(BAD_TOKEN)),
                _ => Err(Some(NO_HELLO)),
            },
            Message::Binary(_) => Err(Some(NO_HELLO)),
            Message::Close(_) => Err(None),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
    }
}

fn admit(hello: &Hello<'_>, hub: &Shared, url_token: Option<&str>) -> Option<Met> {
    let token = if hello.token.is_empty() { url_token? } else { &hello.token };
    let entry = hub.registry.find(token)?;
    Some(Met { entry, pid: hello.pid, revision: hello.protocol.clamp(1, PROTOCOL), received: hello.received })
}
