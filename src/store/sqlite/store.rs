//! The store: hands writes to the writer thread, and reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::check::Checking;
use super::error::OpenError;
use super::lock::Lock;
use super::open::{Opened, open};
use super::options::SqliteOptions;
use super::queue::{Pending, Queue};
use super::writer::Writer;
use super::{read_events, read_sessions, read_turns, trouble};
use crate::protocol::{Logged, SessionKey, TenantId, ThreadId, TurnId};
use crate::store::{EventStore, SessionRecord, StoreError, StoreProgress, TurnQuery, TurnRecord, Unfinished, Write};

/// How long a store that is dropped without having been closed may still write.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    queue: Arc<Queue>,
    // Locks, not tasks: a read is a few statements on the reader's own thread. Two, so that a long one is not all that goes on.
    readers: [Mutex<Option<Connection>>; 2],
    turn: AtomicUsize,
    checking: Arc<Checking>,
    open: Mutex<Option<Open>>,
}

/// What is there until the store is closed.
#[derive(Debug)]
struct Open {
    lock: Arc<Lock>,
    writer: JoinHandle<(Connection, Arc<Lock>)>,
}

impl SqliteStore {
    /// Opens the database at that path, and makes it and its folder where they are not there. It is this store's alone until
    /// that is closed or dropped, or the process ends.
    ///
    /// # Errors
    /// When somebody else has it, or it cannot be used.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        Self::open_tuned(path, options, |_| Ok(()))
    }

    /// As [`SqliteStore::open`]; the writer's connection is prepared further.
    pub(super) fn open_tuned(
        path: &Path,
        options: SqliteOptions,
        tune: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, OpenError> {
        let Opened { path, lock, writer, readers, standing, was_closed } = open(path, &options.holder)?;
        tune(&writer).map_err(|source| OpenError::Database { path: path.clone(), source })?;
        let (lock, queue) = (Arc::new(lock), Arc::new(Queue::new(standing.sessions)));
        let failed = |source| OpenError::File { doing: "start a thread for", path: path.clone(), source };
        let checking = if was_closed {
            Checking::none()
        } else {
            tracing::info!(path = %path.display(), "the store was not closed properly; it is being checked");
            let (queue, damaged) = (queue.clone(), path.clone());
            Checking::begin(&path, move |what| queue.condemn(&trouble::damaged(&damaged, &what))).map_err(failed)?
        };
        let checking = Arc::new(checking);
        let writer = Writer {
            connection: writer,
            queue: queue.clone(),
            path: path.clone(),
            options,
            standing,
            checking: checking.clone(),
            lock: lock.clone(),
        };
        let writer = Builder::new().name("turnmux-store".into()).spawn(move || writer.run()).map_err(failed)?;
        let readers = readers.map(|reader| Mutex::new(Some(reader)));
        let open = Mutex::new(Some(Open { lock, writer }));
        Ok(Self { path, queue, readers, turn: AtomicUsize::new(0), checking, open })
    }

    /// What another daemon is told that wants the same file: who has it.
    pub fn say(&self, holder: &str) {
        if let Some(open) = &*lock(&self.open)
            && let Err(error) = open.lock.say(holder)
        {
            tracing::warn!(path = %self.path.display(), %error, "the store's lock does not say who has it");
        }
    }

    /// Takes nothing more, keeps what waits, and leaves one whole file that somebody else may open. Blocks for as long at most,
    /// and a second more.
    ///
    /// # Errors
    /// When not all was kept by then.
    pub fn close(&self, wait: Duration) -> Result<(), StoreError> {
        let Some(Open { lock: file, writer }) = lock(&self.open).take() else { return Ok(()) };
        self.checking.stop();
        let lost = self.queue.close(wait);
        let path = self.path.display();
        let Some(lost) = lost else {
            // The thread goes on, with the lock: what it has begun may still be kept.
            let why = format!("the store {path} did not end within {wait:?}: its disk does not answer; look at it");
            return Err(StoreError::new(why));
        };
        for reader in &self.readers {
            lock(reader).take();
        }
        // The last connection to go takes the log with it. One that panicked has said so.
        drop(writer.join());
        drop(file);
        match (lost, self.queue.trouble()) {
            (0, _) => Ok(()),
            (lost, trouble) => {
                let trouble = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
                Err(StoreError::new(format!("the last {lost} writes were not kept{trouble}")))
            }
        }
    }

    /// How often retention has come to its end.
    #[cfg(test)]
    pub(super) fn swept(&self) -> watch::Receiver<u64> {
        self.queue.swept.subscribe()
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let reader = self.reader();
        let closed = || StoreError::new("the store is closed");
        read(reader.as_ref().ok_or_else(closed)?).map_err(|error| trouble::of_reading(&self.path, &error))
    }

    /// A connection that is free, or else the one whose turn it is.
    fn reader(&self) -> MutexGuard<'_, Option<Connection>> {
        for reader in &self.readers {
            match reader.try_lock() {
                Ok(reader) => return reader,
                Err(TryLockError::Poisoned(reader)) => return reader.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        lock(&self.readers[self.turn.fetch_add(1, Ordering::Relaxed) % self.readers.len()])
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Err(error) = self.close(DROP_PATIENCE) {
            tracing::error!("{error}");
        }
    }
}

impl EventStore for SqliteStore {
    fn write(&self, writes: Vec<Write>) -> u64 {
        self.queue.push(writes)
    }

    fn progress(&self) -> watch::Receiver<StoreProgress> {
        self.queue.progress()
    }

    fn session(&self, key: &SessionKey) -> Result<Option<SessionRecord>, StoreError> {
        // What waits first: what is not there any more is in the file by then.
        match self.queue.pending(key) {
            Some(pending) => Ok(pending.record().cloned()),
            None => self.read(|connection| read_sessions::session(connection, key)),
        }
    }

    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionRecord>, StoreError> {
        let mine = |key: &SessionKey, pending: &Pending| {
            (key.tenant() == tenant).then(|| (key.clone(), pending.record().cloned()))
        };
        let pending = self.queue.all_pending(mine);
        let kept = self.read(|connection| read_sessions::sessions(connection, tenant))?;
        let mut records: BTreeMap<_, _> = kept.into_iter().map(|record| (record.key.clone(), Some(record))).collect();
        records.extend(pending);
        Ok(records.into_values().flatten().collect())
    }

    fn sessions_len(&self) -> usize {
        self.queue.sessions.load(Ordering::Relaxed)
    }

    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> Result<bool, StoreError> {
        let pending = self.queue.all_pending(|key, pending| {
            let has_it = pending.record().is_some_and(|record| record.thread.as_ref() == Some(thread));
            Some((key.clone(), has_it && key.tenant() != tenant))
        });
        if pending.iter().any(|(_, is_anothers)| *is_anothers) {
            return Ok(true);
        }
        let kept = self.read(|connection| read_sessions::others_with(connection, tenant, thread))?;
        Ok(kept.iter().any(|key| pending.iter().all(|(pending, _)| pending != key)))
    }

    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.read(|connection| read_turns::turn(connection, tenant, turn))
    }

    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        self.read(|connection| read_turns::turns(connection, query))
    }

    fn events(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError> {
        self.read(|connection| read_events::events(connection, key, after, max))
    }

    fn named(&self, tenant: &TenantId, name: &str) -> Result<Option<(TurnId, u64)>, StoreError> {
        self.read(|connection| read_turns::named(connection, tenant, name))
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.read(read_turns::unfinished)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
