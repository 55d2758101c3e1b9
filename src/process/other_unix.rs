//! The plain Unix stand-in for `linux.rs`, for laptops: there is no death signal, no subreaper and no list of
//! processes. What ends a child when the daemon dies is the end of its stdin; what ends its descendants is its process
//! group. Records name no start time here, so a sweep ends nothing.

use std::io;
use std::time::Instant;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::descendants::{Identity, Mark, Process};

/// Orphans go to process 1 here.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub(super) fn become_subreaper() -> io::Result<()> {
    Ok(())
}

/// Nothing to do between fork and exec.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub(super) fn prepare_child(_parent: Pid) -> io::Result<()> {
    Ok(())
}

/// No boot is like another, so records of an earlier daemon never name a living process.
pub(super) fn boot_id() -> String {
    String::new()
}

/// Nothing is known of other processes.
pub(super) fn process(_pid: i32) -> Option<Process> {
    None
}

/// Nothing is known of other processes.
pub(super) fn processes() -> Vec<Process> {
    Vec::new()
}

/// Environments of other processes cannot be read.
pub(super) fn is_marked(_pid: i32, _mark: &Mark, _until: Instant) -> bool {
    false
}

/// The group of a child that has exited and is not reaped yet is ended at once: after the reaping its number may be
/// somebody else's, and nobody can be listed to be ended later.
pub(super) fn survivors_of_group(leader: i32) -> Vec<Identity> {
    let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
    Vec::new()
}

/// Cannot be had here; see `linux.rs`.
pub(super) struct ProcessHandle {}

impl ProcessHandle {
    /// Always none.
    pub(super) fn open(_id: Identity) -> Option<Self> {
        None
    }

    /// Never called.
    pub(super) fn signal(&self, _signal: Signal) {}

    /// Never called.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
    pub(super) fn try_signal(&self, _signal: Signal) -> io::Result<()> {
        Ok(())
    }

    /// Never called.
    pub(super) async fn ended(self) {
        std::future::pending().await
    }
}
