//! `GET /v1/sessions/{key}/turns` and `GET /v1/turns/{id}`.

use hyper::{Response, StatusCode};
use serde::Serialize;

use super::event_out::{UsageOut, millis};
use super::sessions::{key, no_session};
use crate::api::respond::{ApiError, Body, json};
use crate::api::router::Api;
use crate::dispatch::{TurnQuery, TurnRecord};
use crate::protocol::{EventKind, TenantId, TurnEnding, TurnId};
use crate::wire::openai::List;

#[derive(Serialize)]
struct TurnOut {
    id: String,
    object: &'static str,
    /// `agent::chat`.
    session: String,
    /// `queued`, `in_progress`, `completed`, `interrupted`, `failed`.
    status: &'static str,
    backend: String,
    thread: String,
    /// Milliseconds since 1970, as all times here.
    accepted_at: u64,
    started_at: Option<u64>,
    ended_at: Option<u64>,
    /// The numbers of its first and its last event so far.
    first_seq: u64,
    last_seq: Option<u64>,
    /// The answer, once there is one.
    text: Option<String>,
    usage: Option<UsageOut>,
    error: Option<ErrorOut>,
}

#[derive(Serialize)]
struct ErrorOut {
    code: String,
    message: String,
}

/// The turns that are known of a session, oldest first.
pub(in crate::api) fn list(api: &Api, tenant: TenantId, text: &str) -> Result<Response<Body>, ApiError> {
    let key = key(tenant.clone(), text)?;
    api.dispatch.session(&key)?.ok_or_else(|| no_session(text))?;
    let turns = TurnQuery { tenant, session: Some(key), tags: Vec::new(), before: None, limit: 100 };
    let data = api.dispatch.turns(&turns)?.iter().rev().map(turn_out).collect();
    Ok(json(StatusCode::OK, &List { object: "list", data }))
}

/// One turn.
pub(in crate::api) fn one(api: &Api, tenant: &TenantId, text: &str) -> Result<Response<Body>, ApiError> {
    let turn = api.dispatch.turn(tenant, turn_id(text)?)?.ok_or_else(|| no_turn(text))?;
    Ok(json(StatusCode::OK, &turn_out(&turn)))
}

/// A turn's id that a caller names.
pub(super) fn turn_id(text: &str) -> Result<TurnId, ApiError> {
    TurnId::parse(text).ok_or_else(|| {
        let message = format!("`turn`: `{text}` is no turn id; the header x-turnmux-turn has it");
        ApiError::field("turn", "invalid_turn", message)
    })
}

/// There is no such turn, or it is another tenant's: nobody is told which.
pub(super) fn no_turn(text: &str) -> ApiError {
    let message = format!("there is no turn `{text}`, or nothing is kept of it any more (`limits.events_bytes`)");
    ApiError::not_found("turn_not_found", message)
}

fn turn_out(view: &TurnRecord) -> TurnOut {
    let ending = view.ending.as_ref().and_then(|logged| match &logged.kind {
        EventKind::Ended(ending) => Some(ending),
        _ => None,
    });
    let error = ending.and_then(ApiError::of_ending).map(|error| {
        let body = error.body();
        ErrorOut { code: body.error.code.to_owned(), message: body.error.message.to_owned() }
    });
    let (text, usage) = match ending {
        Some(TurnEnding::Completed { text, usage, .. }) => (Some(text.clone()), Some(usage.into())),
        _ => (None, None),
    };
    TurnOut {
        id: view.id.to_string(),
        object: "turn",
        session: view.session.to_string(),
        status: view.status.name(),
        backend: view.backend.to_string(),
        thread: view.thread.to_string(),
        accepted_at: millis(view.accepted_at),
        started_at: view.started_at.map(millis),
        ended_at: view.ended_at.map(millis),
        first_seq: view.first_seq,
        last_seq: view.last_seq,
        text,
        usage,
        error,
    }
}
