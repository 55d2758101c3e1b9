//! What happened in sessions of late, kept in memory for those who watch: numbered, in order, within one budget of bytes
//! for all. What is older stands in the store.
//!
//! ```text
//!  a session's task ── append ─▶ Log (its events, in order) ◀── read ── Observer, at its own pace
//!                                     ▲                                     └─ what is older: the store
//!                       Journal: which logs there are, and whose event is the oldest, to go first
//! ```
//!
//! A writer never waits for an observer: one that is so slow that events are gone for good is told which.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dashmap::DashMap;
use tokio::sync::watch;

use super::observer::{Observer, Slots};
use crate::driver::RawWanted;
use crate::protocol::{EventKind, Logged, SessionKey, TenantId, TurnId};
use crate::store::{EventStore, StoreError, TurnQuery, TurnRecord};

/// A session's newest turn, and what was said to begin it, as far as that is kept.
type LastTurn = (TurnRecord, Option<Arc<Logged>>);

/// All logs.
#[derive(Debug, Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    budget: usize,
    store: Arc<dyn EventStore>,
    logs: DashMap<SessionKey, Arc<Log>>,
    turns: DashMap<TurnId, Weak<Log>>,
    kept: Mutex<Kept>,
}

/// What is kept of all sessions.
#[derive(Debug, Default)]
struct Kept {
    /// Whose event is the next to go: one entry for each event, oldest first.
    order: VecDeque<Arc<Log>>,
    bytes: usize,
}

/// One session's events.
#[derive(Debug)]
pub(super) struct Log {
    key: SessionKey,
    state: Mutex<LogState>,
    /// The number of the last event; and whether none follows any more.
    progress: watch::Sender<Progress>,
    listeners: watch::Sender<usize>,
    /// When they look.
    pub(super) slots: Slots,
    /// Who wants the agent's own lines, too.
    pub(super) raw: RawWanted,
}

#[derive(Debug)]
struct LogState {
    events: VecDeque<Arc<Logged>>,
    turns: VecDeque<TurnRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) last: u64,
    /// Whether anybody waits for the next event.
    is_awaited: bool,
    pub(super) over: Option<Over>,
}

/// Why nothing more happens in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// It was forgotten.
    Forgotten,
    /// The daemon ends; the next one goes on.
    PutOff,
}

/// Why nobody can watch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// There is no such session or turn, or nothing is kept of it any more.
    #[error("there is no such session or turn, or nothing is kept of it any more")]
    Unknown,
    /// The number is higher than any event has.
    #[error("the last event has number {last}")]
    Future {
        /// The number of the last event.
        last: u64,
    },
    /// What is kept cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Journal {
    /// A journal over what the store has. In memory it holds at most `budget` bytes, about, and always the newest event.
    pub fn new(budget: usize, store: Arc<dyn EventStore>) -> Self {
        let (logs, turns) = (DashMap::new(), DashMap::new());
        Self { inner: Arc::new(Inner { budget, store, logs, turns, kept: Mutex::default() }) }
    }

    /// The session's log, for its task. `last` is the number of its last event so far.
    pub(super) fn writer(&self, key: &SessionKey, last: u64) -> Writer {
        Writer { inner: self.inner.clone(), log: self.inner.log(key, last) }
    }

    /// Watches a session: what comes after event `after`, or from now on. `last` is as for [`Journal::writer`].
    ///
    /// # Errors
    /// [`WatchError::Future`].
    pub(super) fn watch(&self, key: &SessionKey, last: u64, after: Option<u64>) -> Result<Observer, WatchError> {
        let log = self.inner.log(key, last);
        let last = log.progress.borrow().last;
        let after = after.unwrap_or(last);
        if after > last {
            return Err(WatchError::Future { last });
        }
        Ok(Observer::new(log, self.inner.store.clone(), None, after))
    }

    /// Watches a turn: what comes after event `after`, or from its beginning; up to its ending.
    ///
    /// # Errors
    /// As the two kinds say.
    pub(super) fn watch_turn(
        &self,
        tenant: &TenantId,
        turn: TurnId,
        after: Option<u64>,
    ) -> Result<Observer, WatchError> {
        let record = self.turn(tenant, turn)?.ok_or(WatchError::Unknown)?;
        let first = record.first_seq;
        let log = if let Some(log) = self.inner.log_of(tenant, turn) {
            log
        } else {
            let session = self.inner.store.session(&record.session)?.ok_or(WatchError::Unknown)?;
            self.inner.log(&record.session, session.last_seq())
        };
        let last = log.progress.borrow().last;
        let after = after.unwrap_or(first - 1);
        if after > last {
            return Err(WatchError::Future { last });
        }
        Ok(Observer::new(log, self.inner.store.clone(), Some(turn), after.max(first - 1)))
    }

    /// A turn, as far as it is known.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        let fresh = self.inner.log_of(tenant, turn).and_then(|log| log.lock().turn(turn).cloned());
        match fresh {
            Some(turn) => Ok(Some(turn)),
            None => self.inner.store.turn(tenant, turn),
        }
    }

    /// A session's newest turn, and what was said to begin it, as far as that is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn last_turn(&self, key: &SessionKey) -> Result<Option<LastTurn>, StoreError> {
        let fresh = self.inner.logs.get(key).map(|log| log.clone()).and_then(|log| {
            let state = log.lock();
            let turn = state.turns.back()?.clone();
            let said = state.at(turn.first_seq);
            Some((turn, said))
        });
        if let Some((turn, Some(said))) = fresh {
            return Ok(Some((turn, Some(said))));
        }
        let Some(turn) = self.turns(&TurnQuery::newest_of(key))?.pop() else { return Ok(None) };
        let said = self.inner.store.events(key, turn.first_seq - 1, 1)?.pop();
        Ok(Some((turn, said)))
    }

    /// The turns that a query means, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        let mut turns = self.inner.store.turns(query)?;
        for turn in &mut turns {
            // What runs is a little ahead of what is kept.
            if let Some(log) = self.inner.log_of(&query.tenant, turn.id)
                && let Some(fresh) = log.lock().turn(turn.id)
            {
                turn.clone_from(fresh);
            }
        }
        Ok(turns)
    }

    /// The session is forgotten: its observers end, and nobody finds its events any more. They go when it is their time.
    pub(super) fn forget(&self, key: &SessionKey) {
        if let Some((_, log)) = self.inner.logs.remove(key) {
            for view in std::mem::take(&mut log.lock().turns) {
                self.inner.turns.remove(&view.id);
            }
            log.progress.send_modify(|progress| progress.over = Some(Over::Forgotten));
        }
    }

    /// Nothing more happens before the next start: all observers end.
    pub(super) fn end(&self) {
        for log in &self.inner.logs {
            log.progress.send_modify(|progress| progress.over = Some(Over::PutOff));
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.inner.kept().bytes
    }
}

/// A session's task writes by it.
#[derive(Debug)]
pub(super) struct Writer {
    inner: Arc<Inner>,
    log: Arc<Log>,
}

impl Writer {
    #[cfg(test)]
    pub(super) fn key(&self) -> &SessionKey {
        self.log.key()
    }

    /// How many watch.
    pub(super) fn listeners(&self) -> watch::Receiver<usize> {
        self.log.listeners.subscribe()
    }

    /// Whether somebody wants the agent's own lines.
    pub(super) fn raw(&self) -> RawWanted {
        self.log.raw.clone()
    }

    /// A turn was accepted.
    pub(super) fn accepted(&self, turn: TurnRecord) {
        self.inner.turns.insert(turn.id, Arc::downgrade(&self.log));
        self.log.lock().turns.push_back(turn);
    }

    /// Nobody read the turn when it ended.
    pub(super) fn unread(&self, turn: TurnId) {
        let mut state = self.log.lock();
        if let Some(view) = state.turns.iter_mut().rev().find(|view| view.id == turn) {
            view.is_unread = true;
        }
    }

    /// Writes an event down; the oldest ones of all give way.
    pub(super) fn append(&self, logged: &Arc<Logged>) {
        let (last, bytes) = (logged.seq, logged.kind.bytes());
        {
            let mut state = self.log.lock();
            if let Some(view) = state.turns.iter_mut().rev().find(|view| view.id == logged.turn) {
                view.take(logged);
            }
            state.events.push_back(logged.clone());
        }
        self.inner.make_room(&self.log, bytes);
        self.log.progress.send_if_modified(|progress| {
            progress.last = last;
            // Waking takes its time, though nobody be there, and who is on the way to look need not be woken.
            std::mem::take(&mut progress.is_awaited)
        });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.inner.drop_if_empty(&self.log);
    }
}

impl Inner {
    fn log(&self, key: &SessionKey, last: u64) -> Arc<Log> {
        self.logs.entry(key.clone()).or_insert_with(|| Arc::new(Log::new(key.clone(), last))).clone()
    }

    fn log_of(&self, tenant: &TenantId, turn: TurnId) -> Option<Arc<Log>> {
        self.turns.get(&turn)?.upgrade().filter(|log| log.key.tenant() == tenant)
    }

    /// The newest event of `log`, of so many bytes, is in; the oldest of all go until the budget is kept.
    fn make_room(&self, log: &Arc<Log>, bytes: usize) {
        let mut kept = self.kept();
        kept.order.push_back(log.clone());
        kept.bytes += bytes;
        while kept.bytes > self.budget && kept.order.len() > 1 {
            let Some(oldest) = kept.order.pop_front() else { break };
            let (freed, is_empty) = oldest.drop_oldest(|turn| drop(self.turns.remove(&turn)));
            kept.bytes -= freed;
            if is_empty {
                self.drop_if_empty(&oldest);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic inside leaves at worst an event counted wrong.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log that nobody writes, reads or finds anything in is no more.
    fn drop_if_empty(&self, log: &Arc<Log>) {
        self.logs.remove_if(&log.key, |_, listed| {
            // The two are the list's and the caller's.
            Arc::ptr_eq(listed, log) && Arc::strong_count(listed) <= 2 && listed.lock().events.is_empty()
        });
    }
}

impl Log {
    fn new(key: SessionKey, last: u64) -> Self {
        Self {
            key,
            state: Mutex::new(LogState { events: VecDeque::new(), turns: VecDeque::new() }),
            progress: watch::Sender::new(Progress { last, is_awaited: false, over: None }),
            listeners: watch::Sender::new(0),
            slots: Slots::default(),
            raw: RawWanted::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        // A panic inside leaves the deques whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Watches the numbers.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Somebody is about to wait for an event behind number `after`, and the next one is to wake them. False when there is one,
    /// or nothing follows any more.
    pub(super) fn will_wait(&self, after: u64) -> bool {
        let mut waits = false;
        self.progress.send_if_modified(|progress| {
            waits = progress.last <= after && progress.over.is_none();
            progress.is_awaited |= waits;
            false
        });
        waits
    }

    /// One more watches, or one fewer.
    pub(super) fn count_listener(&self, comes: bool) {
        self.listeners.send_modify(|count| *count = if comes { *count + 1 } else { count.saturating_sub(1) });
    }

    /// How many watch.
    pub(super) fn listeners(&self) -> usize {
        *self.listeners.borrow()
    }

    /// At most `max` events behind number `after`, and the number of the oldest that is kept.
    pub(super) fn read(&self, after: u64, max: usize) -> (Vec<Arc<Logged>>, Option<u64>) {
        let state = self.lock();
        let Some(first) = state.events.front().map(|logged| logged.seq) else { return (Vec::new(), None) };
        // They have no gaps.
        let skip = usize::try_from((after + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        (state.events.iter().skip(skip).take(max).cloned().collect(), Some(first))
    }

    /// Drops the oldest event. Says what that frees, and whether it was the last one.
    fn drop_oldest(&self, forget: impl Fn(TurnId)) -> (usize, bool) {
        let mut state = self.lock();
        let Some(logged) = state.events.pop_front() else { return (0, true) };
        if matches!(logged.kind, EventKind::Ended(_)) {
            let turn = logged.turn;
            state.turns.retain(|view| view.id != turn);
            forget(turn);
        }
        (logged.kind.bytes(), state.events.is_empty())
    }
}

impl LogState {
    /// The event of that number, while it is kept.
    fn at(&self, seq: u64) -> Option<Arc<Logged>> {
        let first = self.events.front()?.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.events.get(at).cloned()
    }

    fn turn(&self, turn: TurnId) -> Option<&TurnRecord> {
        self.turns.iter().find(|record| record.id == turn)
    }
}
