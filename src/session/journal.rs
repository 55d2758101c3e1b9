//! What happened in sessions, kept in memory for those who watch: numbered, in order, within one budget of bytes for all.
//!
//! ```text
//!  a session's task ── append ─▶ Log (its events, in order) ◀── read ── Observer, at its own pace
//!                                     ▲
//!                       Journal: which logs there are, and whose event is the oldest, to go first
//! ```
//!
//! A writer never waits for an observer: one that is slow finds that events are gone, and is told which.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::watch;

use super::observer::{Observer, Slots};
use super::turns::TurnView;
use crate::driver::RawWanted;
use crate::protocol::{BackendId, Decision, Event, EventKind, SessionKey, TenantId, ThreadId, TurnEnding, TurnId};

/// What an event takes beside its texts, in bytes, about.
const EVENT_BYTES: usize = 256;

/// An event that was written down.
#[derive(Debug)]
pub struct Logged {
    /// What happened.
    pub event: Event,
    /// When.
    pub at: SystemTime,
    /// How a front shows it to observers, made by the first that needs it: there may be many.
    pub shown: OnceLock<Bytes>,
}

impl Logged {
    /// Written down now.
    pub(super) fn now(event: Event) -> Arc<Self> {
        Arc::new(Self { event, at: SystemTime::now(), shown: OnceLock::new() })
    }
}

impl Deref for Logged {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

/// All logs.
#[derive(Debug, Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    budget: usize,
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
    turns: VecDeque<TurnView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) last: u64,
    pub(super) over: bool,
}

/// Why nobody can watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// There is no such session or turn, or nothing is kept of it any more.
    #[error("there is no such session or turn, or nothing is kept of it any more")]
    Unknown,
    /// The number is higher than any event has.
    #[error("the last event has number {last}; events are numbered anew when turnmux starts anew")]
    Future {
        /// The number of the last event.
        last: u64,
    },
}

impl Journal {
    /// An empty journal that holds at most `budget` bytes, about, and always the newest event.
    pub fn new(budget: usize) -> Self {
        let (logs, turns) = (DashMap::new(), DashMap::new());
        Self { inner: Arc::new(Inner { budget, logs, turns, kept: Mutex::default() }) }
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
        Ok(Observer::new(log, None, after))
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
        let log = self.inner.log_of(tenant, turn).ok_or(WatchError::Unknown)?;
        let first = log.lock().turns.iter().find(|view| view.id == turn).map(|view| view.first_seq);
        let first = first.ok_or(WatchError::Unknown)?;
        let last = log.progress.borrow().last;
        let after = after.unwrap_or(first - 1);
        if after > last {
            return Err(WatchError::Future { last });
        }
        Ok(Observer::new(log, Some(turn), after.max(first - 1)))
    }

    /// A turn, as far as it is known.
    pub fn turn(&self, tenant: &TenantId, turn: TurnId) -> Option<TurnView> {
        let log = self.inner.log_of(tenant, turn)?;
        let state = log.lock();
        state.turns.iter().find(|view| view.id == turn).map(|view| state.with_answer(view))
    }

    /// A session's newest turn, and what was said to begin it, as far as that is kept.
    pub(super) fn last_turn(&self, key: &SessionKey) -> Option<(TurnView, Option<Arc<Logged>>)> {
        let log = self.inner.logs.get(key)?.clone();
        let state = log.lock();
        let view = state.turns.back()?.clone();
        let said = state.at(view.first_seq);
        Some((view, said))
    }

    /// A session's turns that are known, oldest first.
    pub fn turns(&self, key: &SessionKey) -> Vec<TurnView> {
        let Some(log) = self.inner.logs.get(key).map(|log| log.clone()) else { return Vec::new() };
        let state = log.lock();
        state.turns.iter().map(|view| state.with_answer(view)).collect()
    }

    /// The session is forgotten: its observers end, and nobody finds its events any more. They go when it is their time.
    pub(super) fn forget(&self, key: &SessionKey) {
        if let Some((_, log)) = self.inner.logs.remove(key) {
            for view in std::mem::take(&mut log.lock().turns) {
                self.inner.turns.remove(&view.id);
            }
            log.progress.send_modify(|progress| progress.over = true);
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
    /// How many watch.
    pub(super) fn listeners(&self) -> watch::Receiver<usize> {
        self.log.listeners.subscribe()
    }

    /// Whether somebody wants the agent's own lines.
    pub(super) fn raw(&self) -> RawWanted {
        self.log.raw.clone()
    }

    /// A turn was accepted; its first event is the next one.
    pub(super) fn accepted(&self, turn: TurnId, backend: BackendId, thread: ThreadId) {
        let first_seq = self.log.progress.borrow().last + 1;
        self.inner.turns.insert(turn, Arc::downgrade(&self.log));
        self.log.lock().turns.push_back(TurnView::accepted(turn, self.log.key.clone(), backend, thread, first_seq));
    }

    /// A turn is about to end, and nobody reads it.
    pub(super) fn unread(&self, turn: TurnId) {
        let mut state = self.log.lock();
        if let Some(view) = state.turns.iter_mut().rev().find(|view| view.id == turn) {
            view.is_unread = true;
        }
    }

    /// Writes an event down; the oldest ones of all give way.
    pub(super) fn append(&self, event: Event) -> Arc<Logged> {
        let last = event.seq;
        let bytes = size(&event.kind);
        let logged = Logged::now(event);
        {
            let mut state = self.log.lock();
            if let Some(view) = state.turns.iter_mut().rev().find(|view| view.id == logged.turn) {
                view.take(&logged);
            }
            state.events.push_back(logged.clone());
        }
        self.inner.make_room(&self.log, bytes);
        self.log.progress.send_modify(|progress| progress.last = last);
        logged
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
            progress: watch::Sender::new(Progress { last, over: false }),
            listeners: watch::Sender::new(0),
            slots: Slots::default(),
            raw: RawWanted::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        // A panic inside leaves the deques whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the numbers.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
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
        (size(&logged.kind), state.events.is_empty())
    }
}

impl LogState {
    /// The event of that number, while it is kept.
    fn at(&self, seq: u64) -> Option<Arc<Logged>> {
        let first = self.events.front()?.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.events.get(at).cloned()
    }

    /// With what its ending says, while that is kept.
    fn with_answer(&self, view: &TurnView) -> TurnView {
        let ending = view.last_seq.filter(|_| view.ended_at.is_some()).and_then(|last| self.at(last));
        TurnView { ending, ..view.clone() }
    }
}

/// What an event takes, in bytes, about.
fn size(kind: &EventKind) -> usize {
    let text = match kind {
        EventKind::UserText(text)
        | EventKind::TextDelta(text)
        | EventKind::ReasoningDelta(text)
        | EventKind::AssistantText(text)
        | EventKind::Raw(text)
        | EventKind::Reasoning(text)
        | EventKind::Steered { text, .. } => text.len(),
        EventKind::ToolUse { id, name, input } => id.len() + name.len() + input.len(),
        EventKind::ToolResult { id, text, .. } => id.len() + text.len(),
        EventKind::Subagent { parent, text } => parent.len() + text.len(),
        EventKind::PermissionDenied { tool } => tool.len(),
        EventKind::PermissionAsked(question) => question.input.len(),
        EventKind::PermissionAnswered { decision: Decision::Deny { message }, .. } => message.len(),
        EventKind::PermissionAnswered { decision: Decision::Answers(answers), .. } => {
            answers.iter().map(|(question, answer)| question.len() + answer.len()).sum()
        }
        EventKind::FileChange { path, .. } => path.len(),
        EventKind::Ended(TurnEnding::Completed { text, reasoning, .. }) => text.len() + reasoning.len(),
        EventKind::Ended(TurnEnding::Failed(error)) => error.message.len(),
        EventKind::Ended(TurnEnding::Interrupted(_))
        | EventKind::Waiting(_)
        | EventKind::Started { .. }
        | EventKind::Retry { .. }
        | EventKind::TextMismatch
        | EventKind::PermissionAnswered { .. }
        | EventKind::SteerConsumed { .. }
        | EventKind::SteerDropped { .. }
        | EventKind::Usage(_) => 0,
    };
    // The shown form is about as long again.
    EVENT_BYTES + 2 * text
}
