//! What only Linux has: the death signal, the subreaper, `/proc`, and file descriptors that stand for a process.
//!
//! `other_unix.rs` has the same functions for systems without them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::descendants::{Identity, Mark, Process};

/// How long to leave a process in the middle of an exec alone until the next look at it, in milliseconds. The exec takes
/// microseconds as soon as it has the processor, which who looks all the time would keep from it.
const EXEC_LOOK_EVERY: u8 = 1;
/// Room for all but the most unusual environments.
const ENVIRONMENT_BYTES: usize = 256 * 1024;
/// In the flags of `/proc/PID/stat`: a thread of the kernel, which has no environment.
const PF_KTHREAD: u64 = 0x0020_0000;

/// Makes this process the parent of every orphaned descendant.
pub(super) fn become_subreaper() -> io::Result<()> {
    prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// Runs in the child between fork and exec: calls only what is safe there, and allocates nothing.
pub(super) fn prepare_child(parent: Pid) -> io::Result<()> {
    // Not SIGKILL: an agent is to end its own tools, which run in sessions of their own. And SIGINT rather than SIGTERM:
    // at SIGTERM claude 2.1.197 leaves them running, at SIGINT both it and 2.1.329 end them.
    prctl::set_pdeathsig(Signal::SIGINT)?;
    if getppid() != parent {
        // The daemon died before the line above, so its death will not be told any more.
        #[expect(unsafe_code, reason = "nix has no _exit, and exit() would run the daemon's own exit handlers")]
        // SAFETY: _exit is async-signal-safe and does not return.
        unsafe {
            libc::_exit(1)
        }
    }
    // The daemon's own descriptors are close-on-exec; those that it inherited itself may not be. Kernels before 5.11
    // refuse, which leaves things as they are everywhere else.
    #[expect(unsafe_code, reason = "nix has no close_range")]
    // SAFETY: the call touches no memory; it only sets a flag on this process's descriptors.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
    Ok(())
}

/// Names this boot of the machine: pids and start times of another one mean nothing.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The process that has this pid now, zombies included.
pub(super) fn process(pid: i32) -> Option<Process> {
    parse_stat(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that can be seen, zombies included.
pub(super) fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.filter_map(|entry| process(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// Whether the process has the mark in the environment that it was started with. One in the middle of an exec is looked
/// at until it has an environment again, `until` at the longest: nothing else tells when that is.
pub(super) fn is_marked(pid: i32, mark: &Mark, until: Instant) -> bool {
    loop {
        match environment(pid) {
            Ok(environment) if !environment.is_empty() => return mark.is_in(&environment),
            Ok(_) if !is_between_programs(pid) => return false,
            Ok(_) if Instant::now() < until => let_go_on(pid),
            Ok(_) => {
                tracing::warn!(pid, "a process hangs in an exec: it cannot be told whose descendant it is");
                return false;
            }
            Err(_) => return false,
        }
    }
}

/// Waits for the process's end, and for no more than a moment.
fn let_go_on(pid: i32) {
    let Ok(descriptor) = pidfd(pid) else {
        return std::thread::yield_now();
    };
    let _ = poll(&mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)], EXEC_LOOK_EVERY);
}

/// In one system call if it is not huge: between two, the program may have been replaced by another.
fn environment(pid: i32) -> io::Result<Vec<u8>> {
    let mut file = File::open(format!("/proc/{pid}/environ"))?;
    let mut text = vec![0; ENVIRONMENT_BYTES];
    let count = file.read(&mut text)?;
    text.truncate(count);
    if count == ENVIRONMENT_BYTES {
        file.read_to_end(&mut text)?;
    }
    Ok(text)
}

/// Whether an environment is empty because one program is just being replaced by the next, as when a shell turns into
/// the tool that it starts. The kernel sets the end of the code last, when the environment is complete.
fn is_between_programs(pid: i32) -> bool {
    let look = || {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat_fields(&text)?;
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let (flags, code_end, start, end) = (number(9)?, number(27)?, number(50)?, number(51)?);
        let is_complete = code_end != 0 && start == end;
        Some(flags & PF_KTHREAD == 0 && !is_complete && !is_zombie(fields.first()?))
    };
    look().unwrap_or(false)
}

/// Who else is in the group, or the session, of a child that has exited and is not reaped yet (until then nobody else
/// can have its number).
pub(super) fn survivors_of_group(leader: i32) -> Vec<Identity> {
    let is_left = |process: &Process| {
        process.id.pid != leader && [process.group, process.session].contains(&leader) && !process.is_zombie
    };
    processes().into_iter().filter(is_left).map(|process| process.id).collect()
}

/// One certain process, whatever becomes of its pid.
pub(super) struct ProcessHandle {
    id: Identity,
    /// None where the kernel has no pidfds (before 5.3, and some sandboxes).
    descriptor: Option<OwnedFd>,
}

impl ProcessHandle {
    /// None when that process is gone, even if its pid is in use again.
    pub(super) fn open(id: Identity) -> Option<Self> {
        let descriptor = match pidfd(id.pid) {
            Err(Errno::ESRCH) => return None,
            other => other.ok(),
        };
        // Checked after opening: what the descriptor means cannot change any more.
        let is_same = process(id.pid).is_some_and(|process| process.id == id && !process.is_zombie);
        is_same.then_some(Self { id, descriptor })
    }

    /// Sends the signal, if that may be.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = self.try_signal(signal);
    }

    /// Sends the signal; a process that has gone meanwhile is no error, one of another user is.
    pub(super) fn try_signal(&self, signal: Signal) -> io::Result<()> {
        let sent = if let Some(descriptor) = &self.descriptor {
            #[expect(unsafe_code, reason = "nix has no pidfd_send_signal")]
            // SAFETY: the descriptor is open for as long as `self`, and a null siginfo is allowed.
            let code = unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    descriptor.as_raw_fd(),
                    signal as libc::c_int,
                    std::ptr::null::<libc::siginfo_t>(),
                    0,
                )
            };
            Errno::result(code).map(drop)
        } else if process(self.id.pid).is_some_and(|process| process.id == self.id) {
            kill(Pid::from_raw(self.id.pid), signal)
        } else {
            Ok(())
        };
        match sent {
            Err(Errno::ESRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Waits until the process has ended (it may be a zombie still). The caller sets the limit; without pidfds only
    /// that limit ends the wait.
    pub(super) async fn ended(self) {
        let Some(descriptor) = self.descriptor else {
            return std::future::pending().await;
        };
        #[expect(unsafe_code, reason = "tokio's safe function for this is deprecated")]
        // SAFETY: an OwnedFd is open and always the same one, and the AsyncFd owns it.
        let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        match watched {
            Ok(watched) => drop(watched.readable().await),
            Err(_) => std::future::pending().await,
        }
    }
}

/// A descriptor that stands for the process which has this pid now. It is close-on-exec.
fn pidfd(pid: i32) -> nix::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "nix has no pidfd_open")]
    // SAFETY: the call takes two integers and touches no memory.
    let raw = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    #[expect(unsafe_code, reason = "a descriptor from a raw system call")]
    // SAFETY: the kernel has just given us this descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(raw as i32) })
}

fn parse_stat(pid: i32, text: &[u8]) -> Option<Process> {
    let fields = stat_fields(text)?;
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Process {
        id: Identity { pid, start: field(22)?.parse().ok()? },
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        is_zombie: is_zombie(field(3)?),
    })
}

/// The fields of `/proc/PID/stat` from the third on. The second is the program's name in parentheses and may itself
/// contain spaces and parentheses, so they are counted from the last closing one.
fn stat_fields(text: &[u8]) -> Option<Vec<&str>> {
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
    Some(rest.split_ascii_whitespace().collect())
}

fn is_zombie(state: &str) -> bool {
    matches!(state, "Z" | "X" | "x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_moves_no_field() {
        let text = b"7 (a) R 1 2 (b) S 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 4242 30\n";
        let process = parse_stat(7, text).expect("a stat line");
        assert_eq!(process.id, Identity { pid: 7, start: 4242 });
        assert_eq!((process.parent, process.group, process.session, process.is_zombie), (11, 12, 13, false));
    }

    #[test]
    fn a_cut_stat_line_is_no_process() {
        assert!(parse_stat(7, b"7 (a) S 11 12").is_none());
        assert!(parse_stat(7, b"").is_none());
    }

    #[test]
    fn a_handle_wants_the_start_time_too() {
        let me = process(std::process::id() as i32).expect("this process").id;
        assert!(ProcessHandle::open(me).is_some());
        assert!(ProcessHandle::open(Identity { start: me.start + 1, ..me }).is_none());
    }
}
