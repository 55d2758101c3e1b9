//! What a daemon that is killed leaves behind for the next one to read.
//!
//! ```text
//! <records>/<daemon pid>-<start time>/daemon              the daemon's instance and boot
//! <records>/<daemon pid>-<start time>/<pid>-<start time>  one for each child that lives, or left something that does
//! ```
//!
//! Nothing is synced to disk: a record matters only to the boot that wrote it. A records directory belongs to one pid
//! namespace, for pids mean nothing in another.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{geteuid, getpid};
use serde::{Deserialize, Serialize};

use super::descendants::Identity;
use super::error::ProcessError;
use super::os;
use super::table::Registered;

const DAEMON_FILE: &str = "daemon";

/// The records of this daemon, in the directory that it shares with others.
#[derive(Debug)]
pub(super) struct Records {
    root: PathBuf,
    own: PathBuf,
    boot_id: String,
}

/// What a record says of a child; its file name says the rest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChildRecord {
    /// What the owner called it.
    pub(super) label: String,
    /// The boot that its pid and start time belong to.
    pub(super) boot_id: String,
    /// The marker in its environment.
    pub(super) host_id: String,
}

/// What a record says of a daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DaemonRecord {
    /// What the host ids of all its children begin with.
    pub(super) instance: String,
    /// The boot that its pid and start time belong to.
    pub(super) boot_id: String,
}

/// The records of one daemon, as found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) directory: PathBuf,
    pub(super) daemon: Option<DaemonRecord>,
    pub(super) children: Vec<(Identity, ChildRecord)>,
}

impl Records {
    /// Makes the directory and this daemon's part of it.
    pub(super) fn open(root: &Path, instance: &str) -> Result<Self, ProcessError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ProcessError::Records { path, source }
        };
        create_private(root).map_err(failed(root))?;
        check_private(root)?;
        let own = root.join(file_name(own_identity()));
        create_private(&own).map_err(failed(&own))?;
        let boot_id = os::boot_id();
        let daemon = DaemonRecord { instance: instance.to_owned(), boot_id: boot_id.clone() };
        write(&own, DAEMON_FILE, &daemon).map_err(failed(&own))?;
        Ok(Self { root: root.to_owned(), own, boot_id })
    }

    /// Records a child.
    pub(super) fn add(&self, child: &Registered) -> io::Result<()> {
        let record =
            ChildRecord { label: child.label.clone(), boot_id: self.boot_id.clone(), host_id: child.host_id.clone() };
        write(&self.own, &file_name(child.id), &record)
    }

    /// Forgets a child. A record that cannot be removed does no harm: its pid and start time never come again.
    pub(super) fn remove(&self, child: &Registered) {
        let _ = fs::remove_file(self.own.join(file_name(child.id)));
    }

    /// Forgets this daemon, which has left nothing behind.
    pub(super) fn close(&self) {
        let _ = fs::remove_dir_all(&self.own);
    }

    /// Where all daemons have theirs.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

/// The records below `root` of daemons that do not live any more.
pub(super) fn of_the_dead(root: &Path) -> Result<Vec<Found>, ProcessError> {
    check_private(root)?;
    let (me, boot_id) = (own_identity(), os::boot_id());
    let entries = fs::read_dir(root).map_err(|source| ProcessError::Records { path: root.to_owned(), source })?;
    let directories = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let others = directories.filter(|directory| parse_name(directory).is_some_and(|id| id != me));
    Ok(others.filter_map(|directory| if_dead(directory, &boot_id)).collect())
}

fn if_dead(directory: PathBuf, boot_id: &str) -> Option<Found> {
    let id = parse_name(&directory)?;
    let daemon: Option<DaemonRecord> = read(&directory.join(DAEMON_FILE));
    let is_this_boot = daemon.as_ref().is_none_or(|daemon| daemon.boot_id == boot_id);
    let lives = os::process(id.pid).is_some_and(|process| process.id == id && !process.is_zombie);
    if is_this_boot && lives {
        return None;
    }
    let files = fs::read_dir(&directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let children = files.filter_map(|file| Some((parse_name(&file)?, read(&file)?))).collect();
    Some(Found { directory, daemon, children })
}

/// Who can write there decides which of our processes get killed.
fn check_private(root: &Path) -> Result<(), ProcessError> {
    let metadata = fs::metadata(root).map_err(|source| ProcessError::Records { path: root.to_owned(), source })?;
    if metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(ProcessError::RecordsNotPrivate { path: root.to_owned() });
    }
    Ok(())
}

fn own_identity() -> Identity {
    let pid = getpid().as_raw();
    os::process(pid).map_or(Identity { pid, start: 0 }, |process| process.id)
}

fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn file_name(id: Identity) -> String {
    format!("{}-{}", id.pid, id.start)
}

fn parse_name(path: &Path) -> Option<Identity> {
    let (pid, start) = path.file_name()?.to_str()?.split_once('-')?;
    Some(Identity { pid: pid.parse().ok()?, start: start.parse().ok()? })
}

/// Under another name first: a reader never sees half a record.
fn write<T: Serialize>(directory: &Path, name: &str, record: &T) -> io::Result<()> {
    let unfinished = directory.join(format!(".{name}"));
    fs::write(&unfinished, serde_json::to_vec(record)?)?;
    fs::rename(&unfinished, directory.join(name))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
