//! A process that is no child of this one, by the name that it gave itself: to tell it to end, and to see it end.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::descendants::Identity;
use super::os::{self, ProcessHandle};

/// Names one certain process of this machine: nobody else ever has the same pid and the same start, in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    /// The process id, as its own part of the machine counts them.
    pub pid: i32,
    /// When it started, in ticks since the machine did; none where the system does not tell.
    pub start: Option<u64>,
}

impl ProcessName {
    /// That of this process.
    pub fn own() -> Self {
        let pid = nix::unistd::getpid().as_raw();
        Self { pid, start: os::process(pid).map(|process| process.id.start) }
    }
}

/// A process that has not ended when it is found.
pub struct OtherProcess(ProcessHandle);

impl OtherProcess {
    /// None when there is no such process here: it has ended, runs elsewhere, or the system does not tell processes apart.
    pub fn find(name: ProcessName) -> Option<Self> {
        let ProcessName { pid, start } = name;
        // No process has 0 or less: as the target of a signal those are whole groups.
        if pid <= 0 {
            return None;
        }
        ProcessHandle::open(Identity { pid, start: start? }).map(Self)
    }

    /// Sends SIGTERM; SIGINT behind it if it is to be `at_once`, which a daemon takes for the second time it is told.
    ///
    /// # Errors
    /// When it is somebody else's.
    pub fn terminate(&self, at_once: bool) -> io::Result<()> {
        self.0.try_signal(Signal::SIGTERM)?;
        if at_once { self.0.try_signal(Signal::SIGINT) } else { Ok(()) }
    }

    /// Waits for its end. The caller sets the limit: on some systems nothing tells.
    pub async fn ended(self) {
        self.0.ended().await;
    }
}

/// Becomes another program, with its files and its terminal. Returns only if that cannot be.
pub fn become_program<'a>(program: &OsStr, args: impl IntoIterator<Item = &'a OsStr>) -> io::Error {
    #[expect(clippy::disallowed_methods, reason = "this is process/")]
    Command::new(program).args(args).exec()
}
