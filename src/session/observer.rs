//! Somebody who watches a session or a turn at their own pace.

use std::sync::Arc;

use tokio::sync::watch;

use super::journal::{Log, Progress};
use crate::protocol::{EventKind, Logged, TurnId};
use crate::store::EventStore;

/// Events that are given at a time.
const BATCH_MAX: usize = 256;

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
    /// The number of the session's last event when this was asked last.
    grown_to: u64,
    over: bool,
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
        Self { log, store, turn, after, progress, grown_to, over: false, raw: false, listens: true }
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

    /// What comes next, as soon as there is something; none when nothing follows: the turn has ended, or the session was
    /// forgotten.
    pub async fn next(&mut self) -> Option<Seen> {
        while !self.over {
            let progress = *self.progress.borrow_and_update();
            if progress.last > self.after {
                let seen = self.read(progress.last).await;
                if seen.is_some() {
                    return seen;
                }
                continue;
            }
            if progress.over || self.progress.changed().await.is_err() {
                self.over = true;
            }
        }
        None
    }

    /// Whether anything has happened in the session since this was asked last.
    pub fn is_growing(&mut self) -> bool {
        let last = self.progress.borrow().last;
        std::mem::replace(&mut self.grown_to, last) != last
    }

    /// How many listen to the session.
    pub fn listeners(&self) -> usize {
        self.log.listeners()
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
}

impl Observer {
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
