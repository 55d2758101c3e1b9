//! `GET /v1/sessions` and `DELETE /v1/sessions/{key}`.

use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::api::respond::{ApiError, Body, json};
use crate::api::router::Api;
use crate::dispatch::SessionView;
use crate::protocol::{SessionKey, TenantId};
use crate::wire::openai::List;

/// A session in the API.
#[derive(Serialize)]
pub(super) struct SessionOut {
    /// `agent::chat`.
    key: String,
    object: &'static str,
    /// `not_loaded`, `waiting`, `starting`, `idle`, `active`, `interrupting`, `stopping`, `backoff`, `closed`.
    state: &'static str,
    backend: String,
    driver: String,
    thread: Option<String>,
    directory: String,
    /// How often it was given a new thread in place of the one it had.
    generation: u64,
    /// Turns that reached the agent.
    turns: u64,
    queued: usize,
    turn: Option<String>,
    pid: Option<u32>,
}

/// The tenant's sessions.
pub(in crate::api) fn list(api: &Api, tenant: &TenantId) -> Result<Response<Body>, ApiError> {
    let data = api.dispatch.sessions(tenant)?.into_iter().map(SessionOut::of).collect();
    Ok(json(StatusCode::OK, &List { object: "list", data }))
}

/// Ends a session and forgets it.
pub(in crate::api) async fn close(api: &Api, tenant: TenantId, text: &str) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Done<'a> {
        key: &'a str,
        object: &'static str,
        deleted: bool,
    }
    let key = key(tenant, text)?;
    if !api.dispatch.close(&key).await? {
        return Err(no_session(text));
    }
    Ok(json(StatusCode::OK, &Done { key: text, object: "session.deleted", deleted: true }))
}

/// A key that a caller names.
pub(super) fn key(tenant: TenantId, text: &str) -> Result<SessionKey, ApiError> {
    let invalid = |error| ApiError::field("session", "invalid_session", format!("`session`: {error}"));
    SessionKey::parse(tenant, text).map_err(invalid)
}

/// There is no such session, or it is another tenant's: nobody is told which.
pub(super) fn no_session(text: &str) -> ApiError {
    ApiError::not_found("session_not_found", format!("there is no session `{text}`; GET /v1/sessions lists them"))
}

impl SessionOut {
    /// As it stands.
    pub(super) fn of(view: SessionView) -> Self {
        let record = view.record;
        Self {
            key: record.key.to_string(),
            object: "session",
            state: view.state,
            backend: record.backend.to_string(),
            driver: record.driver,
            thread: record.thread.map(|thread| thread.to_string()),
            directory: record.directory.display().to_string(),
            generation: record.generation,
            turns: record.turns,
            queued: view.queued,
            turn: view.turn.map(|turn| turn.to_string()),
            pid: view.pid,
        }
    }
}
