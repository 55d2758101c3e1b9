//! Which path is what.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use percent_encoding::percent_decode_str;

use super::respond::{ApiError, Body};
use super::workspace::Root;
use super::{Access, body, control, openai};
use crate::dispatch::Dispatch;

/// What the HTTP side goes by.
#[derive(Clone)]
pub struct ApiConfig {
    /// Who may come in.
    pub access: Access,
    /// How long a stream may be quiet.
    pub heartbeat: Duration,
    /// The largest request body, in bytes.
    pub body_bytes: usize,
    /// Where workspaces that requests name may lie.
    pub workspace_roots: Vec<Root>,
}

/// The HTTP API over whatever carries out turns.
pub struct Api {
    pub(super) config: ApiConfig,
    pub(super) dispatch: Arc<dyn Dispatch>,
    /// When the daemon started, in seconds since 1970.
    pub(super) started: u64,
    conns: AtomicUsize,
}

impl Api {
    /// Puts the two together.
    pub fn new(config: ApiConfig, dispatch: Arc<dyn Dispatch>) -> Self {
        Self { config, dispatch, started: openai::seconds_since_1970(), conns: AtomicUsize::new(0) }
    }

    /// Answers one request.
    pub(super) async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        match self.route(request).await {
            Ok(response) => response,
            Err(error) => error.response(),
        }
    }

    /// Open connections.
    pub(super) fn conns(&self) -> usize {
        self.conns.load(Ordering::Relaxed)
    }

    /// Counts a connection until the guard is dropped.
    pub(super) fn connected(self: &Arc<Self>) -> Connected {
        self.conns.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        let (parts, incoming) = request.into_parts();
        let (headers, access) = (&parts.headers, &self.config.access);
        access.check_door(headers)?;
        let path = parts.uri.path();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let wrong_method = |allow| Err(ApiError::no_method(&parts.method, path, allow));
        let body = async || body::read(incoming, self.config.body_bytes).await;
        let (get, post, delete) =
            (parts.method == Method::GET, parts.method == Method::POST, parts.method == Method::DELETE);
        match segments.as_slice() {
            // Without a key: it is what service managers ask, and it says nothing of anybody's sessions.
            ["health"] if get => Ok(control::health(self)),
            ["health"] => wrong_method("GET"),

            ["v1", "chat", "completions"] | ["chat", "completions"] if post => {
                let tenant = access.tenant(headers)?;
                openai::chat(self, tenant, headers, body().await?).await
            }
            ["v1", "chat", "completions"] | ["chat", "completions"] => wrong_method("POST"),

            ["v1", "models"] if get => access.tenant(headers).map(|_| openai::models(self)),
            ["v1", "models", name @ ..] if get && !name.is_empty() => {
                access.tenant(headers)?;
                openai::model(self, &decoded(&name.join("/"))?)
            }
            ["v1", "models", ..] => wrong_method("GET"),

            ["v1", "sessions"] if get => access.tenant(headers).map(|tenant| control::list(self, &tenant)),
            ["v1", "sessions"] => wrong_method("GET"),
            ["v1", "sessions", key] if delete => {
                let tenant = access.tenant(headers)?;
                control::close(self, tenant, &decoded(key)?).await
            }
            ["v1", "sessions", _] => wrong_method("DELETE"),

            ["v1", "chat", "abort"] if post => {
                let tenant = access.tenant(headers)?;
                control::abort(self, tenant, &body().await?).await
            }
            ["v1", "chat", "session", "reset"] if post => {
                let tenant = access.tenant(headers)?;
                control::reset(self, tenant, &body().await?).await
            }
            ["v1", "chat", "abort"] | ["v1", "chat", "session", "reset"] => wrong_method("POST"),

            _ => Err(ApiError::no_route(path)),
        }
    }
}

/// A path's segment with its percent signs taken out; keys may hold anything.
fn decoded(segment: &str) -> Result<Cow<'_, str>, ApiError> {
    let invalid = |_| ApiError::invalid("invalid_path", "the path is not UTF-8");
    percent_decode_str(segment).decode_utf8().map_err(invalid)
}

/// An open connection.
pub(super) struct Connected(Arc<Api>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.conns.fetch_sub(1, Ordering::Relaxed);
    }
}
