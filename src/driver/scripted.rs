//! An agent inside the daemon, for tests and smoke checks: it says what it is told to say, and fails where it is told to.
//!
//! The answer to a turn is its input, one delta a word. A word that begins with `!` is a [`Step`] instead of something
//! to say, so `one !pause=2s two !crash` says `one`, waits, says `two` and dies. `args` of the backend are steps of the
//! process itself ([`Start`]): `start=2s`, `never-ready`, `refuse`, `forgets`, `stop=2s`, `never-gone`. Nothing is
//! random; time is tokio's, so a test can pause it.

mod host;
mod script;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::{Attachment, CHANNEL_MAX, Driver, OpenRequest, Plan, SteerMode};
use crate::protocol::{BackendId, BackendSpec, ErrorKind, TurnError, TurnOptions};

pub use script::{Start, Step};

/// The driver's name in `[backends.<id>] driver`.
pub const NAME: &str = "scripted";

/// The driver for agents that only follow a script.
#[derive(Debug, Clone, Default)]
pub struct Scripted {
    counts: Arc<Counts>,
    clears: bool,
}

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicUsize,
    live: AtomicUsize,
    turns: AtomicUsize,
}

impl Scripted {
    /// One whose processes can be given a fresh context.
    pub fn clearing() -> Self {
        Self { clears: true, ..Self::default() }
    }

    /// How many attachments were opened so far.
    pub fn opened(&self) -> usize {
        self.counts.opened.load(Ordering::Acquire)
    }

    /// How many turns they were given.
    pub fn turns(&self) -> usize {
        self.counts.turns.load(Ordering::Acquire)
    }

    /// How many of them are not over.
    pub fn live(&self) -> usize {
        self.counts.live.load(Ordering::Acquire)
    }
}

impl Driver for Scripted {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steer_mode(&self) -> SteerMode {
        SteerMode::QueueWhenBusy
    }

    fn check(&self, spec: &BackendSpec, _directory: &Path) -> Result<(), TurnError> {
        script::starts(&spec.args).map(drop).map_err(|message| TurnError::new(ErrorKind::Misconfigured, message))
    }

    fn clears(&self, _backend: &BackendId) -> bool {
        self.clears
    }

    fn takes_images(&self) -> bool {
        true
    }

    /// A model can change while the agent runs, effort and permission cannot.
    fn plan(&self, current: &TurnOptions, wanted: &TurnOptions) -> Plan {
        let fixed = |options: &TurnOptions| (options.effort.clone(), options.permission);
        if fixed(current) == fixed(wanted) { Plan::Live } else { Plan::Restart }
    }

    fn open(&self, request: OpenRequest) -> Attachment {
        let (commands, inbox) = mpsc::channel(CHANNEL_MAX);
        let (outbox, events) = mpsc::channel(CHANNEL_MAX);
        self.counts.opened.fetch_add(1, Ordering::AcqRel);
        self.counts.live.fetch_add(1, Ordering::AcqRel);
        tokio::spawn(host::run(request, inbox, outbox, Alive(self.counts.clone())));
        Attachment { commands, events }
    }
}

/// Counts an attachment until it is over, however it ends.
struct Alive(Arc<Counts>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::AcqRel);
    }
}
