//! What waits to be kept, and what is said of it: between those who write and the writer thread.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::protocol::{EventKind, SessionKey};
use crate::store::{SessionRecord, StoreError, StoreProgress, Write};

/// What may wait before the store says that it is full, in bytes.
const FULL_BYTES: usize = 32 << 20;
/// With less than this it is no longer full: it does not go to and fro.
const ROOM_BYTES: usize = FULL_BYTES / 2;
/// Most writes in a transaction.
const GROUP_WRITES_MAX: usize = 4096;
/// Most bytes in a transaction, about.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// How long what nobody waits for may wait for something that it can be kept together with: an event …
const RIDE_MAX: Duration = Duration::from_millis(100);
/// … and pieces of messages, of which a turn that is cut off has lost some in any case.
const RIDE_PIECES_MAX: Duration = Duration::from_millis(250);
/// How long the last try may take when the time to close is over.
const LAST_TRY: Duration = Duration::from_secs(1);
/// What a write takes beside its texts, in bytes, about.
const WRITE_BYTES: usize = 512;

/// Writes that are kept together, or not at all.
#[derive(Debug)]
pub(super) struct Batch {
    number: u64,
    bytes: usize,
    /// In order.
    pub(super) writes: Vec<Write>,
}

/// What waits to be kept, and what is said of it.
#[derive(Debug)]
pub(super) struct Queue {
    // A lock, not a channel: a write also changes what readers of sessions see, and both are one step.
    state: Mutex<State>,
    /// There is something for the writer to do.
    wake: Condvar,
    /// The writer has ended.
    ended: Condvar,
    progress: watch::Sender<StoreProgress>,
    /// Sessions that are kept.
    pub(super) sessions: AtomicUsize,
    /// How often retention has come to its end.
    pub(super) swept: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    waiting: VecDeque<Batch>,
    /// Something that waits is to be kept at once.
    urgent: bool,
    /// Until when the rest is to be kept.
    due: Option<Instant>,
    /// Of what waits, and of what is being written.
    bytes: usize,
    /// Sessions as they will be, with the number of the write.
    pending: HashMap<SessionKey, (u64, Pending)>,
    /// Pieces of messages are not taken.
    in_trouble: bool,
    /// Until when what waits may still be kept; nothing more is taken.
    closing: Option<Instant>,
    /// The writer is not to wait out its pause.
    hurry: bool,
    /// The file is damaged: nothing is kept any more.
    condemned: bool,
    /// The writer is not there any more.
    over: bool,
}

/// What a session will be once what waits is kept.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// This.
    Saved(Box<SessionRecord>),
    /// No more.
    Forgotten,
}

/// What the writer is to do after it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again.
    Again,
    /// It is too late.
    GiveUp,
}

impl Pending {
    /// The session, where there will be one.
    pub(super) fn record(&self) -> Option<&SessionRecord> {
        match self {
            Self::Saved(record) => Some(record),
            Self::Forgotten => None,
        }
    }
}

impl Queue {
    /// An empty one, in front of that many sessions.
    pub(super) fn new(sessions: usize) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            ended: Condvar::new(),
            progress: watch::Sender::default(),
            sessions: AtomicUsize::new(sessions),
            swept: watch::Sender::default(),
        }
    }

    /// How far the store has come.
    pub(super) fn progress(&self) -> watch::Receiver<StoreProgress> {
        self.progress.subscribe()
    }

    /// Why nothing is kept at present.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.progress.borrow().trouble.clone()
    }

    /// Takes writes to be kept; gives their number.
    pub(super) fn push(&self, mut writes: Vec<Write>) -> u64 {
        let mut state = self.lock();
        if state.in_trouble {
            writes.retain(|write| !is_piece(write));
        }
        if writes.is_empty() {
            return state.last;
        }
        state.last += 1;
        let number = state.last;
        for write in &writes {
            match write {
                Write::Session(record) => {
                    state.pending.insert(record.key.clone(), (number, Pending::Saved(record.clone())));
                }
                Write::Forget(key) => {
                    state.pending.insert(key.clone(), (number, Pending::Forgotten));
                }
                _ => {}
            }
        }
        if state.over || state.closing.is_some() {
            // The trouble that this is was said, or will be when the writer ends.
            return number;
        }
        let bytes = writes.iter().map(bytes_of).sum();
        let (was_urgent, was_due) = (state.urgent, state.due);
        state.urgent |= !writes.iter().all(rides);
        let due = Instant::now() + if writes.iter().all(is_piece) { RIDE_PIECES_MAX } else { RIDE_MAX };
        state.due = Some(state.due.map_or(due, |before| before.min(due)));
        state.bytes += bytes;
        state.waiting.push_back(Batch { number, bytes, writes });
        let is_full = state.bytes > FULL_BYTES;
        let is_news = state.urgent != was_urgent || state.due != was_due;
        drop(state);
        if is_news {
            self.wake.notify_one();
        }
        if is_full {
            self.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.is_full, true));
        }
        number
    }

    /// What is waiting, up to the bounds of one transaction; none when the writer is to end. While nothing is waiting, waits
    /// if that is wanted, and else gives nothing.
    pub(super) fn take(&self, waits: bool) -> Option<Vec<Batch>> {
        let mut state = self.lock();
        loop {
            if state.condemned || (state.waiting.is_empty() && state.closing.is_some()) {
                return None;
            }
            let now = Instant::now();
            let left = state.due.map(|due| due.saturating_duration_since(now));
            if !waits || state.urgent || state.closing.is_some() || left.is_some_and(|left| left.is_zero()) {
                break;
            }
            state = match left {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        let (mut count, mut writes, mut bytes) = (0, 0, 0);
        for batch in &state.waiting {
            writes += batch.writes.len();
            bytes += batch.bytes;
            // One that does not fit alone goes alone.
            if count > 0 && (writes > GROUP_WRITES_MAX || bytes > GROUP_BYTES_MAX) {
                break;
            }
            count += 1;
        }
        let group = state.waiting.drain(..count).collect();
        if state.waiting.is_empty() {
            (state.urgent, state.due) = (false, None);
        }
        Some(group)
    }

    /// These are kept, and so many sessions are.
    pub(super) fn kept(&self, group: &[Batch], sessions: usize) {
        let Some(kept) = group.last().map(|batch| batch.number) else { return };
        self.sessions.store(sessions, Ordering::Relaxed);
        let mut state = self.lock();
        state.bytes -= group.iter().map(|batch| batch.bytes).sum::<usize>();
        for write in group.iter().flat_map(|batch| &batch.writes) {
            let key = match write {
                Write::Session(record) => &record.key,
                Write::Forget(key) => key,
                _ => continue,
            };
            if state.pending.get(key).is_some_and(|(number, _)| *number <= kept) {
                state.pending.remove(key);
            }
        }
        state.in_trouble = state.condemned;
        let (condemned, has_room) = (state.condemned, state.bytes < ROOM_BYTES);
        drop(state);
        self.progress.send_modify(|progress| {
            progress.kept = kept;
            progress.commits += 1;
            if !condemned {
                progress.trouble = None;
            }
            progress.is_full &= !has_room;
        });
    }

    /// Nothing is kept at present, and this is why.
    pub(super) fn fail(&self, error: &StoreError) {
        self.lock().in_trouble = true;
        self.progress.send_if_modified(|progress| progress.trouble.replace(error.clone()).as_ref() != Some(error));
    }

    /// Nothing is kept any more, and this is why.
    pub(super) fn condemn(&self, error: &StoreError) {
        self.lock().condemned = true;
        self.fail(error);
        self.wake.notify_all();
    }

    /// Waits before the next try; less when the store closes.
    pub(super) fn pause(&self, pause: Duration) -> Next {
        let mut state = self.lock();
        let again = Instant::now() + pause;
        loop {
            if std::mem::take(&mut state.hurry) {
                return Next::Again;
            }
            let now = Instant::now();
            if state.condemned || state.closing.is_some_and(|until| until <= now) {
                return Next::GiveUp;
            }
            if again <= now {
                return Next::Again;
            }
            let until = state.closing.map_or(again, |until| until.min(again));
            (state, _) = self.wake.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more, and lets the writer end when it has kept what waits; after that time it does not try again. Waits
    /// for it; gives how many writes were not kept, or none when it does not even end.
    pub(super) fn close(&self, wait: Duration) -> Option<u64> {
        let mut state = self.lock();
        let until = Instant::now() + wait;
        let last = state.last;
        (state.closing, state.hurry) = (Some(until), true);
        self.wake.notify_all();
        while !state.over {
            let left = (until + LAST_TRY).checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            (state, _) = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        Some(last.saturating_sub(self.progress.borrow().kept))
    }

    /// The writer has ended, and nothing more is kept, for this reason.
    pub(super) fn end(&self, why: StoreError) {
        let mut state = self.lock();
        // They would wait for good.
        state.waiting.clear();
        (state.over, state.in_trouble, state.bytes) = (true, true, 0);
        drop(state);
        self.progress.send_modify(|progress| {
            progress.trouble.get_or_insert(why);
        });
        self.ended.notify_all();
    }

    /// A session as it will be, if a write of it waits.
    pub(super) fn pending(&self, key: &SessionKey) -> Option<Pending> {
        self.lock().pending.get(key).map(|(_, pending)| pending.clone())
    }

    /// What is wanted of all sessions of which a write waits.
    pub(super) fn all_pending<T>(&self, look: impl Fn(&SessionKey, &Pending) -> Option<T>) -> Vec<T> {
        self.lock().pending.iter().filter_map(|(key, (_, pending))| look(key, pending)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside left at worst a write out; the writer thread says so.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it may wait for something that it can be kept together with: nobody waits for an event but the last of a turn.
fn rides(write: &Write) -> bool {
    matches!(write, Write::Event(logged) if !matches!(logged.kind, EventKind::Ended(_)))
}

fn is_piece(write: &Write) -> bool {
    matches!(write, Write::Event(logged) if logged.kind.is_delta())
}

fn bytes_of(write: &Write) -> usize {
    let text = match write {
        Write::Session(record) => record.instructions.as_ref().map_or(0, String::len),
        Write::Accepted(accepted) => accepted.rerun.as_ref().map_or(0, |rerun| {
            let history = rerun.request.history.iter().map(|message| message.text.len()).sum::<usize>();
            let instructions = rerun.request.instructions.as_ref().map_or(0, String::len);
            let images = rerun.request.images.iter().map(|image| image.base64().len()).sum::<usize>();
            history + instructions + rerun.request.input.len() + images
        }),
        Write::Event(logged) => return logged.kind.bytes(),
        Write::Forget(_) | Write::Given(_) | Write::Unread(_) => 0,
    };
    WRITE_BYTES + text
}
