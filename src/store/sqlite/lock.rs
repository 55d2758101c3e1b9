//! One daemon per store: a locked file beside the database that says who has it.
//!
//! The lock belongs to the open file, so it goes with the process however that ends; the file itself stays, and means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Longest text of a holder that is shown, in bytes.
const HOLDER_MAX: u64 = 512;

/// The lock, while it is held.
#[derive(Debug)]
pub(super) struct Lock(File);

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum Denied {
    /// Another process has it, and says this of itself.
    Held(String),
    /// The file cannot be used.
    Failed(io::Error),
}

impl Lock {
    /// Takes the lock if nobody has it; never waits.
    pub(super) fn take(path: &Path, holder: &str) -> Result<Self, Denied> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(Denied::Failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Denied::Held(holder_of(&file))),
            Err(TryLockError::Error(error)) => return Err(Denied::Failed(error)),
        }
        let lock = Self(file);
        lock.say(holder).map_err(Denied::Failed)?;
        Ok(lock)
    }

    /// What others are told who want it.
    pub(super) fn say(&self, holder: &str) -> io::Result<()> {
        let mut file: &File = &self.0;
        file.rewind()?;
        file.write_all(holder.as_bytes())?;
        file.set_len(holder.len() as u64)
    }
}

fn holder_of(file: &File) -> String {
    let mut text = Vec::new();
    // Its words are worth showing only where they can be read.
    let read = file.take(HOLDER_MAX).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        said if read.is_ok() && !said.is_empty() => said.to_owned(),
        _ => "it does not say which".to_owned(),
    }
}
