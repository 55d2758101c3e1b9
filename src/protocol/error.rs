//! What can go wrong with a turn, in the caller's terms. `api/respond.rs` makes statuses of it, and nothing else does.

use std::time::Duration;

/// What kind of thing went wrong; each kind has one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The agent's program is not there.
    NotInstalled,
    /// The agent has no valid sign-in.
    NotSignedIn,
    /// The agent died or hung before it was ready.
    StartFailed,
    /// The agent is not running as configured, for example in another permission mode.
    Misconfigured,
    /// The agent's process ended, or its output made no sense, in the middle of the turn.
    AgentLost,
    /// A wait inside the turn reached its limit.
    TimedOut,
    /// No process was free within `limits.capacity`.
    NoCapacity,
    /// The model's service refused the sign-in, the payment or the permission.
    UpstreamAuth,
    /// The model's service says that it is asked too often.
    UpstreamRateLimit,
    /// The model's service has too much to do.
    UpstreamOverloaded,
    /// The model's service failed otherwise.
    UpstreamFailed,
    /// The model's service refused the request itself, for example for its length.
    UpstreamRejected,
    /// The agent does not know the thread that it was to resume.
    ThreadNotFound,
    /// The request does not fit the session, for example by another driver.
    Conflict,
    /// The agent refused the model that was asked for.
    ModelRefused,
    /// The agent could not reach a server of tools that the caller offers it.
    ToolsUnreachable,
    /// The daemon went down while the agent had the turn.
    TurnLost,
    /// The store keeps nothing at present.
    StoreUnavailable,
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TurnError {
    /// What kind of thing went wrong.
    pub kind: ErrorKind,
    /// A sentence for people, which says what to do where something can be done.
    pub message: String,
    /// How long to wait before trying again, where that is known.
    pub retry_after: Option<Duration>,
}

impl TurnError {
    /// An error without a known time to wait.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}
