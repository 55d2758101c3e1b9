//! Where the files of one daemon's channels lie: its copy of the plugin, and beside it what each process needs for its life.
//! A folder that a killed daemon left is removed by the next one.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::channel::plugin;

/// The file by whose lock a folder is known to be in use.
const LOCK: &str = "lock";

/// The files of one daemon. Removed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ChannelFolder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Held for as long as the folder is in use; the system lets go of it when the daemon dies, however it dies.
    _lock: File,
}

impl ChannelFolder {
    /// Makes a folder of its own under `parent`, with the plugin whose hooks go to `port`, and removes what is left of
    /// daemons that are gone.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(parent: &Path, port: u16) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        sweep(parent);
        // As claude will name it, which compares paths.
        let path = parent.canonicalize()?.join(Uuid::new_v4().simple().to_string());
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.join(LOCK))?;
        lock.lock()?;
        let folder = Self(Arc::new(Inner { path, _lock: lock }));
        plugin::write_out(&folder.plugin(), port)?;
        Ok(folder)
    }

    /// The plugin, as claude takes it.
    pub(super) fn plugin(&self) -> PathBuf {
        self.0.path.join("plugin")
    }

    /// Names for the files of one more process.
    pub(super) fn files(&self) -> HostFiles {
        let id = Uuid::new_v4().simple();
        let path = |kind: &str| self.0.path.join(format!("{id}.{kind}"));
        HostFiles { prompt: path("prompt"), log: path("log"), images: path("images") }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What stays is removed by the next daemon.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The files of one process. The prompt and the images are removed when this is dropped.
#[derive(Debug)]
pub(super) struct HostFiles {
    /// Holds the system prompt, which must not stand among the arguments.
    prompt: PathBuf,
    /// Where claude's log goes: a FIFO, so that nothing of it stays.
    pub(super) log: PathBuf,
    /// Below it lie the images of the turn that runs, which claude may read.
    pub(super) images: PathBuf,
}

impl HostFiles {
    /// Writes the system prompt.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write_prompt(&self, prompt: &str) -> io::Result<&Path> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.prompt)?;
        file.write_all(prompt.as_bytes())?;
        Ok(&self.prompt)
    }
}

impl Drop for HostFiles {
    fn drop(&mut self) {
        // Most processes have none.
        let _ = fs::remove_file(&self.prompt);
        let _ = fs::remove_dir_all(&self.images);
    }
}

/// Removes the folders whose lock nobody holds.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Ok(lock) = File::open(path.join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => drop(fs::remove_dir_all(&path)),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_daemons_that_are_gone_are_removed_and_others_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let gone = parent.path().join("gone");
        fs::create_dir(&gone).unwrap();
        fs::write(gone.join(LOCK), "").unwrap();
        let first = ChannelFolder::create(parent.path(), 1).unwrap();
        let second = ChannelFolder::create(parent.path(), 2).unwrap();
        assert!(!gone.exists());
        assert!(first.plugin().exists() && second.plugin().exists());
        let path = first.0.path.clone();
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_prompt_is_for_nobody_else_and_does_not_stay() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let folder = ChannelFolder::create(parent.path(), 1).unwrap();
        let files = folder.files();
        let path = files.write_prompt("be brief").unwrap().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(files);
        assert!(!path.exists());
    }
}
