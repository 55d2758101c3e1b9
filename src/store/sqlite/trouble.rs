//! What an error of SQLite's means for people: what is wrong, and what to do.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// Whether the file is damaged, so that another try is of no use.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Why nothing is kept at present.
pub(super) fn of_writing(path: &Path, error: &Error) -> StoreError {
    let store = format!("the store {} keeps nothing at present", path.display());
    let text = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            format!("{store}: its disk is full; make room there, then it goes on by itself")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => format!(
            "{store}: it cannot be written ({error}); see that its disk is not mounted read-only and that the file, its folder \
             and the files beside it belong to the daemon's user; it goes on by itself"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "{store}: another program holds it locked, such as a sqlite3 inside a transaction; end that, then it goes on by itself"
        ),
        Some(ErrorCode::SystemIoFailure) => format!(
            "{store}: its disk fails ({error}); look at the disk and the system's log; it goes on by itself when it can"
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => return damaged(path, &error.to_string()),
        _ => format!("{store}: {error}; it tries again, and if that does not help, restart turnmux and report this"),
    };
    StoreError::new(text)
}

/// The file is damaged; what to do.
pub(super) fn damaged(path: &Path, what: &str) -> StoreError {
    let path = path.display();
    StoreError::new(format!(
        "the store {path} is damaged ({what}) and keeps nothing any more. Stop turnmux, move {path} (with {path}-wal and \
         {path}-shm, where they are) to another place, and start it again; `sqlite3 FILE .recover` may get back much of it"
    ))
}

/// Why something cannot be read.
pub(super) fn of_reading(path: &Path, error: &Error) -> StoreError {
    if is_damage(error) {
        return damaged(path, &error.to_string());
    }
    StoreError::new(format!(
        "the store {} cannot be read: {error}; look at its disk, or restart turnmux",
        path.display()
    ))
}
