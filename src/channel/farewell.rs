//! How a WebSocket is closed, so that the peer learns why.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::wire::channel::{CLOSE_BAD_FRAME, CLOSE_TOO_BIG};

/// A peer's WebSocket.
pub(super) type Socket = WebSocketStream<TcpStream>;

/// How long a peer may take to hear that it is over.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Close codes of RFC 6455.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    /// A sentence for the plugin's author, of at most 123 bytes.
    pub(super) reason: &'static str,
}

impl Close {
    pub(super) const RELEASED: Self = Self { code: NORMAL, reason: "the session has let go of this agent" };
    pub(super) const STOPPING: Self = Self { code: GOING_AWAY, reason: "turnmux is stopping" };
    pub(super) const BINARY: Self = Self { code: CLOSE_BAD_FRAME, reason: "frames are text messages" };
    pub(super) const BAD_FRAME: Self =
        Self { code: CLOSE_BAD_FRAME, reason: "a frame is a JSON object with a type and what that type must have" };

    /// What a failed read means; none if the peer is just gone.
    pub(super) fn of(error: &Error) -> Option<Self> {
        use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
        match error {
            Error::Capacity(_) => Some(Self { code: CLOSE_TOO_BIG, reason: "a frame is over the limit" }),
            Error::Utf8(_) => Some(Self { code: CLOSE_BAD_FRAME, reason: "frames are UTF-8" }),
            Error::Protocol(ResetWithoutClosingHandshake) => None,
            Error::Protocol(_) => Some(Self { code: PROTOCOL_ERROR, reason: "this is not the WebSocket protocol" }),
            _ => None,
        }
    }
}

/// Sends a close frame, if there is something to say, and takes what still comes: were the socket closed with bytes unread, the
/// peer would see a reset instead of the reason. Nothing of it is kept.
pub(super) async fn farewell(mut socket: Socket, close: Option<Close>) {
    let told = tokio::time::timeout(CLOSE_WITHIN, async {
        let frame = close.map(|close| CloseFrame { code: close.code.into(), reason: close.reason.into() });
        // Without a reason this sends the answer to the peer's own close frame.
        let _ = socket.close(frame).await;
        let stream = socket.get_mut();
        stream.shutdown().await?;
        let mut waste = [0; 4096];
        while stream.read(&mut waste).await? > 0 {}
        std::io::Result::Ok(())
    });
    // A peer that does not listen needs no reason.
    let _ = told.await;
}
