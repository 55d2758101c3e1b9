//! How the database is opened: by whom it can be read, and how SQLite treats it.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result};

use super::error::OpenError;

/// How long the writer waits while a person's sqlite3 writes.
const WRITER_PATIENCE: Duration = Duration::from_secs(5);
/// How long a read waits; hardly ever needed, for readers and the writer do not meet in a write-ahead log.
const READER_PATIENCE: Duration = Duration::from_secs(1);
/// Statements that are kept ready; there are about forty.
const STATEMENTS_MAX: usize = 64;

/// Makes the folder and the file where they are not there. Only their owner can use them, whatever the umask says; SQLite
/// gives the files that it puts beside it the same mode.
pub(super) fn prepare(path: &Path) -> std::result::Result<(), OpenError> {
    let file = || {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o777 == 0o600 { Ok(()) } else { file.set_permissions(Permissions::from_mode(0o600)) }
    };
    file().map_err(|source| OpenError::File { doing: "use", path: path.to_owned(), source })
}

/// Makes the folder of the database where it is not there.
pub(super) fn prepare_folder(path: &Path) -> std::result::Result<(), OpenError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let made = made.and_then(|()| folder.metadata()).and_then(|about| {
        // A umask may have taken away what is needed to go on.
        if about.permissions().mode() & 0o777 == 0o700 {
            return Ok(());
        }
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))
    });
    made.map_err(|source| OpenError::File { doing: "make the folder", path: folder.to_owned(), source })
}

/// The connection that writes; nothing in the file has been looked at yet.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_PATIENCE)?;
    connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA foreign_keys = ON;")?;
    Ok(connection)
}

/// Makes the file what it is to be; `is_new` when nothing is in it.
pub(super) fn set_up(connection: &Connection, is_new: bool) -> Result<()> {
    if is_new {
        // Both before the first table, or they have no effect. A turn changes a little on a dozen pages, and all of each goes
        // through the log: small ones are faster. Retention gives the room back in small steps.
        connection.pragma_update(None, "page_size", 1024)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()))?;
    // FULL flushes the log with each transaction; NORMAL would lose the last ones with the power.
    connection.execute_batch("PRAGMA synchronous = FULL;")?;
    // 1 MiB of log is moved into the file at a time, and then it is written over from its begin: that is flushed in half the
    // time that a log takes which grows. With 2 MiB up to a tenth more turns a second are kept, but whoever comes meanwhile
    // waits some 5 ms instead of 3. One that grew is cut down again.
    connection.query_row("PRAGMA wal_autocheckpoint = 1000", (), |_| Ok(()))?;
    connection.query_row("PRAGMA journal_size_limit = 67108864", (), |_| Ok(()))?;
    Ok(())
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_PATIENCE)?;
    connection.execute_batch("PRAGMA cache_size = -1024;")?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags, patience: Duration) -> Result<Connection> {
    // Each connection is used by one thread at a time.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // What is sorted is never written to a file that anybody else could read. No part of the file is mapped: an error of the
    // disk would be a signal.
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}
