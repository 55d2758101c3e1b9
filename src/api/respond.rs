//! The one place where an error becomes a status.
//!
//! 401 has one cause, a wrong API key, because some clients switch a provider off for every session at 401 to 403: what
//! goes wrong with the *agent's* sign-in is a 503. `x-should-retry` is OpenAI's own header: its SDKs repeat requests that
//! failed with 409, 429 or 5xx unless it says no. A turn that reached an agent may have changed the world, so it does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;

use super::mcp;
use crate::dispatch::{AttachError, Denial, Refusal, Refused, StoreError};
use crate::protocol::{ErrorKind, InterruptCause, TurnEnding, TurnError};
use crate::wire::openai::{ErrorBody, ErrorOut};
use crate::wire::websocket::NoWebSocket;

/// What every answer is made of.
pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Wait before the next try when a queue is full, or a tenant has all the requests it may: about one short turn.
const RETRY_QUEUE: Duration = Duration::from_secs(2);
/// Wait before the next try when the daemon goes down: about as long as a service manager takes to start it again.
const RETRY_SHUTDOWN: Duration = Duration::from_secs(5);

/// Wait before the next try when the store keeps nothing: somebody has to make room first.
const RETRY_STORE: Duration = Duration::from_secs(30);

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<String>,
    retry_after: Option<Duration>,
    /// False tells SDKs not to repeat the request.
    repeatable: bool,
    allow: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, param: None, retry_after: None, repeatable: true, allow: None }
    }

    /// The request cannot be understood.
    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A field of the request is at fault.
    pub(super) fn field(param: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid(code, message) }
    }

    /// There is nothing at this path.
    pub(super) fn no_route(path: &str) -> Self {
        let message = format!("there is nothing at {path}; chat is at POST /v1/chat/completions");
        Self::new(StatusCode::NOT_FOUND, "unknown_route", message)
    }

    /// There is something at this path, but not for this method.
    pub(super) fn no_method(method: &Method, path: &str, allow: &'static str) -> Self {
        let message = format!("{path} takes {allow}, not {method}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self { allow: Some(allow), ..Self::new(status, "method_not_allowed", message) }
    }

    /// No such thing.
    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// The body is larger than it may be.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the request body is larger than {limit} bytes (`limits.body_bytes`)");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    /// The body did not come.
    pub(super) fn body_timeout(limit: Duration) -> Self {
        let message = format!("the request body was not there after {limit:?}");
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// The route speaks WebSocket, and the request does not ask for that as RFC 6455 says.
    pub(super) fn no_websocket(error: NoWebSocket) -> Self {
        let status = match error {
            NoWebSocket::Key => StatusCode::BAD_REQUEST,
            NoWebSocket::NotAsked | NoWebSocket::Version => StatusCode::UPGRADE_REQUIRED,
        };
        Self { repeatable: false, ..Self::new(status, "websocket_expected", error.to_string()) }
    }

    /// The API key is wrong: the only cause of a 401.
    pub(super) fn unauthorized() -> Self {
        let message = "the API key is missing or wrong; send one of the daemon's keys as `Authorization: Bearer …`";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }

    /// The request was meant for another server.
    pub(super) fn misdirected(host: &str) -> Self {
        let message =
            format!("`{host}` is not a host of this server; a tunnel's host is named in `server.allowed_hosts`");
        Self::new(StatusCode::MISDIRECTED_REQUEST, "host_not_allowed", message)
    }

    /// A page of another site sends this.
    pub(super) fn foreign_origin(origin: &str) -> Self {
        let message =
            format!("pages of `{origin}` may not use this server; their host is named in `server.allowed_hosts`");
        // Not 403: clients that switch a provider off at 401 to 403 would take it for a bad key.
        Self::invalid("origin_not_allowed", message)
    }

    /// As many of the tenant's requests are being answered as may be.
    pub(super) fn tenant_busy(max_requests: usize) -> Self {
        let message = format!(
            "{max_requests} requests of this API key are being answered, and more it may not have (its `max_requests`); \
             try again when one has ended"
        );
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant_busy", message);
        Self { retry_after: Some(RETRY_QUEUE), ..error }
    }

    /// The turn was stopped.
    fn interrupted(cause: InterruptCause) -> Self {
        let message = format!("the turn was interrupted: {cause}");
        match cause {
            InterruptCause::Shutdown | InterruptCause::ShutdownBeforeStart => Self {
                retry_after: Some(RETRY_SHUTDOWN),
                repeatable: cause == InterruptCause::ShutdownBeforeStart,
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
            },
            _ => Self { repeatable: false, ..Self::new(StatusCode::CONFLICT, "turn_interrupted", message) },
        }
    }

    /// A defect of turnmux's.
    pub(super) fn internal(message: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    /// The session let the reader go, or broke.
    pub(super) fn reader_lost() -> Self {
        let message =
            "this answer was read too slowly (`limits.reader_stall`), or its session broke; its turn may go on";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { repeatable: false, ..Self::new(status, "reader_detached", message) }
    }

    /// The body, as it stands in a response or in an `error` event of a stream.
    pub(super) fn body(&self) -> ErrorBody<'_> {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        let param = self.param.as_deref();
        ErrorBody { error: ErrorOut { message: &self.message, kind, param, code: self.code } }
    }

    /// The whole response.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = json(self.status, &self.body());
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if !self.repeatable {
            headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110, 15.5.22.
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        response
    }

    /// The ending of a turn that did not complete.
    pub(super) fn of_ending(ending: &TurnEnding) -> Option<Self> {
        match ending {
            TurnEnding::Completed { .. } => None,
            TurnEnding::Interrupted(cause) => Some(Self::interrupted(*cause)),
            TurnEnding::Failed(error) => Some(error.clone().into()),
        }
    }
}

impl From<TurnError> for ApiError {
    fn from(error: TurnError) -> Self {
        use StatusCode as S;
        // (status, code, whether a repetition cannot do harm)
        let (status, code, repeatable) = match error.kind {
            ErrorKind::NotInstalled => (S::SERVICE_UNAVAILABLE, "agent_not_installed", true),
            ErrorKind::NotSignedIn => (S::SERVICE_UNAVAILABLE, "agent_not_signed_in", false),
            ErrorKind::StartFailed => (S::SERVICE_UNAVAILABLE, "agent_start_failed", true),
            ErrorKind::Misconfigured => (S::SERVICE_UNAVAILABLE, "agent_misconfigured", false),
            ErrorKind::AgentLost => (S::BAD_GATEWAY, "agent_lost", false),
            ErrorKind::TimedOut => (S::GATEWAY_TIMEOUT, "turn_timed_out", false),
            ErrorKind::NoCapacity => (S::SERVICE_UNAVAILABLE, "no_capacity", true),
            ErrorKind::UpstreamAuth => (S::SERVICE_UNAVAILABLE, "upstream_auth", false),
            ErrorKind::UpstreamRateLimit => (S::TOO_MANY_REQUESTS, "upstream_rate_limit", true),
            ErrorKind::UpstreamOverloaded => (S::SERVICE_UNAVAILABLE, "upstream_overloaded", true),
            ErrorKind::UpstreamFailed => (S::BAD_GATEWAY, "upstream_failed", false),
            ErrorKind::UpstreamRejected => (S::BAD_REQUEST, "upstream_rejected", false),
            ErrorKind::ThreadNotFound => (S::CONFLICT, "thread_not_found", false),
            ErrorKind::Conflict => (S::CONFLICT, "session_conflict", false),
            ErrorKind::ModelRefused => (S::BAD_REQUEST, "model_refused", false),
            // The agent was not given the turn.
            ErrorKind::ToolsUnreachable => (S::BAD_GATEWAY, "tools_unreachable", true),
            ErrorKind::TurnLost => (S::BAD_GATEWAY, "turn_lost", false),
            ErrorKind::StoreUnavailable => (S::SERVICE_UNAVAILABLE, "store_unavailable", true),
        };
        Self { retry_after: error.retry_after, repeatable, ..Self::new(status, code, error.message) }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", &*error.message);
        Self { retry_after: Some(RETRY_STORE), ..error }
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        let message = denial.to_string();
        match denial {
            Denial::QueueFull { .. } => Self {
                retry_after: Some(RETRY_QUEUE),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message)
            },
            Denial::Store(error) => error.into(),
            Denial::Closed => Self { repeatable: false, ..Self::new(StatusCode::GONE, "session_closed", message) },
            Denial::ShuttingDown => Self {
                retry_after: Some(RETRY_SHUTDOWN),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
            },
            Denial::Closing => Self {
                retry_after: Some(RETRY_QUEUE),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "session_closing", message)
            },
            Denial::OtherRequest { .. } => Self {
                param: Some("Idempotency-Key".into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", message)
            },
            Denial::OtherDriver { .. }
            | Denial::OtherDirectory { .. }
            | Denial::OtherThread { .. }
            | Denial::EarlierConversation { .. } => {
                Self { repeatable: false, ..Self::new(StatusCode::CONFLICT, "session_conflict", message) }
            }
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        use StatusCode as S;
        let message = refused.to_string();
        let (status, code, param) = match refused {
            Refused::Denied(denial) => return denial.into(),
            Refused::TooManySteers => {
                let error = Self::new(S::TOO_MANY_REQUESTS, "too_many_steers", message);
                return Self { retry_after: Some(RETRY_QUEUE), ..error };
            }
            Refused::NoActiveTurn => (S::CONFLICT, "no_active_turn", None),
            Refused::SteerUnsupported { .. } => (S::CONFLICT, "steer_unsupported", None),
            Refused::Agent(_) => (S::CONFLICT, "steer_refused", None),
            Refused::RequestGone => (S::GONE, "request_gone", Some("request")),
            Refused::NoRequest => (S::NOT_FOUND, "request_not_found", Some("request")),
            Refused::NoSession => (S::NOT_FOUND, "session_not_found", None),
            Refused::WrongAnswer(_) => (S::BAD_REQUEST, "wrong_answer", Some("decision")),
            Refused::PermissionNotAllowed { .. } => (S::BAD_REQUEST, "permission_not_allowed", Some("permission")),
            Refused::Unsupported(_) => (S::CONFLICT, "session_conflict", None),
        };
        Self { repeatable: false, param: param.map(str::to_owned), ..Self::new(status, code, message) }
    }
}

impl From<AttachError> for ApiError {
    fn from(error: AttachError) -> Self {
        use StatusCode as S;
        let message = error.to_string();
        let (status, code, param) = match error {
            AttachError::Store(error) => return error.into(),
            AttachError::Full => {
                let error = Self::new(S::TOO_MANY_REQUESTS, "too_many_viewers", message);
                return Self { retry_after: Some(RETRY_QUEUE), ..error };
            }
            AttachError::Unknown => (S::NOT_FOUND, "session_not_found", None),
            AttachError::NoTerminal { .. } => (S::CONFLICT, "no_terminal", None),
            AttachError::NotRunning => (S::CONFLICT, "agent_not_running", None),
            AttachError::NoKeyboard { .. } => (S::CONFLICT, "keyboard_not_allowed", Some("keyboard")),
        };
        Self { repeatable: false, param: param.map(str::to_owned), ..Self::new(status, code, message) }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownModel { .. } => {
                let error = Self::not_found("model_not_found", refusal.to_string());
                Self { param: Some("model".into()), ..error }
            }
            Refusal::NoMcp { .. } => ApiError::field(mcp::FIELD, "mcp_unsupported", refusal.to_string()),
            Refusal::NoImages { .. } => Self::field("model", "images_not_supported", refusal.to_string()),
            Refusal::Denied(denial) => denial.into(),
            Refusal::Refused(refused) => refused.into(),
            Refusal::Unable(error) => error.into(),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    // Our own types into memory: this cannot fail, and an empty body would show if it did.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(bytes)).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
