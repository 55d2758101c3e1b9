//! Waiting for a file to change that may not exist yet.
//!
//! What is watched is the file, and the folder that it is in, for its coming and going. While that folder does not
//! exist either it is the nearest ancestor that does.

#[cfg(target_os = "linux")]
mod inotify;
#[cfg(test)]
mod tests;
#[cfg(any(test, not(target_os = "linux")))]
mod ticking;

use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
use self::inotify::Watch;
#[cfg(not(target_os = "linux"))]
use self::ticking::Watch;

/// Tells of changes of one file. On Linux the kernel wakes it, with one file descriptor and two watches whatever
/// happens; elsewhere it looks ten times a second.
///
/// To miss nothing: first this, then read the file, then wait, read, wait …
#[derive(Debug)]
pub struct FileWatch {
    watch: Watch,
}

impl FileWatch {
    /// Begins to watch. Needs a tokio runtime. A relative path is relative to the working directory of now.
    ///
    /// # Errors
    /// The path names no file, an existing folder of it may not be read, or the system has no more watches.
    pub fn new(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        if path.file_name().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file is watched by its name"));
        }
        Ok(Self { watch: Watch::new(path)? })
    }

    /// Waits until the file has been made, written to, cut, replaced or removed since the last time (or since it is
    /// watched). Any number of changes are told of once, and now and then one that is none. A folder that is moved
    /// along with the watched ones in it is not noticed. Cancel-safe.
    ///
    /// # Errors
    /// As for [`FileWatch::new`]. The next call tries again.
    pub async fn changed(&mut self) -> io::Result<()> {
        self.watch.changed().await
    }
}
