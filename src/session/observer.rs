//! Somebody who watches a session or a turn at their own pace.
//!
//! A turn that many watch is not to run slower for it. So while a session's events come, those who watch it look one after
//! the other, each at a time of its own that [`Slots`] gives out; who only catches up holds up no turn, and need not wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::journal::{Log, Over, Progress};
use crate::protocol::{EventKind, Logged, TurnId};
use crate::store::EventStore;

/// Events that are given at a time.
const BATCH_MAX: usize = 256;

/// How far apart those look who watch one session while it grows. Every look takes CPU time from the turn, so however many
/// watch, there are some three hundred a second at most. Six still see an event before 20 ms have passed.
const APART: Duration = Duration::from_millis(3);

/// Reads a log. Being there counts as listening.
#[derive(Debug)]
pub struct Observer {
    log: Arc<Log>,
    /// Where older events are.
    store: Arc<dyn EventStore>,
    /// None watches the whole session.
    turn: Option<TurnId>,
    /// The number of the last event that was looked at.
    after: u64,
    progress: watch::Receiver<Progress>,
    /// The number of the session's last event when this was to look last.
    grown_to: u64,
    /// When this is to look, once that is known.
    slot_at: Option<Instant>,
    over: bool,
    is_put_off: bool,
    /// Wants the agent's own lines.
    raw: bool,
    listens: bool,
}

/// What an observer sees next.
#[derive(Debug)]
pub enum Seen {
    /// Events, in order.
    Events(Vec<Arc<Logged>>),
    /// Events are not kept any more.
    Missed {
        /// The number of the first that is gone.
        from: u64,
        /// The number of the last that is gone.
        to: u64,
    },
}

impl Observer {
    pub(super) fn new(log: Arc<Log>, store: Arc<dyn EventStore>, turn: Option<TurnId>, after: u64) -> Self {
        log.count_listener(true);
        let progress = log.progress();
        let grown_to = progress.borrow().last;
        Self {
            log,
            store,
            turn,
            after,
            progress,
            grown_to,
            slot_at: None,
            over: false,
            is_put_off: false,
            raw: false,
            listens: true,
        }
    }

    /// Does not count as one who could answer a question.
    pub(super) fn silent(mut self) -> Self {
        if std::mem::replace(&mut self.listens, false) {
            self.log.count_listener(false);
        }
        self
    }

    /// Wants the lines of the agent's own protocol, too, from now on.
    #[must_use]
    pub fn with_raw(mut self) -> Self {
        if !std::mem::replace(&mut self.raw, true) {
            self.log.raw.count(true);
        }
        self
    }

    /// The number of the last event that was looked at.
    pub fn seen(&self) -> u64 {
        self.after
    }

    /// Whether what it watches goes on when the daemon runs again, though nothing follows here.
    pub fn is_put_off(&self) -> bool {
        self.is_put_off
    }

    /// What comes next, as soon as there is something; none when nothing follows: the turn has ended, or the session was
    /// forgotten. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Seen> {
        while let Some(last) = self.news().await {
            let seen = self.read(last).await;
            if seen.is_some() {
                return seen;
            }
        }
        None
    }

    /// The same for one of many: while the session grows, all who ask this way get something one after the other. The
    /// first gets it at once, and nobody waits longer than 3 ms for each who watches.
    pub async fn next_in_turn(&mut self) -> Option<Seen> {
        while let Some(last) = self.news().await {
            if std::mem::replace(&mut self.grown_to, last) != last && self.slot_at.is_none() {
                self.slot_at = Some(self.log.slots.next(self.log.listeners()));
            }
            if let Some(slot_at) = self.slot_at {
                sleep_until(slot_at).await;
                self.slot_at = None;
            }
            let last = self.progress.borrow().last;
            let seen = self.read(last).await;
            if seen.is_some() {
                return seen;
            }
        }
        None
    }

    /// Waits until something has happened that was not looked at. Says the number of the last event; none when nothing
    /// follows.
    async fn news(&mut self) -> Option<u64> {
        while !self.over {
            let progress = *self.progress.borrow_and_update();
            if progress.last > self.after {
                return Some(progress.last);
            }
            let is_over = progress.over.is_some();
            if is_over || (self.log.will_wait(self.after) && self.progress.changed().await.is_err()) {
                self.over = true;
                self.is_put_off = progress.over == Some(Over::PutOff);
            }
        }
        None
    }

    async fn read(&mut self, last: u64) -> Option<Seen> {
        let (mut events, first) = self.log.read(self.after, BATCH_MAX);
        let first = first.unwrap_or(last + 1);
        if first > self.after + 1 {
            events = self.read_older(first).await;
            let next = events.first().map_or(first, |logged| logged.seq);
            if next > self.after + 1 {
                let missed = Seen::Missed { from: self.after + 1, to: next - 1 };
                self.after = next - 1;
                return Some(missed);
            }
        }
        self.after = events.last()?.seq;
        if let Some(turn) = self.turn {
            events.retain(|logged| logged.turn == turn);
            self.over = events.last().is_some_and(|logged| matches!(logged.kind, EventKind::Ended(_)));
        }
        if !self.raw {
            events.retain(|logged| !matches!(logged.kind, EventKind::Raw(_)));
        }
        (!events.is_empty()).then_some(Seen::Events(events))
    }

    /// What the store has of the events that come next, before number `first`; without gaps.
    async fn read_older(&self, first: u64) -> Vec<Arc<Logged>> {
        let (store, key, after) = (self.store.clone(), self.log.key().clone(), self.after);
        let read = tokio::task::spawn_blocking(move || store.events(&key, after, BATCH_MAX)).await;
        let mut events = match read {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::warn!(session = %self.log.key(), %error, "older events cannot be read");
                Vec::new()
            }
            // It panicked, or the runtime ends.
            Err(_) => Vec::new(),
        };
        let begin = events.first().map_or(0, |logged| logged.seq);
        let gapless = events.iter().zip(begin..).take_while(|(logged, seq)| logged.seq == *seq && *seq < first).count();
        events.truncate(gapless);
        events
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if self.listens {
            self.log.count_listener(false);
        }
        if self.raw {
            self.log.raw.count(false);
        }
    }
}

/// When those look who watch a session that grows.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The last slot that was given out. Observers are tasks of their own, and none of them is there for the others: so a
    /// lock, held for a comparison.
    last: Mutex<Option<Instant>>,
}

impl Slots {
    /// The next slot. One of `listeners` waits for no more than all of them: some that had a slot may have left.
    fn next(&self, listeners: usize) -> Instant {
        let now = Instant::now();
        let farthest = now + APART.saturating_mul(u32::try_from(listeners).unwrap_or(u32::MAX));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = last.map_or(now, |last| (last + APART).clamp(now, farthest));
        *last = Some(slot);
        slot
    }
}
