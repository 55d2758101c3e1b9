//! From a path to a database that can be used.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Error};

use super::apply::Standing;
use super::check;
use super::connection;
use super::error::OpenError;
use super::lock::{Denied, Lock};
use super::schema::{self, Found};
use super::trouble;

/// A database that is ours alone.
#[derive(Debug)]
pub(super) struct Opened {
    /// Where it is, without links.
    pub(super) path: PathBuf,
    /// Held as long as it is used.
    pub(super) lock: Lock,
    /// It alone writes.
    pub(super) writer: Connection,
    /// They only read.
    pub(super) readers: [Connection; 2],
    /// What is known of the sessions in it.
    pub(super) standing: Standing,
    /// Whether the last daemon closed it properly.
    pub(super) was_closed: bool,
}

/// Opens the database, and makes it where there is none.
pub(super) fn open(path: &Path, holder: &str) -> Result<Opened, OpenError> {
    connection::prepare_folder(path)?;
    let path = real(path)?;
    let lock = lock(&path, holder)?;
    connection::prepare(&path)?;
    let wrong = |error: Error| {
        if trouble::is_damage(&error) {
            return OpenError::Damaged { path: path.clone(), what: error.to_string() };
        }
        OpenError::Database { path: path.clone(), source: error }
    };
    let mut writer = connection::writer(&path).map_err(wrong)?;
    let version = match schema::look(&writer).map_err(wrong)? {
        Found::Empty => 0,
        Found::Ours(found) if found > schema::NEWEST => {
            return Err(OpenError::Newer { path, found, known: schema::NEWEST });
        }
        Found::Ours(found) => found,
        Found::Foreign => return Err(OpenError::Foreign { path }),
    };
    connection::set_up(&writer, version == 0).map_err(wrong)?;
    schema::migrate(&mut writer, version).map_err(wrong)?;
    let was_closed = check::was_closed(&writer).map_err(wrong)?;
    if !was_closed && let Some(what) = check::check_sessions(&writer).map_err(wrong)? {
        return Err(OpenError::Damaged { path, what });
    }
    check::set_in_use(&writer, true).map_err(wrong)?;
    let standing = Standing::of(&writer).map_err(wrong)?;
    let readers = [connection::reader(&path).map_err(wrong)?, connection::reader(&path).map_err(wrong)?];
    Ok(Opened { path, lock, writer, readers, standing, was_closed })
}

/// The path without links, so that one file has one lock by whatever name it is called.
fn real(path: &Path) -> Result<PathBuf, OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = || Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()));
    let real = path.canonicalize().or_else(|_| beside());
    real.map_err(|source| OpenError::File { doing: "use", path: path.to_owned(), source })
}

fn lock(path: &Path, holder: &str) -> Result<Lock, OpenError> {
    let mut beside = OsString::from(path);
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    Lock::take(&beside, holder).map_err(|denied| match denied {
        Denied::Held(holder) => OpenError::Held { path: path.to_owned(), holder },
        Denied::Failed(source) => OpenError::File { doing: "lock", path: beside, source },
    })
}
