//! Whether a file is whole, after a daemon was killed.
//!
//! A killed daemon leaves a whole file; one whose machine lost its power does so, too, unless the disk lied. Reading all of a
//! large file takes seconds, so only the sessions are checked before the start goes on. The rest is checked by a thread beside
//! the daemon's work, and what it finds is said as the store's trouble. Until that check is through, the file counts as not
//! closed properly: the next start checks it again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, Result};

use super::connection;

/// After so many steps of its work, each of microseconds, the check looks whether it is to end.
const STEPS: i32 = 256;

/// Whether the last daemon closed the file properly.
pub(super) fn was_closed(connection: &Connection) -> Result<bool> {
    connection.query_row("SELECT in_use = 0 FROM meta WHERE id = 1", (), |row| row.get(0))
}

/// Notes that a daemon has the file open, or no longer.
pub(super) fn set_in_use(connection: &Connection, in_use: bool) -> Result<()> {
    connection.execute("UPDATE meta SET in_use = ?1 WHERE id = 1 AND in_use <> ?1", [in_use]).map(drop)
}

/// What is wrong with the sessions, if anything is.
pub(super) fn check_sessions(connection: &Connection) -> Result<Option<String>> {
    check(connection, "PRAGMA quick_check('sessions')")
}

/// A check of everything, beside all else.
#[derive(Debug, Default)]
pub(super) struct Checking {
    /// It is through, or there was none to do.
    done: Arc<AtomicBool>,
    /// It is to end.
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checking {
    /// There is nothing to check.
    pub(super) fn none() -> Self {
        let checking = Self::default();
        checking.done.store(true, Ordering::Relaxed);
        checking
    }

    /// Begins the check; `found` is told what is wrong.
    pub(super) fn begin(path: &Path, found: impl FnOnce(String) + Send + 'static) -> std::io::Result<Self> {
        let mut reader = connection::reader(path).map_err(std::io::Error::other)?;
        let (checking, path) = (Self::default(), PathBuf::from(path));
        let (through, stop) = (checking.done.clone(), checking.stop.clone());
        reader.progress_handler(STEPS, Some(move || stop.load(Ordering::Relaxed))).map_err(std::io::Error::other)?;
        let work = move || match check(&reader, "PRAGMA quick_check(1)") {
            Ok(None) => through.store(true, Ordering::Release),
            Ok(Some(what)) => found(what),
            Err(error) if super::trouble::is_damage(&error) => found(error.to_string()),
            // It was stopped, or the disk is in trouble that the writer meets as well.
            Err(error) => tracing::info!(path = %path.display(), %error, "the store was not checked to the end"),
        };
        let thread = Builder::new().name("turnmux-check".into()).spawn(work)?;
        *checking.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(checking)
    }

    /// Whether the file was found whole, or needed no check.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Stops it, and waits for that; it takes at most a few reads of the disk.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If it panicked, it found nothing.
            let _ = thread.join();
        }
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.stop();
    }
}

fn check(connection: &Connection, pragma: &str) -> Result<Option<String>> {
    let said: String = connection.query_row(pragma, (), |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}
