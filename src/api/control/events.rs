//! `GET /v1/sessions/{key}/events` and `GET /v1/turns/{id}/events`: what happens, as server-sent events.
//!
//! The stream says at once, by an `id` without an event, behind which number it begins; and at its end, by `over`, that nothing
//! will follow. One that ends otherwise is to be asked for again, with the last number that it gave.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::{HeaderMap, Response};
use tokio::time::{Instant, sleep_until, timeout};

use super::event_out::shown;
use super::sessions::{key, no_session};
use super::turns::{no_turn, turn_id};
use crate::api::respond::{ApiError, Body};
use crate::api::router::Api;
use crate::api::sse;
use crate::dispatch::{Logged, Observer, Seen, WatchError};
use crate::protocol::TenantId;

/// How long an observer rests after it got something. What has happened meanwhile comes in one piece.
const REST: Duration = Duration::from_millis(20);

/// Room for an event as it is shown, in bytes: what a delta takes.
const SHOWN_BYTES: usize = 192;

/// Watches a session: from the event after `Last-Event-ID` on, or from now on.
pub(in crate::api) fn of_session(
    api: &Api,
    tenant: TenantId,
    headers: &HeaderMap,
    query: Option<&str>,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let key = key(tenant, text)?;
    let wanted = Wanted::read(headers, query)?;
    wanted.answer(api, api.dispatch.watch(&key, wanted.after), || no_session(text))
}

/// Watches a turn: from the event after `Last-Event-ID` on, or from its beginning; to its end.
pub(in crate::api) fn of_turn(
    api: &Api,
    tenant: &TenantId,
    headers: &HeaderMap,
    query: Option<&str>,
    text: &str,
) -> Result<Response<Body>, ApiError> {
    let turn = turn_id(text)?;
    let wanted = Wanted::read(headers, query)?;
    wanted.answer(api, api.dispatch.watch_turn(tenant, turn, wanted.after), || no_turn(text))
}

/// What a caller wants to see.
struct Wanted {
    /// What follows the event of this number.
    after: Option<u64>,
    /// The lines of the agent's own protocol, too.
    raw: bool,
}

impl Wanted {
    fn read(headers: &HeaderMap, query: Option<&str>) -> Result<Self, ApiError> {
        let raw = wants_raw(query)?;
        Ok(Self { after: after(headers, query)?, raw })
    }

    fn answer(
        &self,
        api: &Api,
        watched: Result<Observer, WatchError>,
        unknown: impl FnOnce() -> ApiError,
    ) -> Result<Response<Body>, ApiError> {
        match watched {
            Ok(observer) => Ok(watching(if self.raw { observer.with_raw() } else { observer }, api.config.heartbeat)),
            Err(WatchError::Unknown) => Err(unknown()),
            Err(WatchError::Store(error)) => Err(error.into()),
            Err(error @ WatchError::Future { .. }) => Err(future(&error)),
        }
    }
}

/// The number that the caller has seen last: browsers send it in a header when they come back, others may in the query.
fn after(headers: &HeaderMap, query: Option<&str>) -> Result<Option<u64>, ApiError> {
    let header = headers.get("last-event-id").map(|value| (value.to_str().unwrap_or("?"), "Last-Event-ID"));
    let Some((text, what)) = header.or(parameter(query, "after").map(|text| (text, "after"))) else { return Ok(None) };
    let wrong = |_| {
        let message = format!("`{what}`: expected the number of an event (its `id`), or 0 for all that is kept");
        ApiError::field(what, "invalid_last_event_id", message)
    };
    text.trim().parse().map(Some).map_err(wrong)
}

/// Whether the caller wants the lines of the agent's own protocol.
fn wants_raw(query: Option<&str>) -> Result<bool, ApiError> {
    match parameter(query, "raw") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ApiError::field("raw", "invalid_parameter", "`raw`: expected `true` or `false`")),
    }
}

fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
}

fn future(error: &WatchError) -> ApiError {
    ApiError::field("Last-Event-ID", "invalid_last_event_id", format!("that event has not happened: {error}"))
}

struct Watching {
    observer: Observer,
    heartbeat: Duration,
    /// Until when it rests. None before it got anything.
    rests_until: Option<Instant>,
    over: bool,
}

fn watching(observer: Observer, heartbeat: Duration) -> Response<Body> {
    let state = Watching { observer, heartbeat, rests_until: None, over: false };
    let frames = stream::unfold(state, |mut state| async move {
        let bytes = state.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), state))
    });
    sse::response(StreamBody::new(frames).boxed_unsync())
}

impl Watching {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let Some(rests_until) = self.rests_until.replace(Instant::now()) else {
            // At once, so that the caller knows that it is heard, and where it begins, should it have to come back.
            return Some(format!("id: {}\n: watching\n\n", self.observer.seen()).into());
        };
        sleep_until(rests_until).await;
        let seen = timeout(self.heartbeat, self.observer.next_in_turn()).await;
        self.rests_until = Some(Instant::now() + REST);
        Some(match seen {
            Err(_) => Bytes::from_static(b": quiet\n\n"),
            Ok(Some(Seen::Events(events))) => match &*events {
                [one] => shown(one),
                events => together(events),
            },
            Ok(Some(Seen::Missed { from, to })) => {
                format!("event: missed\ndata: {{\"type\":\"missed\",\"from\":{from},\"to\":{to}}}\n\n").into()
            }
            // Without a word: the caller is to come back.
            Ok(None) if self.observer.is_put_off() => return None,
            Ok(None) => {
                self.over = true;
                Bytes::from_static(b"event: over\ndata: {\"type\":\"over\"}\n\n")
            }
        })
    }
}

/// Events in one piece.
fn together(events: &[Arc<Logged>]) -> Bytes {
    let mut out = BytesMut::with_capacity(events.len() * SHOWN_BYTES);
    for logged in events {
        out.extend_from_slice(&shown(logged));
    }
    out.freeze()
}
