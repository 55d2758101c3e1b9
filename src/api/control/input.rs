//! `submit`, `steer` and `interrupt`: what a session is told, and that it is to stop.

use hyper::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::abort::{ABORT_WAIT, stopped};
use super::act::On;
use crate::api::identity::{self, Identity, Isolation};
use crate::api::openclaw::Reading;
use crate::api::respond::{ApiError, Body, json};
use crate::api::{body, tags};
use crate::dispatch::{Act, Acted, Refused, Status};
use crate::protocol::TurnRequest;

#[derive(Deserialize)]
struct SubmitRequest {
    input: String,
    /// The backend; the session's own where none is named.
    #[serde(default)]
    model: Option<String>,
    /// What the caller calls the turn. A turn that is steered keeps its own.
    #[serde(default)]
    tags: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct SteerRequest {
    input: String,
}

/// Gives the session a turn, or steers the one that runs. Answers at once; the turn goes on whoever reads it.
pub(super) async fn submit(on: On<'_>, headers: &HeaderMap, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Submitted {
        object: &'static str,
        /// `agent::chat`; another one with `fresh` isolation.
        session: String,
        status: &'static str,
        turn: String,
        thread: String,
        /// Turns that go before it.
        depth: usize,
    }
    let request: SubmitRequest = body::json(bytes)?;
    let input = text(request.input)?;
    let backend = on.backend(request.model.as_deref())?;
    let isolation = identity::isolation(headers)?;
    if isolation == Isolation::Call {
        let message = "`x-turnmux-isolation`: a call has no session of its own; POST /v1/chat/completions takes calls";
        return Err(ApiError::field("x-turnmux-isolation", "invalid_isolation", message));
    }
    let identity = Identity { key: on.key.clone(), unnamed: false, boundary: None }.isolated(isolation);
    let turn = TurnRequest {
        workspace: identity::workspace(headers, on.roots())?,
        workspace_hint: identity::workspace_hint(headers, &Reading::default(), on.roots())?,
        thread: identity::thread(headers)?,
        unnamed: identity.unnamed,
        renew: isolation == Isolation::Clean,
        model: identity::model(headers)?,
        tags: tags::read(request.tags.as_deref(), "tags")?,
        ..TurnRequest::new(backend, input)
    };
    let submitted = on.api.dispatch.start(&identity.key, turn).await?;
    let out = Submitted {
        object: "session.submitted",
        session: identity.key.to_string(),
        status: match submitted.status {
            Status::Started => "started",
            Status::Steered => "steered",
            Status::Queued => "queued",
        },
        turn: submitted.turn.to_string(),
        thread: submitted.thread.to_string(),
        depth: submitted.depth,
    };
    Ok(json(StatusCode::ACCEPTED, &out))
}

/// Gives the running turn more input. Answers when the agent has it; an event says when the model does.
pub(super) async fn steer(on: On<'_>, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Steered {
        object: &'static str,
        session: String,
        turn: String,
        steer: String,
    }
    let request: SteerRequest = body::json(bytes)?;
    let act = Act::Steer { text: text(request.input)? };
    match on.api.dispatch.act(&on.key, act).await? {
        Acted::Steered { turn, steer } => {
            let (session, turn, steer) = (on.key.to_string(), turn.to_string(), steer.to_string());
            Ok(json(StatusCode::OK, &Steered { object: "session.steered", session, turn, steer }))
        }
        _ => Err(ApiError::internal("the session answered something else")),
    }
}

/// Stops the running turn, and waits for its end. Says `confirmed` only when it has ended.
pub(super) async fn interrupt(on: On<'_>) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Stopped {
        object: &'static str,
        session: String,
        status: &'static str,
        turn: String,
    }
    let outcome = on.api.dispatch.interrupt(&on.key, None, ABORT_WAIT).await;
    let (status, turn) = stopped(outcome).ok_or(Refused::NoActiveTurn)?;
    let (session, turn) = (on.key.to_string(), turn.to_string());
    Ok(json(StatusCode::OK, &Stopped { object: "session.interrupted", session, status, turn }))
}

fn text(input: String) -> Result<String, ApiError> {
    if input.trim().is_empty() {
        return Err(ApiError::field("input", "empty_input", "`input` says nothing"));
    }
    Ok(input)
}
