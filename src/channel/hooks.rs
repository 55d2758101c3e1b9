//! `POST /hooks`: an agent's HTTP hook. The token comes first; only then is the body read. The answer may take hours.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::value::RawValue;

use super::door::Refused;
use super::event::{ChannelEvent, HookCall};
use super::hub::Shared;
use super::listener::Newcomer;

/// How long a body may take to arrive, once the driver has room for it.
const BODY_WITHIN: Duration = Duration::from_mins(1);

/// Hands the call to the driver and waits for the output. When the asker leaves, hyper drops this, and with it the call's
/// other half.
pub(super) async fn call(
    hub: &Shared,
    request: Request<Incoming>,
    newcomer: Newcomer,
) -> Result<Response<Full<Bytes>>, Refused> {
    if request.method() != Method::POST {
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "hooks are POSTed").with("allow", "POST"));
    }
    let entry = bearer(request.headers()).and_then(|token| hub.registry.find(token)).ok_or_else(|| {
        Refused::new(StatusCode::UNAUTHORIZED, "no agent has this token, or it has ended")
            .with("www-authenticate", "Bearer")
    })?;
    // It is known now, and no longer counts as a stranger.
    drop(newcomer);
    let _place = entry.hooks.clone().try_acquire_owned().map_err(|_| {
        tracing::warn!(session = &*entry.session, "too many hooks of one agent wait for an answer");
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many hooks of this agent wait for an answer")
    })?;
    let body = request.into_body();
    if body.size_hint().lower() > hub.config.hook_bytes as u64 {
        return Err(too_large());
    }
    // Before the body, so that no more bodies are held than events may wait.
    let Ok(room) = entry.events.clone().reserve_owned().await else { return Ok(output(b"{}".as_slice().into())) };
    let body = read(body, hub.config.hook_bytes).await?;
    let (call, answer) = HookCall::new(body);
    room.send(ChannelEvent::Hook(call));
    drop(entry);
    let answer = answer.await.ok().and_then(|answer| serde_json::to_vec(&answer).ok());
    Ok(output(answer.unwrap_or_else(|| b"{}".to_vec()).into()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refused> {
    let collected = tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await;
    let collected =
        collected.map_err(|_| Refused::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(_) => return Err(Refused::new(StatusCode::BAD_REQUEST, "the body broke off")),
    };
    let text = std::str::from_utf8(&bytes).ok();
    let json = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    if !json.is_some_and(|json| json.get().starts_with('{')) {
        return Err(Refused::new(StatusCode::BAD_REQUEST, "a hook's input is a JSON object"));
    }
    Ok(bytes)
}

fn too_large() -> Refused {
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "the hook's input is over the limit")
}

fn output(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
