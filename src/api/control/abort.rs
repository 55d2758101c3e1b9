//! `POST /v1/chat/abort` and `POST /v1/chat/session/reset`.

use std::time::Duration;

use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::sessions::{key, no_session};
use super::turns::turn_id;
use crate::api::body;
use crate::api::respond::{ApiError, Body, json};
use crate::api::router::Api;
use crate::dispatch::Interrupted;
use crate::protocol::{TenantId, TurnId};

/// How long an abort waits for the turn's end before it answers `pending`. claude ends one in tens of milliseconds.
pub(super) const ABORT_WAIT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct AbortRequest {
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    turn: Option<String>,
}

#[derive(Deserialize)]
struct ResetRequest {
    session: String,
}

/// Stops a session's running turn, or a turn by its id. Says `confirmed` only when the turn has ended.
pub(in crate::api) async fn abort(api: &Api, tenant: TenantId, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Aborted {
        object: &'static str,
        status: &'static str,
        turn: String,
    }
    let request: AbortRequest = body::json(bytes)?;
    let turn = request.turn.as_deref().map(turn_id).transpose()?;
    let outcome = match (request.session.as_deref(), turn) {
        (Some(session), turn) => api.dispatch.interrupt(&key(tenant, session)?, turn, ABORT_WAIT).await,
        (None, Some(turn)) => api.dispatch.interrupt_turn(&tenant, turn, ABORT_WAIT).await,
        (None, None) => {
            return Err(ApiError::field("session", "missing_field", "name a `session` or a `turn` to abort"));
        }
    };
    let Some((status, turn)) = stopped(outcome) else {
        return Err(ApiError::not_found("no_active_turn", "there is no such turn running or waiting"));
    };
    Ok(json(StatusCode::OK, &Aborted { object: "chat.abort", status, turn: turn.to_string() }))
}

/// How far an interrupt has come, in the API's words, and with which turn; none when no turn was there.
pub(super) fn stopped(outcome: Interrupted) -> Option<(&'static str, TurnId)> {
    match outcome {
        Interrupted::Confirmed(turn) => Some(("confirmed", turn)),
        Interrupted::Pending(turn) => Some(("pending", turn)),
        Interrupted::NoTurn => None,
    }
}

/// Takes a session's thread away; its next turn begins a new one.
pub(in crate::api) async fn reset(api: &Api, tenant: TenantId, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Done<'a> {
        object: &'static str,
        session: &'a str,
        reset: bool,
    }
    let request: ResetRequest = body::json(bytes)?;
    if !api.dispatch.reset(&key(tenant, &request.session)?).await? {
        return Err(no_session(&request.session));
    }
    Ok(json(StatusCode::OK, &Done { object: "session.reset", session: &request.session, reset: true }))
}
