//! `GET /v1/sessions/{key}/terminal`: the live terminal of a session's agent, over a WebSocket.
//!
//! Pictures go out as they are taken, each when the one before it has gone: a client that reads slowly sees fewer of them, and
//! one that reads nothing is let go. Neither is noticed by the agent.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink, SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::sessions::key;
use crate::api::allowance::Share;
use crate::api::query::Query;
use crate::api::respond::{ApiError, Body};
use crate::api::router::Api;
use crate::dispatch::{Hands, Observer, Viewer};
use crate::protocol::{ScreenSize, TenantId};
use crate::wire::terminal::{CLOSE_BAD_MESSAGE, CLOSE_SLOW, CLOSE_WATCH_ONLY, FromViewer, MESSAGE_BYTES_MAX, ToViewer};
use crate::wire::websocket::{NoWebSocket, accept};

/// How long a client may take to read one picture.
const STALL: Duration = Duration::from_secs(10);

/// How long it may take to hear why it is over.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What a WebSocket reads at a time, in bytes: keys are few.
const READ_BYTES: usize = 4096;

/// Close code of RFC 6455 for what has come to its end.
const NORMAL: u16 = 1000;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Attaches the client to the terminal.
pub(in crate::api) async fn terminal(
    api: &Api,
    tenant: TenantId,
    parts: &Parts,
    upgrade: Option<OnUpgrade>,
    share: Option<Share>,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let key = key(tenant, text)?;
    let wanted = Wanted::read(parts.uri.query())?;
    let viewer = api.dispatch.attach(&key, wanted.size, wanted.keyboard).await?;
    let headers = accept(&parts.headers).map_err(ApiError::no_websocket)?;
    let upgrade = upgrade.ok_or_else(|| ApiError::no_websocket(NoWebSocket::NotAsked))?;
    // Whoever types can answer what the agent asks.
    let listens = wanted.keyboard.then(|| api.dispatch.watch(&key, None).ok()).flatten();
    let attached =
        Attached { keyboard: wanted.keyboard, heartbeat: api.config.heartbeat, _listens: listens, _share: share };
    tokio::spawn(attached.serve(upgrade, viewer));
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok(response)
}

/// What a client wants.
struct Wanted {
    size: Option<ScreenSize>,
    keyboard: bool,
}

impl Wanted {
    fn read(query: Option<&str>) -> Result<Self, ApiError> {
        let is_known = |name: &str| matches!(name, "rows" | "cols" | "keyboard");
        let query = Query::read(query, is_known, "`rows`, `cols` and `keyboard`")?;
        let side = |name: &'static str| match query.one(name)? {
            None => Ok(None),
            Some(text) => {
                let side = text.parse().ok().filter(|side| (1..=ScreenSize::SIDE_MAX).contains(side));
                side.map(Some).ok_or_else(|| {
                    let message = format!("`{name}`: expected a number from 1 to {}", ScreenSize::SIDE_MAX);
                    ApiError::field(name, "invalid_parameter", message)
                })
            }
        };
        let size = match (side("rows")?, side("cols")?) {
            (Some(rows), Some(cols)) => Some(ScreenSize::new(rows, cols)),
            (None, None) => None,
            _ => return Err(ApiError::field("rows", "invalid_parameter", "`rows` and `cols`: send both, or neither")),
        };
        let keyboard = match query.one("keyboard")? {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                return Err(ApiError::field("keyboard", "invalid_parameter", "`keyboard`: expected `true` or `false`"));
            }
        };
        Ok(Self { size, keyboard })
    }
}

/// A client that is attached.
struct Attached {
    keyboard: bool,
    heartbeat: Duration,
    /// Being there counts as listening.
    _listens: Option<Observer>,
    _share: Option<Share>,
}

/// Why it is over.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    /// The client has left.
    Left,
    /// It is told why.
    Close(u16, &'static str),
}

impl Attached {
    async fn serve(self, upgrade: OnUpgrade, viewer: Viewer) {
        let Ok(upgraded) = upgrade.await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let (mut sink, mut stream) = socket.split();
        let hands = viewer.hands();
        let over = tokio::select! {
            over = self.show(viewer, &mut sink) => over,
            over = self.hear(&hands, &mut stream) => over,
        };
        if let Over::Close(code, reason) = over {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            let _ = timeout(CLOSE_WITHIN, async {
                sink.send(Message::Close(Some(frame))).await?;
                // What still comes is taken: with bytes unread the client would see a reset in place of the reason.
                while stream.next().await.is_some_and(|message| message.is_ok()) {}
                Ok::<_, Error>(())
            })
            .await;
        }
    }

    /// Pictures out, up to the end of the agent's process.
    async fn show(&self, mut viewer: Viewer, sink: &mut SplitSink<Socket, Message>) -> Over {
        loop {
            let messages = match timeout(self.heartbeat, viewer.next()).await {
                Err(_) => vec![Message::Ping(bytes::Bytes::new())],
                Ok(None) => return Over::Close(NORMAL, "the agent's process has ended"),
                Ok(Some(picture)) if picture.is_whole => {
                    let size = ToViewer::Size { rows: picture.size.rows(), cols: picture.size.cols() };
                    // Our own type into memory: this cannot fail.
                    let size = serde_json::to_string(&size).unwrap_or_default();
                    vec![Message::text(size), Message::Binary(picture.bytes)]
                }
                Ok(Some(picture)) => vec![Message::Binary(picture.bytes)],
            };
            if let Err(over) = send(sink, messages).await {
                return over;
            }
        }
    }

    /// Keys and sizes in, up to the client's leaving.
    async fn hear(&self, hands: &Hands, stream: &mut SplitStream<Socket>) -> Over {
        while let Some(Ok(message)) = stream.next().await {
            let goes_on = match message {
                Message::Binary(_) if !self.keyboard => {
                    return Over::Close(CLOSE_WATCH_ONLY, "attached without the keyboard: nothing can be typed");
                }
                Message::Binary(keys) => hands.type_keys(keys).await,
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(FromViewer::Resize { rows, cols }) => hands.resize(ScreenSize::new(rows, cols)).await,
                    Err(_) => return Over::Close(CLOSE_BAD_MESSAGE, "a text message is {type: resize, rows, cols}"),
                },
                Message::Close(_) => return Over::Left,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => true,
            };
            if !goes_on {
                return Over::Close(NORMAL, "the agent's process has ended");
            }
        }
        Over::Left
    }
}

/// Sends what belongs together, unless the client takes it too slowly.
async fn send(sink: &mut (impl Sink<Message, Error = Error> + Unpin), messages: Vec<Message>) -> Result<(), Over> {
    let sent = timeout(STALL, async {
        for message in messages {
            sink.send(message).await?;
        }
        Ok::<_, Error>(())
    });
    if let Ok(sent) = sent.await {
        return sent.map_err(|_| Over::Left);
    }
    tracing::warn!("let somebody go who was attached to a terminal and read nothing");
    Err(Over::Close(CLOSE_SLOW, "what the terminal showed was not read"))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go() {
        let picture = || vec![Message::Binary(vec![b'x'; 4096].into())];
        let (ours, theirs) = tokio::io::duplex(1024);
        let mut ours = WebSocketStream::from_raw_socket(ours, Role::Server, None).await;
        let begun = Instant::now();
        let over = send(&mut ours, picture()).await;
        assert!(matches!(over, Err(Over::Close(4408, _))), "{over:?}");
        assert_eq!(begun.elapsed(), STALL);
        drop(theirs);
        assert_eq!(send(&mut ours, picture()).await, Err(Over::Left));
    }
}
