//! A small second process that ends what the daemon leaves behind, should the daemon be killed.
//!
//! The death signal asks agents to go, and most do. One that is stopped, or hangs, or leaves a tool behind that does not
//! listen, would live until the next daemon's sweep. So a guard waits on a pipe whose other end the daemon holds: the
//! pipe ends with the daemon, however that ends, and the guard sweeps. After an orderly end there is nothing to sweep.
//!
//! * **The pipe ends before the daemon does**: the kernel closes a dying process's files, terminals among them, one after
//!   the other, and for as long as that takes the daemon counts as one that lives. So the guard waits for its end, too.
//! * **The guard needs no file.** It is told at its start what the daemon's children are marked with; the records may be
//!   gone with the folder that they were in.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use tokio::time::timeout;

use super::descendants::{self, Mark};
use super::other::{OtherProcess, ProcessName};
use super::sweep;
use super::{SupervisorConfig, SweepReport};

/// How long a daemon may take to end behind its last word. One that is killed takes milliseconds, and more where much of it
/// has to be written back.
const DAEMON_END_MAX: Duration = Duration::from_mins(1);

/// The daemon's end of the pipe. Dropping it sends the guard home.
#[derive(Debug)]
pub struct Guard {
    _pipe: Option<ChildStdin>,
}

/// What a guard knows of the daemon that it waits for.
#[derive(Debug, Clone)]
pub struct Ward {
    /// The daemon.
    pub daemon: ProcessName,
    /// What the marks of all its children begin with.
    pub instance: String,
    /// Where it and others write down their children.
    pub records: Option<PathBuf>,
}

impl Guard {
    /// Starts this program once more with this verb, and the ward as `--pid`, `--start`, `--instance` and `--records`; it is
    /// to call [`stand`].
    ///
    /// # Errors
    /// When the system starts no process.
    pub fn start(verb: &str, ward: &Ward) -> io::Result<Self> {
        // This program, even where its file was replaced meanwhile.
        let linux = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/exe"));
        let program = linux.map_or_else(std::env::current_exe, Ok)?;
        #[expect(clippy::disallowed_methods, reason = "this is process/")]
        let mut command = Command::new(program);
        // No environment, for the guard has no use for secrets; a group of its own, for Ctrl-C is not meant for it; and
        // no output, which whoever reads the daemon's would wait for.
        command.arg(verb).args(ward.args()).env_clear().process_group(0).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // It is reaped with all others when it ends.
        Ok(Self { _pipe: child.stdin.take() })
    }
}

impl Ward {
    fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--pid".into(), self.daemon.pid.to_string().into()];
        if let Some(start) = self.daemon.start {
            args.extend(["--start".into(), start.to_string().into()]);
        }
        args.extend(["--instance".into(), (&self.instance).into()]);
        if let Some(records) = &self.records {
            args.extend(["--records".into(), records.into()]);
        }
        args
    }
}

/// The guard itself: waits for the end of its standard input and of the daemon, then sweeps what that one and other dead
/// daemons have left running.
///
/// # Errors
/// When there is no runtime for it.
pub fn stand(ward: &Ward) -> io::Result<SweepReport> {
    let mut nothing = [0; 64];
    // Nobody writes; an error is an end, too.
    while io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(bury(ward)))
}

pub(super) async fn bury(ward: &Ward) -> SweepReport {
    if let Some(daemon) = OtherProcess::find(ward.daemon)
        && timeout(DAEMON_END_MAX, daemon.ended()).await.is_err()
        && OtherProcess::find(ward.daemon).is_some()
    {
        // It has sent the guard home, for nothing of its runs any more, and takes its time.
        return SweepReport::default();
    }
    let patience = SupervisorConfig::default().survivors_term;
    let mut report = SweepReport::default();
    if let Some(records) = &ward.records {
        // Without records there is the mark.
        report = sweep::run(records, patience).await.unwrap_or_default();
    }
    let ended = descendants::end(Vec::new(), Some(Mark::of_daemon(&ward.instance)), Some(patience)).await;
    report.processes_ended += ended.count;
    report.left.extend(ended.left);
    report
}
