//! What sessions ask of a store.
//!
//! Writes are numbered and kept in order; a call returns at once, and [`EventStore::progress`] says how far the store has
//! come. Whoever must not go on before something is kept waits for its number there. Reads of sessions see every write that
//! was made before them, kept yet or not; those of turns and events see what is kept. All may touch the disk.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::{SessionRecord, TurnRecord};
use crate::protocol::{ErrorKind, Idempotency, Logged, SessionKey, TenantId, ThreadId, TurnError, TurnId, TurnRequest};

/// Something to be kept. Writes that are given together are kept together, or not at all.
#[derive(Debug, Clone)]
pub enum Write {
    /// A session, in place of what was kept of it.
    Session(Box<SessionRecord>),
    /// A session and everything in it is no more.
    Forget(SessionKey),
    /// A turn was accepted. Its session is kept already, or with it.
    Accepted(Box<AcceptedTurn>),
    /// A turn is about to be given to its agent: from here on nobody may run it again.
    Given(TurnId),
    /// An event of a turn that was accepted. It changes what is kept of the turn as [`TurnRecord::take`] says.
    Event(Arc<Logged>),
    /// Nobody read the turn when it ended.
    Unread(TurnId),
}

/// A turn as it is accepted.
#[derive(Debug, Clone)]
pub struct AcceptedTurn {
    /// What is known of it.
    pub turn: TurnRecord,
    /// The name under which it runs once.
    pub name: Option<Idempotency>,
    /// What is needed to run it after a restart, if it is to run then though no agent was given it before.
    pub rerun: Option<Rerun>,
}

/// A turn that runs though its daemon went down before its time had come.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerun {
    /// What is wanted.
    pub request: TurnRequest,
    /// Where a new session's agent runs.
    pub directory: PathBuf,
}

/// A turn that has no ending.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// What is known of it.
    pub turn: TurnRecord,
    /// It was, or was about to be, given to its agent.
    pub given: bool,
    /// What is needed to run it, if it may run.
    pub rerun: Option<Rerun>,
}

/// Which turns are looked for: those for which all of this is true, newest first.
#[derive(Debug, Clone)]
pub struct TurnQuery {
    /// Whose.
    pub tenant: TenantId,
    /// Of which session.
    pub session: Option<SessionKey>,
    /// With all of these tags: names and their values.
    pub tags: Vec<(String, String)>,
    /// Accepted before this one.
    pub before: Option<TurnId>,
    /// At most so many.
    pub limit: usize,
}

/// How far the store has come.
#[derive(Debug, Clone, Default)]
pub struct StoreProgress {
    /// All writes up to this number are kept.
    pub kept: u64,
    /// How many times it has written to the disk since it was opened.
    pub commits: u64,
    /// It has more to write than it should: whoever can wait is to wait.
    pub is_full: bool,
    /// Why nothing is kept at present. What was written waits, but for pieces of messages, until the store can go on.
    pub trouble: Option<StoreError>,
}

/// Why the store does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// A sentence for people, which says what to do.
    pub message: Arc<str>,
}

/// Where sessions, turns and events are kept.
pub trait EventStore: Send + Sync + std::fmt::Debug + 'static {
    /// Keeps all of these or, should the daemon be killed, none; gives the number to wait for. Events but endings may wait a
    /// moment for something that they can be kept together with.
    fn write(&self, writes: Vec<Write>) -> u64;

    /// How far it has come, and its troubles.
    fn progress(&self) -> watch::Receiver<StoreProgress>;

    /// What is known of a session.
    ///
    /// # Errors
    /// When it cannot be read; as for all that follows.
    fn session(&self, key: &SessionKey) -> Result<Option<SessionRecord>, StoreError>;

    /// A tenant's sessions, in the order of their keys.
    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionRecord>, StoreError>;

    /// How many sessions are kept; those that still wait are not counted.
    fn sessions_len(&self) -> usize;

    /// Whether a thread belongs to a session of somebody else than this tenant.
    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> Result<bool, StoreError>;

    /// A turn.
    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError>;

    /// The turns that a query means.
    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError>;

    /// A session's events with numbers above `after`, oldest first, at most `max`.
    fn events(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError>;

    /// The turn that has this name, and the digest of its request.
    fn named(&self, tenant: &TenantId, name: &str) -> Result<Option<(TurnId, u64)>, StoreError>;

    /// The turns that have no ending, in the order in which they were accepted. For the start: nothing runs yet.
    fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError>;
}

impl TurnQuery {
    /// A session's newest turn.
    pub fn newest_of(key: &SessionKey) -> Self {
        let (tenant, session) = (key.tenant().clone(), Some(key.clone()));
        Self { tenant, session, tags: Vec::new(), before: None, limit: 1 }
    }

    /// Whether it means this turn, but for `before` and `limit`.
    pub fn means(&self, turn: &TurnRecord) -> bool {
        turn.session.tenant() == &self.tenant
            && self.session.as_ref().is_none_or(|session| *session == turn.session)
            && self.tags.iter().all(|(name, value)| turn.tags.get(name) == Some(value))
    }
}

impl From<StoreError> for TurnError {
    fn from(error: StoreError) -> Self {
        Self::new(ErrorKind::StoreUnavailable, &*error.message)
    }
}

impl StoreError {
    /// An error of that sentence.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into() }
    }
}
