//! A session as it is kept.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::protocol::{BackendId, Overrides, SessionKey, ThreadId, TurnId};

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
    /// No event beyond this number was shown, should the daemon have been killed; at least `seq`.
    pub reserved: u64,
    /// Turns that reached the agent.
    pub turns: u64,
    /// Whether a turn of the thread ever came to its end: only then something is lost when the agent has lost it.
    pub answered: bool,
    /// The turn with which the conversation of the thread began; none before an agent was given one.
    pub first_turn: Option<TurnId>,
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
            reserved: 0,
            turns: 0,
            answered: false,
            first_turn: None,
            overrides: Overrides::default(),
            allowed: BTreeSet::new(),
            closed: false,
            unnamed: false,
        }
    }

    /// The number of the last event that may have been shown to anybody.
    pub fn last_seq(&self) -> u64 {
        self.seq.max(self.reserved)
    }

    /// Gives the thread up: the next turn begins a new one.
    pub fn begin_anew(&mut self) {
        self.thread = None;
        self.answered = false;
        self.first_turn = None;
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
