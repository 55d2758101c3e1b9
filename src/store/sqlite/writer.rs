//! The thread that writes: all that waits in one transaction, then all that has come meanwhile.
//!
//! ```text
//!          ┌────────────── nothing waits: sleep ◄─┐
//!          ▼                                      │
//!  take what waits ──► transaction ──► say so ──► a step of retention, once a minute
//!                        │    ▲
//!                        ▼    │ 0.5 s, 1 s, 2 s … 10 s
//!                       fails: say why, and keep what was taken
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, Result, TransactionBehavior};

use super::apply::{Apply, Standing};
use super::check::{self, Checking};
use super::lock::Lock;
use super::options::SqliteOptions;
use super::queue::{Batch, Next, Queue};
use super::retention::{EVERY, Sweep};
use super::trouble;
use crate::store::StoreError;

/// First pause after a transaction that failed; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest pause: a disk that has room again is noticed by then.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Writer {
    /// It alone writes.
    pub(super) connection: Connection,
    /// What it is given.
    pub(super) queue: Arc<Queue>,
    /// The database.
    pub(super) path: PathBuf,
    /// Its bounds.
    pub(super) options: SqliteOptions,
    /// What is known of the sessions in it.
    pub(super) standing: Standing,
    /// Whether the file is whole.
    pub(super) checking: Arc<Checking>,
    /// Held as long as anything may be written.
    pub(super) lock: Arc<Lock>,
}

/// Says that the writer has ended, however it does.
pub(super) struct Ending(pub(super) Arc<Queue>);

impl Drop for Ending {
    fn drop(&mut self) {
        let why = if std::thread::panicking() {
            "the store's writer stopped by a fault in turnmux, and nothing is kept any more; restart turnmux and report this"
        } else {
            "the store is closed"
        };
        self.0.end(StoreError::new(why));
    }
}

impl Writer {
    /// Writes until the store closes or cannot go on. Gives what is to be closed last, in that order.
    pub(super) fn run(mut self) -> (Connection, Arc<Lock>) {
        let ending = Ending(self.queue.clone());
        let is_whole = self.write();
        if is_whole && self.checking.is_done() {
            // Where this fails, the next start checks the file.
            if let Err(error) = self.finish() {
                tracing::warn!(path = %self.path.display(), %error, "the store was not closed properly");
            }
        }
        drop(ending);
        (self.connection, self.lock)
    }

    /// Writes all it is given; whether all of it was kept when it was told to end.
    fn write(&mut self) -> bool {
        let mut sweep: Option<Sweep> = None;
        let mut swept: Option<Instant> = None;
        while let Some(group) = self.queue.take(sweep.is_none()) {
            if !group.is_empty() {
                if !self.keep(&group) {
                    return false;
                }
                if sweep.is_none() && swept.is_none_or(|swept| swept.elapsed() >= EVERY) {
                    (sweep, swept) = (Some(Sweep::new(&self.options, SystemTime::now())), Some(Instant::now()));
                }
            }
            let goes_on = sweep.as_mut().is_some_and(|sweep| match sweep.step(&mut self.connection) {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "what is old could not be deleted");
                    false
                }
            });
            if sweep.is_some() && !goes_on {
                sweep = None;
                self.queue.swept.send_modify(|swept| *swept += 1);
            }
        }
        self.queue.trouble().is_none()
    }

    /// Keeps a group, however long that takes; not when the store closes meanwhile or the file is damaged.
    fn keep(&mut self, group: &[Batch]) -> bool {
        let mut pause = PAUSE_FIRST;
        loop {
            match self.commit(group) {
                Ok(()) => return true,
                Err(error) => self.fail(&error, pause == PAUSE_FIRST),
            }
            if self.queue.pause(pause) == Next::GiveUp {
                return false;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn commit(&mut self, group: &[Batch]) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let apply = Apply::new(&transaction, self.options.sessions_max.max(1), self.standing);
        let (standing, lost) = apply.all(group)?;
        #[cfg(feature = "broken")]
        crate::broken::put_off_commit();
        transaction.commit()?;
        self.standing = standing;
        let was_in_trouble = self.queue.trouble().is_some();
        self.queue.kept(group, standing.sessions);
        if was_in_trouble && self.queue.trouble().is_none() {
            tracing::info!(path = %self.path.display(), "the store keeps again what it is given");
        }
        let sessions_max = self.options.sessions_max;
        for session in lost {
            tracing::warn!(%session, sessions_max, "forgot the oldest session: sessions.records_max is reached");
        }
        Ok(())
    }

    fn fail(&mut self, error: &rusqlite::Error, is_first: bool) {
        let why = trouble::of_writing(&self.path, error);
        if is_first {
            tracing::error!("{why}");
        }
        if trouble::is_damage(error) {
            self.queue.condemn(&why);
            return;
        }
        self.queue.fail(&why);
        // The log's own room can be used again once it is in the file. If this fails, too, then so it does.
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
    }

    /// Leaves one whole file.
    fn finish(&mut self) -> Result<()> {
        check::set_in_use(&self.connection, false)?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
    }
}
