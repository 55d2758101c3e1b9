//! Starting this program once more, as a daemon that outlives whoever started it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::setsid;
use tokio::net::unix::pipe::Receiver;

/// Starts this program with these arguments, in a session of its own, so that neither the end of a terminal nor its Ctrl-C
/// reaches it. Its stderr goes to the log; what it says on stdout can be read, until the receiver is dropped. It has the
/// environment of this process, and nothing is waited for but its start.
///
/// # Errors
/// When the system starts no process.
pub fn start_detached(args: &[OsString], directory: &Path, log: File) -> io::Result<Receiver> {
    #[expect(clippy::disallowed_methods, reason = "this is process/")]
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    #[expect(unsafe_code, reason = "what happens between fork and exec can only be said this way")]
    // SAFETY: the closure makes one system call, which is safe there, and allocates nothing.
    unsafe {
        command.pre_exec(|| setsid().map(drop).map_err(io::Error::from));
    }
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().map(OwnedFd::from).ok_or(io::ErrorKind::BrokenPipe)?;
    // Whoever started it ends first, and the system reaps it then.
    Receiver::from_owned_fd(stdout)
}
