//! Values as they stand in columns.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result};

use super::words::Word;

/// A moment in milliseconds since 1970; earlier ones are 1970.
pub(super) fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The moment that [`millis`] gave.
pub(super) fn moment(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A path: a text where it is one, or else its bytes.
pub(super) fn path_value(path: &Path) -> ToSqlOutput<'_> {
    let bytes = path.as_os_str().as_bytes();
    ToSqlOutput::Borrowed(path.to_str().map_or(ValueRef::Blob(bytes), |text| ValueRef::Text(text.as_bytes())))
}

/// The path that [`path_value`] gave.
pub(super) fn path_of(value: ValueRef<'_>) -> Result<PathBuf> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(PathBuf::from(OsStr::from_bytes(bytes))),
        _ => Err(unreadable("it is no path")),
    }
}

/// One of a few words.
pub(super) fn word<T: Word>(text: &str) -> Result<T> {
    T::of(text).ok_or_else(|| unreadable(format!("`{text}` is not known")))
}

/// A row that makes no sense.
pub(super) fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, why.into())
}
