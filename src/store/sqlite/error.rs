//! Why a store cannot be opened.

use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error(
        "the store {} is in use by another turnmux ({holder}); give this one a `store.path` of its own, or start it with \
         --ephemeral",
        path.display()
    )]
    Held {
        /// The database.
        path: PathBuf,
        /// What the other one says of itself.
        holder: String,
    },
    /// A later release wrote it.
    #[error(
        "the store {} was written by a newer turnmux (its schema is {found}, this one knows {known}); run that one, or give \
         this one another `store.path`; the file was not touched",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// It is a database of something else.
    #[error("{} is a database, but not one of turnmux's; give another `store.path`; the file was not touched", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// It cannot be read any more.
    #[error(
        "the store {path} is damaged ({what}); nothing was deleted. Move {path} (with {path}-wal and {path}-shm, where they \
         are) to another place and start again with an empty store, or put a backup there; `sqlite3 FILE .recover` may get \
         back much of it",
        path = path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A file or a folder cannot be used.
    #[error("cannot {doing} {}: {source}; give another `store.path`, or start with --ephemeral", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("the store {} cannot be opened: {source}; give another `store.path`, or start with --ephemeral", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}
