//! How a verb ends that did not do what it was asked to, and with which exit code.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use super::client::ClientError;
use crate::config::ConfigError;

/// The exit codes, for `--help`. The README has them, too.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the daemon, an agent or the connection
  2  the arguments or the configuration make no sense
  3  no daemon there: nothing, another program, or another version
  4  refused: the API key is wrong, or not allowed to do this
  5  there is no such session, turn or question
  6  not now: no turn runs, the session is closed or full, the question is answered
  124  call: the turn took longer than --timeout, and was interrupted
  130  call: it was interrupted by Ctrl-C
  141  nobody reads stdout any more";

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The daemon could not be asked, or said no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Stdin, stdout or a file.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The daemon went away, and did not come back in time.
    #[error("the daemon did not come back within {}: {why}", humantime::format_duration(*limit))]
    Away {
        /// How long it had.
        limit: Duration,
        /// What it was last.
        why: ClientError,
    },
    /// It did not come about.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// Stdout could not be written.
    pub(super) fn output(source: io::Error) -> Self {
        Self::Io { what: "cannot write to stdout", source }
    }

    /// Whether it is only that nobody reads any more (`turnmux tail … | head`): then there is nothing to say, and nothing wrong.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What programs know it by.
    pub fn code(&self) -> &str {
        match self {
            Self::Client(error) | Self::Away { why: error, .. } => error.code(),
            Self::Config(_) => "invalid_config",
            Self::Usage(_) => "usage",
            Self::NotFound(_) => "not_found",
            Self::Io { .. } => "io",
            Self::Failed(_) => "failed",
        }
    }

    /// The program's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Client(error) | Self::Away { why: error, .. } => error.exit_code(),
            Self::Config(_) | Self::Usage(_) => 2,
            Self::NotFound(_) => 5,
            Self::Io { .. } | Self::Failed(_) => 1,
        })
    }
}
