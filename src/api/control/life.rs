//! `reset`, `close` and `adopt`: where a session begins and ends.

use hyper::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::act::On;
use super::sessions::no_session;
use crate::api::respond::{ApiError, Body, json};
use crate::api::{body, identity};
use crate::protocol::ThreadId;

#[derive(Deserialize)]
struct AdoptRequest {
    thread: String,
    /// The backend whose agent knows the thread; the session's own where none is named.
    #[serde(default)]
    model: Option<String>,
}

#[derive(Serialize)]
struct Done {
    object: &'static str,
    session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<String>,
}

/// Takes the session's thread away, and opens the session again if it was closed.
pub(super) async fn reset(on: On<'_>) -> Result<Response<Body>, ApiError> {
    let session = on.key.to_string();
    if !on.api.dispatch.reset(&on.key).await? {
        return Err(no_session(&session));
    }
    Ok(json(StatusCode::OK, &Done { object: "session.reset", session, thread: None }))
}

/// Ends the session's turns and its process. It takes nothing more until it is reset.
pub(super) async fn close(on: On<'_>) -> Result<Response<Body>, ApiError> {
    let session = on.key.to_string();
    if !on.api.dispatch.seal(&on.key).await? {
        return Err(no_session(&session));
    }
    Ok(json(StatusCode::OK, &Done { object: "session.closed", session, thread: None }))
}

/// Has the session go on with a thread that the agent knows. Whether it does shows with the next turn.
pub(super) async fn adopt(on: On<'_>, headers: &HeaderMap, bytes: &[u8]) -> Result<Response<Body>, ApiError> {
    let request: AdoptRequest = body::json(bytes)?;
    let invalid = |error| ApiError::field("thread", "invalid_thread", format!("`thread`: {error}"));
    let thread = ThreadId::parse(&request.thread).map_err(invalid)?;
    let backend = on.backend(request.model.as_deref())?;
    let workspace = identity::workspace(headers, on.roots())?;
    on.api.dispatch.adopt(&on.key, &backend, thread.clone(), workspace).await?;
    let (session, thread) = (on.key.to_string(), Some(thread.to_string()));
    Ok(json(StatusCode::OK, &Done { object: "session.adopted", session, thread }))
}
