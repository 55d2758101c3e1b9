//! What sessions ask of a store.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::protocol::{BackendId, Overrides, SessionKey, TenantId, ThreadId};

/// What is kept of a session whether or not a process, or even a task, stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose conversation it is.
    pub key: SessionKey,
    /// The backend of the last turn.
    pub backend: BackendId,
    /// The driver: it decides what a thread id means, so it stays until a reset.
    pub driver: String,
    /// What the agent calls the conversation, once it has one that can be resumed.
    pub thread: Option<ThreadId>,
    /// Where the agent runs: a thread can be resumed only there.
    pub directory: PathBuf,
    /// The system prompt that the thread goes by.
    pub instructions: Option<String>,
    /// How often the session was given a new thread in place of the one it had.
    pub generation: u64,
    /// The caller's count of conversations that the thread belongs to, where the caller counts.
    pub boundary: Option<u64>,
    /// The number of its last event.
    pub seq: u64,
    /// Turns that reached the agent.
    pub turns: u64,
    /// Whether a turn of the thread ever came to its end: only then something is lost when the agent has lost it.
    pub answered: bool,
    /// What clients have chosen over the backend's configuration.
    pub overrides: Overrides,
    /// Tools that may run unasked until the session is reset.
    pub allowed: BTreeSet<String>,
    /// It was closed: it takes nothing until it is reset.
    pub closed: bool,
    /// True when no caller named it, so that nobody is expected to come back.
    pub unnamed: bool,
}

impl SessionRecord {
    /// A session in which nothing has happened.
    pub fn first(key: &SessionKey, backend: BackendId, driver: &str, directory: PathBuf) -> Self {
        Self {
            key: key.clone(),
            backend,
            driver: driver.to_owned(),
            thread: None,
            directory,
            instructions: None,
            generation: 0,
            boundary: None,
            seq: 0,
            turns: 0,
            answered: false,
            overrides: Overrides::default(),
            allowed: BTreeSet::new(),
            closed: false,
            unnamed: false,
        }
    }

    /// Gives the thread up: the next turn begins a new one.
    pub fn begin_anew(&mut self) {
        self.thread = None;
        self.answered = false;
        self.instructions = None;
        self.generation += 1;
    }

    /// Gives up the thread and what was allowed in it, and opens the session again if it was closed.
    pub fn reset(&mut self) {
        self.begin_anew();
        self.allowed.clear();
        self.closed = false;
    }
}

/// Where session records are kept.
///
/// The calls return at once: a store that has to wait for a disk hands the work to a thread of its own.
pub trait SessionStore: Send + Sync + 'static {
    /// What is known of a session.
    fn load(&self, key: &SessionKey) -> Option<SessionRecord>;

    /// Keeps a record, in place of the one under the same key.
    fn save(&self, record: SessionRecord);

    /// Forgets a session.
    fn remove(&self, key: &SessionKey);

    /// All records of a tenant, in the order of their keys.
    fn list(&self, tenant: &TenantId) -> Vec<SessionRecord>;

    /// Whether a thread belongs to a session of somebody else than this tenant.
    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> bool;

    /// How many records there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
