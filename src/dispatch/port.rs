//! What a front end asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::protocol::{BackendId, Logged, ScreenSize, SessionKey, TenantId, ThreadId, TurnError, TurnId, TurnRequest};
use crate::session::{
    Accepted, Act, Acted, Denial, Interrupted, Observer, Refused, SessionView, Submitted, VIEWERS_MAX, Viewer,
    WatchError,
};
use crate::store::{StoreError, TurnQuery, TurnRecord};

/// Why a turn is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No backend has this name.
    #[error("there is no model `{model}`; known are: {}", known.join(", "))]
    UnknownModel {
        /// What was asked for.
        model: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Its agent cannot have the servers of tools that the request offers.
    #[error("`turnmux.mcp_servers`: model `{model}` takes none: {why}")]
    NoMcp {
        /// What was asked for.
        model: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// The backend's agents cannot be shown images.
    #[error(
        "model `{backend}` takes text only, for its driver `{driver}` has no way to give its agent an image; {}",
        others.as_deref().map_or_else(
            || "a backend of the driver `claude-stream` takes them".to_owned(),
            |others| format!("these take them: {others}"),
        )
    )]
    NoImages {
        /// The backend.
        backend: BackendId,
        /// Its driver.
        driver: String,
        /// Backends of the caller's that take them.
        others: Option<String>,
    },
    /// The session says no.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The session does not do it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The backend cannot run.
    #[error(transparent)]
    Unable(#[from] TurnError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A backend as people see it.
#[derive(Debug, Clone)]
pub struct BackendView {
    /// Its name.
    pub id: BackendId,
    /// Its driver.
    pub driver: String,
    /// Which way its driver took, where that has several and knows.
    pub note: Option<String>,
    /// Why it cannot run, as far as can be told without starting it.
    pub trouble: Option<String>,
}

/// Numbers for `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Processes that live, or are about to.
    pub processes: usize,
    /// Sessions that are known.
    pub sessions: usize,
    /// Turns that wait.
    pub queued: usize,
    /// How many times the store has written to the disk.
    pub commits: u64,
    /// Why nothing is kept at present, and so no turn taken.
    pub trouble: Option<StoreError>,
}

/// Why nobody can attach to a session's terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// There is no such session.
    #[error("there is no such session; GET /v1/sessions lists them")]
    Unknown,
    /// The session's agent has none.
    #[error(
        "driver `{driver}` speaks with its agent over pipes, so this session has no terminal; watch its events (GET \
         /v1/sessions/KEY/events) and give it turns (POST /v1/sessions/KEY/submit)"
    )]
    NoTerminal {
        /// The session's driver.
        driver: String,
    },
    /// The session's agent is not running.
    #[error("this session's agent is not running, so there is no terminal yet; the session's next turn starts it")]
    NotRunning,
    /// As many watch as may.
    #[error("{VIEWERS_MAX} are attached to this session's terminal, and more may not be; try again when one has left")]
    Full,
    /// The backend lets nobody decide what its agents may do.
    #[error(
        "backend {backend} has `permission = \"deny\"`, and whoever types in its terminal could allow more; attach without the \
         keyboard"
    )]
    NoKeyboard {
        /// The session's backend.
        backend: BackendId,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whatever carries out turns. Calls that can fail for the store alone say so by [`StoreError`].
pub trait Dispatch: Send + Sync + 'static {
    /// Gives a turn to its session; the answer is the session's own.
    fn submit<'a>(&'a self, key: &'a SessionKey, request: TurnRequest) -> BoxFuture<'a, Result<Accepted, Refusal>>;

    /// Gives a call to a session that is there for that, and says to which.
    fn call<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: TurnRequest,
    ) -> BoxFuture<'a, Result<(SessionKey, Accepted), Refusal>>;

    /// Gives a turn to its session that runs whether or not anybody reads it, or that steers the one that runs.
    fn start<'a>(&'a self, key: &'a SessionKey, request: TurnRequest) -> BoxFuture<'a, Result<Submitted, Refusal>>;

    /// Has a session that there is do something that is no turn.
    fn act<'a>(&'a self, key: &'a SessionKey, act: Act) -> BoxFuture<'a, Result<Acted, Refused>>;

    /// Has a session, which need not be there yet, go on with a thread of the backend's agent.
    fn adopt<'a>(
        &'a self,
        key: &'a SessionKey,
        backend: &'a BackendId,
        thread: ThreadId,
        workspace: Option<PathBuf>,
    ) -> BoxFuture<'a, Result<Acted, Refusal>>;

    /// Closes a session: it takes nothing until it is reset. False when there is no such session.
    fn seal<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// One session.
    fn session(&self, key: &SessionKey) -> Result<Option<SessionView>, StoreError>;

    /// Stops the running turn of a session, or the one named, and waits for its end for at most `wait`.
    fn interrupt<'a>(&'a self, key: &'a SessionKey, turn: Option<TurnId>, wait: Duration)
    -> BoxFuture<'a, Interrupted>;

    /// Stops a turn whose session the caller does not name.
    fn interrupt_turn<'a>(&'a self, tenant: &'a TenantId, turn: TurnId, wait: Duration) -> BoxFuture<'a, Interrupted>;

    /// Takes the session's thread away. False when there is no such session.
    fn reset<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Ends the session and forgets it. False when there is no such session.
    fn close<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Watches a session: what comes after event `after`, or from now on.
    ///
    /// # Errors
    /// When there is no such session, or `after` is in the future.
    fn watch(&self, key: &SessionKey, after: Option<u64>) -> Result<Observer, WatchError>;

    /// Watches a turn: what comes after event `after`, or from its beginning; up to its ending.
    ///
    /// # Errors
    /// When nothing is known of such a turn, or `after` is in the future.
    fn watch_turn(&self, tenant: &TenantId, turn: TurnId, after: Option<u64>) -> Result<Observer, WatchError>;

    /// Attaches to the terminal of a session's agent. With a size, the terminal is no larger than that meanwhile; with the
    /// keyboard, what is typed reaches the agent.
    ///
    /// # Errors
    /// As [`AttachError`] says.
    fn attach<'a>(
        &'a self,
        key: &'a SessionKey,
        size: Option<ScreenSize>,
        keyboard: bool,
    ) -> BoxFuture<'a, Result<Viewer, AttachError>>;

    /// A turn, as far as it is known.
    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError>;

    /// The turns that a query means, newest first.
    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError>;

    /// A session's events with numbers above `after`, oldest first, at most `max`: what is kept of them.
    fn history(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError>;

    /// The tenant's sessions.
    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionView>, StoreError>;

    /// Which backend a request's `model` means; none named means the caller's agent's, or the default. There are only
    /// those that the tenant may use.
    ///
    /// # Errors
    /// [`Refusal::UnknownModel`].
    fn resolve(&self, tenant: &TenantId, model: Option<&str>, agent: &str) -> Result<BackendId, Refusal>;

    /// The backends that the tenant may use, each with whether it could run.
    fn backends(&self, tenant: &TenantId) -> Vec<BackendView>;

    /// All backends and which is the default, whoever may use them: for `/health`.
    fn all_backends(&self) -> (BackendId, Vec<BackendView>);

    /// How much there is of everything.
    fn counts(&self) -> Counts;
}
