//! One daemon per store: a locked file beside the database that says who has it.
//!
//! The lock belongs to the open file, so it goes with the process however that ends; the file itself stays, and means nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// Longest text of a holder that is shown, in bytes.
const HOLDER_MAX: u64 = 512;

/// The lock, while it is held.
#[derive(Debug)]
pub(super) struct Lock(Flock<File>);

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
        // Not even a pipe in its place is waited for.
        options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits());
        let file = options.open(path).map_err(Denied::Failed)?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Self(lock),
            Err((file, Errno::EWOULDBLOCK)) => return Err(Denied::Held(holder_of(&file))),
            Err((_, error)) => return Err(Denied::Failed(error.into())),
        };
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
