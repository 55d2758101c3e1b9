//! A store on a disk, and other hands on its file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::protocol::EventKind;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::tests::rig::{accepted, keep, key, session, turn};
use crate::store::{TurnRecord, Write};

/// Long enough for any disk; a test that waits so long has failed.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// Where a store is.
pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Self { folder, path }
    }

    pub(super) fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path, SqliteOptions::default()).unwrap()
    }

    /// A store whose writer gives up on a lock at once.
    pub(super) fn open_hasty(&self) -> SqliteStore {
        let tune = |connection: &Connection| connection.busy_timeout(Duration::ZERO);
        SqliteStore::open_tuned(&self.path, SqliteOptions::default(), tune).unwrap()
    }

    /// Somebody else's connection to the file.
    pub(super) fn other(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// One number out of the file.
    pub(super) fn number(&self, sql: &str) -> i64 {
        self.other().query_row(sql, (), |row| row.get(0)).unwrap()
    }

    /// The file as it would be if the daemon were killed now.
    pub(super) fn image(&self) -> Self {
        let image = Self::new();
        std::fs::copy(&self.path, &image.path).unwrap();
        std::fs::copy(beside(&self.path, "-wal"), beside(&image.path, "-wal")).unwrap();
        image
    }

    /// Overwrites the first page of a table or an index; nobody has the file open.
    pub(super) fn damage(&self, name: &str) {
        let sql = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'");
        let (page, size) = (self.number(&sql), self.number("PRAGMA page_size"));
        let mut bytes = std::fs::read(&self.path).unwrap();
        let start = usize::try_from((page - 1) * size).unwrap();
        bytes[start..start + 100].fill(0xff);
        std::fs::write(&self.path, bytes).unwrap();
    }
}

/// The file beside it.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// A session with a turn, both kept.
pub(super) fn begun(store: &SqliteStore) -> TurnRecord {
    let key = key("main");
    let turn = turn(&key, 1, 1);
    keep(store, [session(&key), accepted(&turn)]);
    turn
}

/// A message of that many bytes.
pub(super) fn message(bytes: usize) -> EventKind {
    EventKind::AssistantText("m".repeat(bytes))
}

/// A piece of a message.
pub(super) fn piece(text: &str) -> EventKind {
    EventKind::TextDelta(text.to_owned())
}

/// All of a session's numbers, and the names of what they are.
pub(super) fn numbers(place: &Place) -> Vec<(i64, String)> {
    let other = place.other();
    let mut statement = other.prepare("SELECT seq, kind FROM events ORDER BY session, seq").unwrap();
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Writes and does not wait.
pub(super) fn put(store: &SqliteStore, write: Write) -> u64 {
    crate::store::EventStore::write(store, vec![write])
}
