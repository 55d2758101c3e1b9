//! Answers that are server-sent events; and a turn's events as such, with a heartbeat while it is quiet.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::{Instant, Sleep};

use super::openai::Answering;
use super::respond::{ApiError, Body};
use crate::dispatch::{EventReader, Observer};

/// Events that are there already go out in one frame, up to this many bytes.
const FRAME_BYTES: usize = 16 << 10;

/// An answer of server-sent events that nobody on the way keeps or holds back.
pub(super) fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // nginx holds streams back without it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The body of a streamed answer. Dropping it, as hyper does when the client leaves, drops the reader.
pub(super) fn body(answering: Answering, reader: EventReader, listener: Option<Observer>, heartbeat: Duration) -> Body {
    let quiet = Box::pin(tokio::time::sleep(heartbeat));
    let last_at = Instant::now();
    let reader = Some(reader);
    EventStream { answering, reader, _listener: listener, opened: false, heartbeat, quiet, last_at, out: Vec::new() }
        .boxed_unsync()
}

struct EventStream {
    answering: Answering,
    /// None when the last frame is out.
    reader: Option<EventReader>,
    /// Counts as somebody who could answer a question, for its client is told of it.
    _listener: Option<Observer>,
    opened: bool,
    heartbeat: Duration,
    /// Ends when a heartbeat may be due. It is set anew when it ends, not with every frame: there may be a hundred a second.
    quiet: Pin<Box<Sleep>>,
    /// When the last frame went out.
    last_at: Instant,
    /// What the next frame has so far; empty between frames, and its memory is kept.
    out: Vec<u8>,
}

impl hyper::body::Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let Some(reader) = &mut this.reader else { return Poll::Ready(None) };
        let out = &mut this.out;
        if !this.opened {
            this.opened = true;
            this.answering.first(out);
        }
        let mut over = false;
        while !over && out.len() < FRAME_BYTES {
            match reader.poll_next(cx) {
                Poll::Ready(Some(event)) => {
                    over = this.answering.event(out, &event);
                }
                Poll::Ready(None) => {
                    Answering::error(out, &ApiError::reader_lost());
                    over = true;
                }
                Poll::Pending => break,
            }
        }
        while out.is_empty() && this.quiet.as_mut().poll(cx).is_ready() {
            let due_at = this.last_at + this.heartbeat;
            if due_at <= Instant::now() {
                this.answering.heartbeat(out);
            } else {
                this.quiet.as_mut().reset(due_at);
            }
        }
        if over {
            this.reader = None;
        }
        if out.is_empty() {
            return Poll::Pending;
        }
        this.last_at = Instant::now();
        let frame = Bytes::copy_from_slice(out);
        out.clear();
        // A piece can be longer than a frame should be.
        out.shrink_to(FRAME_BYTES);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.reader.is_none()
    }
}
