//! Which path is what.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use percent_encoding::percent_decode_str;

use super::allowance::{Allowances, Kind};
use super::control::Verb;
use super::respond::{ApiError, Body};
use super::{Access, body, control, openai, openapi};
use crate::dispatch::Dispatch;
use crate::protocol::{TenantId, Tenants, WorkspaceRoot};

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
    pub workspace_roots: Vec<WorkspaceRoot>,
    /// What each tenant may use.
    pub tenants: Tenants,
    /// Where the plugins inside agents connect, for `/health`.
    pub channel: Option<SocketAddr>,
    /// The daemon's process, for `/health`: its pid, and when it started, in ticks since the machine did.
    pub process: (i32, Option<u64>),
}

/// The HTTP API over whatever carries out turns.
pub struct Api {
    pub(super) config: ApiConfig,
    pub(super) dispatch: Arc<dyn Dispatch>,
    /// When the daemon started, in seconds since 1970.
    pub(super) started: u64,
    allowances: Allowances,
    conns: AtomicUsize,
}

impl Api {
    /// Puts the two together.
    pub fn new(config: ApiConfig, dispatch: Arc<dyn Dispatch>) -> Self {
        let allowances = Allowances::new(&config.tenants);
        Self { config, dispatch, started: openai::seconds_since_1970(), allowances, conns: AtomicUsize::new(0) }
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
        let (mut parts, incoming) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let (headers, access) = (&parts.headers, &self.config.access);
        access.check_door(headers)?;
        let path = parts.uri.path();
        let route = Route::find(path)?.ok_or_else(|| ApiError::no_route(path))?;
        let allow = route.method();
        if parts.method.as_str() != allow {
            return Err(ApiError::no_method(&parts.method, path, allow));
        }
        let tenant = if route.is_open() { TenantId::local() } else { access.tenant(headers)? };
        let share = match route.kind().map(|kind| self.allowances.take(&tenant, kind)).transpose() {
            Ok(share) => share.flatten(),
            Err(error) => {
                body::drain(incoming);
                return Err(error);
            }
        };
        if let Route::SessionTerminal(key) = &route {
            // It holds its share for as long as somebody is attached.
            return control::terminal(self, tenant, &parts, upgrade, share, key).await;
        }
        let response = self.answer(route, tenant, &parts, incoming).await?;
        Ok(match share {
            Some(share) => share.kept_by(response),
            None => response,
        })
    }

    async fn answer(
        &self,
        route: Route,
        tenant: TenantId,
        parts: &Parts,
        incoming: Incoming,
    ) -> Result<Response<Body>, ApiError> {
        let (headers, query) = (&parts.headers, parts.uri.query());
        let body = async || body::read(incoming, self.config.body_bytes).await;
        match route {
            Route::Chat => openai::chat(self, tenant, headers, body().await?).await,
            Route::Models => Ok(openai::models(self, &tenant)),
            Route::Model(name) => openai::model(self, &tenant, &name),
            Route::Sessions => control::list(self, &tenant),
            Route::Session(key) => control::close(self, tenant, &key).await,
            Route::SessionEvents(key) => control::of_session(self, tenant, headers, query, &key),
            Route::SessionTurns(key) => control::turns(self, tenant, query, &key).await,
            Route::SessionExport(key) => control::export(self, tenant, headers, query, &key).await,
            // It is answered before this.
            Route::SessionTerminal(_) => Err(ApiError::no_route(parts.uri.path())),
            Route::Turns => control::search(self, tenant, query).await,
            Route::Turn(id) => control::turn(self, tenant, query, &id).await,
            Route::TurnEvents(id) => control::of_turn(self, &tenant, headers, query, &id),
            Route::Abort => control::abort(self, tenant, &body().await?).await,
            Route::Reset => control::reset(self, tenant, &body().await?).await,
            Route::Act(key, verb) => control::act(self, tenant, &key, verb, headers, &body().await?).await,
            Route::Health => Ok(control::health(self)),
            Route::OpenApi => Ok(openapi::openapi()),
        }
    }
}

/// What there is.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Health,
    OpenApi,
    Chat,
    Models,
    Model(String),
    Sessions,
    Session(String),
    SessionEvents(String),
    SessionTurns(String),
    SessionExport(String),
    SessionTerminal(String),
    Turns,
    Turn(String),
    TurnEvents(String),
    Act(String, Verb),
    Abort,
    Reset,
}

impl Route {
    /// What a path means, whatever the method.
    fn find(path: &str) -> Result<Option<Self>, ApiError> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        Ok(Some(match segments.as_slice() {
            ["health"] => Self::Health,
            ["openapi.json"] => Self::OpenApi,
            ["v1", "chat", "completions"] | ["chat", "completions"] => Self::Chat,
            ["v1", "models"] => Self::Models,
            // Names of models have slashes in some clients.
            ["v1", "models", name @ ..] => Self::Model(decoded(&name.join("/"))?),
            ["v1", "sessions"] => Self::Sessions,
            ["v1", "sessions", key] => Self::Session(decoded(key)?),
            ["v1", "sessions", key, "events"] => Self::SessionEvents(decoded(key)?),
            ["v1", "sessions", key, "turns"] => Self::SessionTurns(decoded(key)?),
            ["v1", "sessions", key, "export"] => Self::SessionExport(decoded(key)?),
            ["v1", "sessions", key, "terminal"] => Self::SessionTerminal(decoded(key)?),
            ["v1", "turns"] => Self::Turns,
            ["v1", "turns", id] => Self::Turn(decoded(id)?),
            ["v1", "turns", id, "events"] => Self::TurnEvents(decoded(id)?),
            ["v1", "sessions", key, verb] => match Verb::parse(verb) {
                Some(verb) => Self::Act(decoded(key)?, verb),
                None => return Ok(None),
            },
            ["v1", "chat", "abort"] => Self::Abort,
            ["v1", "chat", "session", "reset"] => Self::Reset,
            _ => return Ok(None),
        }))
    }

    /// What it takes a share of; none is answered at once and has no body.
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Chat => Some(Kind::Turn),
            Self::Session(_) | Self::Act(..) | Self::Abort | Self::Reset => Some(Kind::Act),
            Self::SessionEvents(_) | Self::SessionTerminal(_) | Self::TurnEvents(_) => Some(Kind::Watch),
            Self::SessionTurns(_) | Self::SessionExport(_) | Self::Turns | Self::Turn(_) => Some(Kind::Read),
            Self::Health | Self::OpenApi | Self::Models | Self::Model(_) | Self::Sessions => None,
        }
    }

    /// Whether it is open to whoever reaches the socket: service managers and generators of clients have no key, and
    /// neither answer says anything of anybody's sessions.
    fn is_open(&self) -> bool {
        matches!(self, Self::Health | Self::OpenApi)
    }

    /// The one method that it takes.
    fn method(&self) -> &'static str {
        match self {
            Self::Chat | Self::Abort | Self::Reset | Self::Act(..) => "POST",
            Self::Session(_) => "DELETE",
            Self::Health
            | Self::OpenApi
            | Self::Models
            | Self::Model(_)
            | Self::Sessions
            | Self::SessionEvents(_)
            | Self::SessionTurns(_)
            | Self::SessionExport(_)
            | Self::SessionTerminal(_)
            | Self::Turns
            | Self::Turn(_)
            | Self::TurnEvents(_) => "GET",
        }
    }
}

/// A path's segment with its percent signs taken out; keys may hold anything.
fn decoded(segment: &str) -> Result<String, ApiError> {
    let invalid = |_| ApiError::invalid("invalid_path", "the path is not UTF-8");
    percent_decode_str(segment).decode_utf8().map(Cow::into_owned).map_err(invalid)
}

/// An open connection.
pub(super) struct Connected(Arc<Api>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.conns.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::control::Verb;
    use super::*;

    /// The same as another path.
    const ALIAS: &str = "/chat/completions";

    /// Says which path is whose, once for the compiler, which misses no route, and once as a list.
    macro_rules! paths {
        ($($route:pat => $path:literal,)*) => {
            const PATHS: &[&str] = &[$($path),*];

            fn path_of(route: &Route) -> &'static str {
                match route {
                    $($route => $path,)*
                }
            }
        };
    }

    paths! {
        Route::Health => "/health",
        Route::OpenApi => "/openapi.json",
        Route::Chat => "/v1/chat/completions",
        Route::Models => "/v1/models",
        Route::Model(_) => "/v1/models/{model}",
        Route::Sessions => "/v1/sessions",
        Route::Session(_) => "/v1/sessions/{key}",
        Route::SessionEvents(_) => "/v1/sessions/{key}/events",
        Route::SessionTurns(_) => "/v1/sessions/{key}/turns",
        Route::SessionExport(_) => "/v1/sessions/{key}/export",
        Route::SessionTerminal(_) => "/v1/sessions/{key}/terminal",
        Route::Turns => "/v1/turns",
        Route::Turn(_) => "/v1/turns/{id}",
        Route::TurnEvents(_) => "/v1/turns/{id}/events",
        Route::Act(_, Verb::Submit) => "/v1/sessions/{key}/submit",
        Route::Act(_, Verb::Steer) => "/v1/sessions/{key}/steer",
        Route::Act(_, Verb::Interrupt) => "/v1/sessions/{key}/interrupt",
        Route::Act(_, Verb::Answer) => "/v1/sessions/{key}/answer",
        Route::Act(_, Verb::Configure) => "/v1/sessions/{key}/configure",
        Route::Act(_, Verb::Reset) => "/v1/sessions/{key}/reset",
        Route::Act(_, Verb::Close) => "/v1/sessions/{key}/close",
        Route::Act(_, Verb::Adopt) => "/v1/sessions/{key}/adopt",
        Route::Abort => "/v1/chat/abort",
        Route::Reset => "/v1/chat/session/reset",
    }

    #[test]
    fn the_document_describes_every_route_and_no_other() {
        let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        let described = document["paths"].as_object().unwrap();
        let names: BTreeSet<&str> = described.keys().map(String::as_str).collect();
        assert_eq!(names, PATHS.iter().copied().chain([ALIAS]).collect());
        for (path, operations) in described {
            let route = Route::find(&path.replace(['{', '}'], "")).unwrap().unwrap_or_else(|| panic!("{path}"));
            assert_eq!(path_of(&route), if path == ALIAS { "/v1/chat/completions" } else { path });
            let methods: Vec<&String> = operations.as_object().unwrap().keys().collect();
            assert_eq!(methods, [&route.method().to_ascii_lowercase()], "{path}");
            let is_open = operations[methods[0]]["security"] == serde_json::json!([]);
            assert_eq!(is_open, route.is_open(), "{path}");
        }
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
