//! What a session's task has the store keep.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::machine::Machine;
use super::outbox::Need;
use crate::protocol::{EventKind, Logged};
use crate::store::{EventStore, SessionRecord, StoreError, StoreProgress, Write};

/// How long pieces of messages are collected, for nobody waits until they are kept, …
const COLLECT: Duration = Duration::from_millis(500);
/// … how long other events, …
const COLLECT_WHOLE: Duration = Duration::from_millis(25);
/// … and how many bytes, about.
const COLLECT_BYTES: usize = 512 << 10;

/// Numbers that a session takes for its events at a time. Those that it has not used when the daemon is killed are left
/// out, so that no two events that were ever shown have one number.
const RESERVED: u64 = 10_000;

/// Writes of one session, in order.
pub(super) struct Writes {
    store: Arc<dyn EventStore>,
    progress: watch::Receiver<StoreProgress>,
    batch: Vec<Write>,
    /// The session's record is to be kept, before all else in the batch; or forgotten, behind it.
    saves: bool,
    forgets: bool,
    /// Something in the batch is not to wait.
    urgent: bool,
    /// When what is collected is to be written, and its bytes.
    due: Option<Instant>,
    bytes: usize,
    /// The last number that is taken; up to which one that is kept for sure; and the write which keeps the rest.
    reserved: u64,
    safe: u64,
    number: u64,
}

impl Writes {
    pub(super) fn new(store: Arc<dyn EventStore>, record: &SessionRecord) -> Self {
        let last = record.last_seq();
        Self {
            progress: store.progress(),
            store,
            batch: Vec::new(),
            saves: false,
            forgets: false,
            urgent: false,
            due: None,
            bytes: 0,
            reserved: last,
            safe: last,
            number: 0,
        }
    }

    /// The session's record as it will be then.
    pub(super) fn save(&mut self) {
        self.saves = true;
        self.urgent = true;
    }

    /// The session is no more.
    pub(super) fn forget(&mut self) {
        self.forgets = true;
        self.urgent = true;
    }

    /// For whoever reads.
    pub(super) fn store(&self) -> Arc<dyn EventStore> {
        self.store.clone()
    }

    /// What there is is not to wait, for it is due, or somebody waits; should there be nothing, the number of what is on its
    /// way is given.
    pub(super) fn at_once(&mut self) {
        self.urgent = true;
    }

    /// Something that is not to wait.
    pub(super) fn now(&mut self, write: Write) {
        self.batch.push(write);
        self.urgent = true;
    }

    /// An event. An ending takes the session's record along, for the number of its last event.
    pub(super) fn event(&mut self, logged: &Arc<Logged>) {
        self.batch.push(Write::Event(logged.clone()));
        if !logged.kind.is_delta() {
            let due = Instant::now() + COLLECT_WHOLE;
            self.due = Some(self.due.map_or(due, |before| before.min(due)));
        } else if self.due.is_none() {
            self.due = Some(Instant::now() + COLLECT);
        }
        self.bytes += logged.kind.bytes();
        self.urgent |= self.bytes >= COLLECT_BYTES;
        if matches!(logged.kind, EventKind::Ended(_)) {
            self.save();
        }
        if logged.seq + RESERVED / 2 > self.reserved {
            self.save();
        }
    }

    /// What must be kept before an event of this number is shown.
    pub(super) fn need(&mut self, seq: u64) -> Need {
        if seq <= self.safe {
            return Need::Nothing;
        }
        if seq > self.reserved {
            return Need::Batch;
        }
        if self.kept() >= self.number {
            self.safe = self.reserved;
            return Need::Nothing;
        }
        Need::Write(self.number)
    }

    /// Gives the store what it is to have by now, if anything is not to wait; the number of that.
    pub(super) fn flush(&mut self, machine: &Machine, seq: u64) -> Option<u64> {
        if !self.urgent {
            return None;
        }
        let mut writes = std::mem::take(&mut self.batch);
        let saves = std::mem::take(&mut self.saves);
        if saves {
            let has_turns = machine.active().is_some() || machine.queued() > 0;
            let reserved = if has_turns { seq + RESERVED } else { seq };
            let record = SessionRecord { seq, reserved, ..machine.record().clone() };
            writes.insert(0, Write::Session(Box::new(record)));
            // What is given back is not safe any more.
            self.safe = self.safe.min(reserved);
            self.reserved = reserved;
        }
        if std::mem::take(&mut self.forgets) {
            writes.push(Write::Forget(machine.record().key.clone()));
        }
        (self.urgent, self.due, self.bytes) = (false, None, 0);
        let number = self.store.write(writes);
        if saves {
            self.number = number;
        }
        Some(number)
    }

    /// When what was collected is to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The number of the last write that is kept.
    pub(super) fn kept(&self) -> u64 {
        self.progress.borrow().kept
    }

    /// Why nothing is kept at present.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.progress.borrow().trouble.clone()
    }

    /// Whether the store has more to write than it should.
    pub(super) fn is_full(&self) -> bool {
        self.progress.borrow().is_full
    }

    /// Ends when the store has come further.
    pub(super) async fn changed(&mut self) {
        if self.progress.changed().await.is_err() {
            // The store is gone: nothing changes any more.
            std::future::pending::<()>().await;
        }
    }
}
