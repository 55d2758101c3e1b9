//! What everybody in the rounds shares: the daemon that lives now, and what is written down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::history::{Event, History, Life, Seen, Stamp};
use super::requests::Requests;

/// The sessions that all talk in.
pub(super) const SESSIONS: [&str; 3] = ["a::1", "a::2", "b::1"];

/// A daemon that can be talked to.
#[derive(Clone)]
pub(super) struct Up {
    pub(super) life: Life,
    pub(super) requests: Requests,
}

/// The shared part.
pub(super) struct World {
    up: watch::Sender<Option<Up>>,
    /// The last daemon that those who watch are to leave.
    left: watch::Sender<Life>,
    /// How much anybody has seen: what moments are counted in.
    steps: watch::Sender<u64>,
    next: AtomicU64,
    history: Mutex<History>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            up: watch::Sender::new(None),
            left: watch::Sender::new(0),
            steps: watch::Sender::new(0),
            next: AtomicU64::new(1),
            history: Mutex::default(),
        })
    }

    /// A daemon lives, or none any more.
    pub(super) fn set_up(&self, up: Option<Up>) {
        self.up.send_replace(up);
    }

    /// To be told which daemon lives.
    pub(super) fn up(&self) -> watch::Receiver<Option<Up>> {
        self.up.subscribe()
    }

    /// Those who watch this daemon leave it, or it would wait for them.
    pub(super) fn leave(&self, life: Life) {
        self.left.send_replace(life);
    }

    /// Ends when they are to.
    pub(super) async fn leaving(&self, life: Life) {
        // The sender lives in `self`.
        let _ = self.left.subscribe().wait_for(|left| *left >= life).await;
    }

    /// A place in the order of everything; no two are the same.
    pub(super) fn stamp(&self) -> Stamp {
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    /// Somebody saw something.
    pub(super) fn step(&self) {
        self.steps.send_modify(|steps| *steps += 1);
    }

    /// Waits until that much more was seen.
    pub(super) async fn steps(&self, more: u64) {
        let mut steps = self.steps.subscribe();
        let until = *steps.borrow() + more;
        // The sender lives in `self`.
        let _ = steps.wait_for(|steps| *steps >= until).await;
    }

    /// Writes something down.
    pub(super) fn note(&self, write: impl FnOnce(&mut History)) {
        write(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes down an event that a watcher saw.
    pub(super) fn saw(&self, stream: u64, session: &str, event: Event) {
        self.note(|history| history.seen.push(Seen { stream, session: session.to_owned(), event }));
        self.step();
    }

    /// All that was written down.
    pub(super) fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
