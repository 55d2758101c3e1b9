//! The WebSocket to the daemon, as events that can be waited for and left at any time without losing one.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink as _, Stream as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::wire::channel::{CLOSE_BAD_TOKEN, CLOSE_REPLACED};

/// From the first byte to the daemon's answer to `hello`: all on this machine.
const OPEN_MAX: Duration = Duration::from_secs(5);
/// A request of 64 MiB, the most that the daemon takes, of which JSON makes six times as much at worst.
const FRAME_MAX: usize = 400 << 20;
/// Frames are short but for prompts, for which the buffer grows.
const READ_BUFFER: usize = 8 << 10;

/// A connection to the daemon.
#[derive(Debug)]
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    flushed: bool,
    broken: bool,
}

/// What happened on it.
#[derive(Debug)]
pub(super) enum Event {
    /// What was written is on its way.
    Flushed,
    /// A frame has come.
    Text(Utf8Bytes),
    /// It is closed. After this there is nothing.
    Closed(Closed),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// It broke, or was closed for a reason that may pass.
    Cut,
    /// There is nothing for us there any more, and this says why.
    ForGood(&'static str),
}

impl Socket {
    /// Connects, sends the first frame, and reads the answer to it.
    ///
    /// # Errors
    /// How the connection ended, when it came to nothing in time.
    pub(super) async fn open(url: &str, hello: String) -> Result<(Self, Utf8Bytes), Closed> {
        let opening = async {
            let mut socket = Self::connect(url).await?;
            socket.write(hello.into());
            loop {
                match socket.event(true).await {
                    Event::Flushed => {}
                    Event::Text(answer) => return Ok((socket, answer)),
                    Event::Closed(closed) => return Err(closed),
                }
            }
        };
        timeout(OPEN_MAX, opening).await.unwrap_or(Err(Closed::Cut))
    }

    async fn connect(url: &str) -> Result<Self, Closed> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(FRAME_MAX))
            .max_frame_size(Some(FRAME_MAX));
        match connect_async_with_config(url, Some(config), true).await {
            Ok((stream, _)) => Ok(Self { stream, flushed: true, broken: false }),
            Err(Error::Http(answer)) if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(Closed::ForGood("turnmux does not know this agent"))
            }
            Err(error) => {
                tracing::debug!(%error, "turnmux cannot be reached");
                Err(Closed::Cut)
            }
        }
    }

    /// Whether everything that was written is on its way.
    pub(super) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Takes a frame; [`Socket::event`] sends it.
    pub(super) fn write(&mut self, text: Utf8Bytes) {
        self.put(Message::Text(text));
    }

    /// Waits for the next event; reads only if told to. May be dropped at any time.
    pub(super) async fn event(&mut self, reading: bool) -> Event {
        poll_fn(|context| self.poll_event(context, reading)).await
    }

    /// Says good-bye, as far as that takes no time.
    pub(super) async fn close(mut self) {
        self.put(Message::Close(None));
        let _ = poll_fn(|context| Pin::new(&mut self.stream).poll_flush(context)).await;
    }

    fn put(&mut self, message: Message) {
        self.flushed = false;
        // The stream's buffer has no bound of its own: whoever writes waits for Flushed before the next.
        self.broken |= Pin::new(&mut self.stream).start_send(message).is_err();
    }

    fn poll_event(&mut self, context: &mut Context<'_>, reading: bool) -> Poll<Event> {
        if self.broken {
            return Poll::Ready(Event::Closed(Closed::Cut));
        }
        if !self.flushed {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Ready(Ok(())) => {
                    self.flushed = true;
                    return Poll::Ready(Event::Flushed);
                }
                // The reason of the close, if there is one, may still be there to be read.
                Poll::Ready(Err(_)) => self.flushed = true,
                Poll::Pending => {}
            }
        }
        if !reading {
            return Poll::Pending;
        }
        loop {
            match ready!(Pin::new(&mut self.stream).poll_next(context)) {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Event::Text(text)),
                // The answer to a ping is in the stream's buffer now.
                Some(Ok(Message::Ping(_))) => {
                    self.flushed = false;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Ok(Message::Close(frame))) => {
                    let _ = Pin::new(&mut self.stream).poll_flush(context);
                    return Poll::Ready(Event::Closed(Closed::of(frame.as_ref())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Event::Closed(Closed::Cut)),
            }
        }
    }
}

impl Closed {
    fn of(frame: Option<&CloseFrame>) -> Self {
        match frame.map(|frame| u16::from(frame.code)) {
            Some(1000) => Self::ForGood("turnmux has ended this session's channel"),
            Some(CLOSE_REPLACED) => Self::ForGood("another process has taken over this agent's channel"),
            Some(CLOSE_BAD_TOKEN) => Self::ForGood("turnmux does not know this agent"),
            _ => Self::Cut,
        }
    }
}
