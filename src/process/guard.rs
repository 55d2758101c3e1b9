//! A small second process that ends what the daemon leaves behind, should the daemon be killed.
//!
//! The death signal asks agents to go, and most do. One that is stopped, or hangs, or leaves a tool behind that does not
//! listen, would live until the next daemon's sweep. So a guard waits on a pipe whose other end the daemon holds: the
//! pipe ends with the daemon, however that ends, and the guard sweeps at once. After an orderly end there is nothing to
//! sweep.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use super::{ProcessError, Supervisor, SupervisorConfig, SweepReport};

/// The daemon's end of the pipe. Dropping it sends the guard home.
#[derive(Debug)]
pub struct Guard {
    _pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts this program once more with these arguments; it is to call [`stand`].
    ///
    /// # Errors
    /// When the system starts no process.
    pub fn start<'a>(args: impl IntoIterator<Item = &'a OsStr>) -> io::Result<Self> {
        // This program, even where its file was replaced meanwhile.
        let linux = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/exe"));
        let program = linux.map_or_else(std::env::current_exe, Ok)?;
        #[expect(clippy::disallowed_methods, reason = "this is process/")]
        let mut command = Command::new(program);
        // No environment, for the guard has no use for secrets; a group of its own, for Ctrl-C is not meant for it; and
        // no output, which whoever reads the daemon's would wait for.
        command.args(args).env_clear().process_group(0).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // It is reaped with all others when it ends.
        Ok(Self { _pipe: child.stdin.take() })
    }
}

/// The guard itself: waits for the end of its standard input, then sweeps what dead daemons have recorded here.
///
/// # Errors
/// When the records cannot be read.
pub fn stand(records_dir: &Path) -> Result<SweepReport, ProcessError> {
    let mut nothing = [0; 64];
    // Nobody writes; an error is an end, too.
    while io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProcessError::Thread)?;
    runtime.block_on(async {
        let records_dir = Some(records_dir.to_owned());
        Supervisor::start(SupervisorConfig { records_dir, ..SupervisorConfig::default() })?.sweep().await
    })
}
