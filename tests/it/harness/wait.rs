//! Waiting for a thing, with a limit and a name for what was waited for.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Longer than anything takes on a busy machine, shorter than anybody's patience.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// The future's value, or a panic that says what did not happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_at_most(LIMIT, what, future).await
}

/// Waits for what takes long by itself, as a program with much to compute does on a busy machine.
pub(crate) async fn within_at_most<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(limit, future).await;
    value.unwrap_or_else(|_| panic!("waited {limit:?} in vain for {what}"))
}

/// Waits until a process that is no child of the test's is gone. Its pidfd tells, so nothing is polled.
pub(crate) async fn gone(pid: u32) {
    let Some(fd) = pidfd(pid) else { return };
    within(&format!("the end of process {pid}"), readable(fd)).await;
}

/// Waits until there is something to read.
#[expect(unsafe_code, reason = "tokio's safe function for this is deprecated")]
pub(super) async fn readable(fd: OwnedFd) {
    // SAFETY: an OwnedFd is open and always the same one, and the AsyncFd owns it.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    let fd = fd.expect("the descriptor can be waited on");
    let _ready = fd.readable().await.expect("the descriptor becomes readable");
}

#[expect(unsafe_code, reason = "nix has no pidfd_open")]
fn pidfd(pid: u32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and gives a new descriptor, or -1 when there is no such process.
    let fd = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: the descriptor is new, so nobody else owns it.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
