//! What a running script shares with others: holds that tests release, and how often a request was tried.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::prompt::Prompt;

/// How long a `::hold` waits for its release.
pub const HOLD_MAX: Duration = Duration::from_mins(1);
/// Most names of holds, and most requests whose attempts are counted; beyond it all are forgotten.
const NAMES_MAX: usize = 1024;

/// Holds and attempts. Locks and not a task: each is held for one look into a map, and `release` must work outside of
/// async code.
#[derive(Debug, Default)]
pub(super) struct Stage {
    holds: Mutex<HashMap<String, Arc<Semaphore>>>,
    attempts: Mutex<HashMap<u64, u32>>,
}

impl Stage {
    /// Lets one hold of that name go on: one that waits, or the next to come.
    pub(super) fn release(&self, name: &str) {
        self.hold_of(name).add_permits(1);
    }

    /// Waits for a release. False when none came within [`HOLD_MAX`].
    pub(super) async fn hold(&self, name: &str) -> bool {
        let hold = self.hold_of(name);
        let permit = tokio::time::timeout(HOLD_MAX, hold.acquire()).await;
        permit.is_ok_and(|permit| permit.map(tokio::sync::SemaphorePermit::forget).is_ok())
    }

    /// Counts an attempt at the same request, from 1.
    pub(super) fn attempt(&self, prompt: &Prompt) -> u32 {
        let mut hasher = DefaultHasher::new();
        (&prompt.text, prompt.turn, prompt.tools_done).hash(&mut hasher);
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= NAMES_MAX {
            attempts.clear();
        }
        let count = attempts.entry(hasher.finish()).or_default();
        *count += 1;
        *count
    }

    fn hold_of(&self, name: &str) -> Arc<Semaphore> {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if holds.len() >= NAMES_MAX && !holds.contains_key(name) {
            holds.clear();
        }
        Arc::clone(holds.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }
}
