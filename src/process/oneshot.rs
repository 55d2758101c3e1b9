//! Running a program to its end, for what it says: a version, a status.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{ProcessError, SpawnError, SpawnRequest, StopLadder, Supervisor, SupervisorConfig};

/// Most of each stream that is kept, in bytes; what is longer is read and thrown away.
const KEPT_BYTES: u64 = 64 << 10;

/// What a program came to.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed, the first 64 KiB.
    pub stdout: String,
    /// What it complained of, the first 64 KiB.
    pub stderr: String,
}

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No process can be started at all.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// This one cannot.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It was still running, and was ended.
    #[error("{program} did not end within {limit:?}")]
    TooLong {
        /// What was run.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// What it said cannot be read.
    #[error("what it says cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Runs a program without input, for `limit` at most; nothing of it is left afterwards. `env` is its whole environment. Not
/// for a process that has a supervisor which adopts: that would reap this one's children.
///
/// # Errors
/// When it cannot be started, or does not end.
pub async fn run(
    program: &Path,
    args: &[impl AsRef<OsStr>],
    env: impl IntoIterator<Item = (OsString, OsString)>,
    directory: &Path,
    limit: Duration,
) -> Result<Finished, RunError> {
    let supervisor = Supervisor::start(SupervisorConfig::default())?;
    let label = program.display().to_string();
    let request = SpawnRequest {
        program: program.to_owned(),
        args: args.iter().map(|arg| arg.as_ref().to_owned()).collect(),
        env: env.into_iter().collect(),
        directory: directory.to_owned(),
        terminal: None,
        label: label.clone(),
    };
    let mut child = supervisor.spawn(request).await?;
    drop(child.stdin.take());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let exit = child.exit();
    let ended = tokio::time::timeout(limit, async {
        // Both at once: a program whose one pipe is full does not end the other.
        let (stdout, stderr, status) = tokio::join!(text(stdout), text(stderr), exit.wait());
        Ok(Finished { status, stdout: stdout?, stderr: stderr? })
    });
    if let Ok(finished) = ended.await {
        return finished;
    }
    child.stop(StopLadder { eof: Duration::ZERO, ..StopLadder::default() }).await;
    Err(RunError::TooLong { program: label, limit })
}

async fn text(from: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut from) = from else { return Ok(String::new()) };
    let mut kept = Vec::new();
    (&mut from).take(KEPT_BYTES).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, limit: Duration) -> Result<Finished, RunError> {
        let env = [("PATH".into(), std::env::var_os("PATH").unwrap())];
        run(Path::new("/bin/sh"), &["-c", script], env, Path::new("/"), limit).await
    }

    #[tokio::test]
    async fn what_it_says_is_kept_and_bounded() {
        let loud = "echo out; echo err >&2; head -c 1000000 /dev/zero | tr '\\0' x; exit 3";
        let finished = sh(loud, Duration::from_mins(1)).await.unwrap();
        assert_eq!((finished.status.code(), &*finished.stderr), (Some(3), "err\n"));
        assert!(finished.stdout.starts_with("out\nxxx") && finished.stdout.len() == 64 << 10);
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended() {
        let error = sh("echo begun; sleep 600", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, RunError::TooLong { .. }), "{error}");
    }
}
