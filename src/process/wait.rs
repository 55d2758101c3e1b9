//! The two system calls that tell of exits, as the standard library's [`ExitStatus`].
//!
//! nix's own wrappers fail on a child that was ended by a real-time signal, after having reaped it.

use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::libc;

/// Which children to ask about.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// Any child of this process, adopted ones included.
    Any,
    /// The child with this pid.
    Pid(i32),
}

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has not ended.
    Running,
    /// It has ended with this status, and is reaped now.
    Exited(ExitStatus),
    /// Somebody else has reaped it, and the status with it.
    Lost,
}

/// The pid of a child that has exited, without reaping it: its number stays taken.
pub(super) fn peek(which: Which) -> Option<i32> {
    let (kind, id) = match which {
        Which::Any => (libc::P_ALL, 0),
        Which::Pid(pid) => (libc::P_PID, pid as libc::id_t),
    };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    #[expect(unsafe_code, reason = "nix's waitid fails on real-time signals")]
    // SAFETY: `info` is valid for writing. All zeros is a siginfo too, and what the kernel leaves when nobody has
    // exited; after a child's exit, the pid is the field that is set.
    let pid = unsafe {
        let code = libc::waitid(kind, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
        if code == 0 { info.assume_init().si_pid() } else { 0 }
    };
    (pid > 0).then_some(pid)
}

/// Reaps the child if it has ended; waits for that only if told to.
pub(super) fn reap(pid: i32, is_patient: bool) -> Fate {
    let flags = if is_patient { 0 } else { libc::WNOHANG };
    loop {
        let mut status = 0;
        #[expect(unsafe_code, reason = "nix's waitpid fails on real-time signals")]
        // SAFETY: `status` is valid for writing.
        let code = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        match code {
            0 => return Fate::Running,
            -1 if Errno::last() == Errno::EINTR => {}
            -1 => return Fate::Lost,
            _ => return Fate::Exited(ExitStatus::from_raw(status)),
        }
    }
}
