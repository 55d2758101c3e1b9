//! Why a call has no answer, and the exit code for it.

use std::io;
use std::path::PathBuf;

use super::background::StartError;
use super::prompt::PromptError;
use super::schema::SchemaError;
use crate::cli::client::ClientError;
use crate::config::ConfigError;

/// The turn took longer than `--timeout`: what `timeout` (coreutils) says then.
const TIMED_OUT: u8 = 124;

/// Ctrl-C: 128 and the signal's number, as shells have it.
const INTERRUPTED: u8 = 130;

/// Stdout was closed: 128 and the number of SIGPIPE.
const CLOSED: u8 = 141;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is nothing to ask.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The schema is none.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The directory is none.
    #[error("--directory: {path}: {source}")]
    Directory {
        /// What was named.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something cannot stand in a header.
    #[error("{what}: it has a character that it cannot have, such as a line's end")]
    NoHeader {
        /// Which argument.
        what: &'static str,
    },
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The daemon cannot be asked, or says no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no daemon, and none could be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The daemon of `--alone` does not start.
    #[error("a daemon for this call does not start: {0:#}")]
    Alone(anyhow::Error),
    /// The turn did not complete.
    #[error("{message} ({code})")]
    Failed {
        /// As in the API.
        code: String,
        /// For people.
        message: String,
    },
    /// No answer fits the schema.
    #[error("no answer fits the schema, after {attempts} attempts. {fault}")]
    NoFit {
        /// How often it was asked for.
        attempts: usize,
        /// What is wrong with the last one.
        fault: String,
    },
    /// What the daemon says cannot be read.
    #[error(
        "the daemon's answer makes no sense: {0}; `turnmux --version` and `turnmux status` are to name the same version"
    )]
    NoChat(serde_json::Error),
    /// It took too long.
    #[error("interrupted: no answer within {} (--timeout)", humantime::format_duration(*.0))]
    TimedOut(std::time::Duration),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Nobody reads stdout any more.
    #[error("stdout was closed")]
    Closed,
    /// Stdout cannot be written.
    #[error("stdout: {0}")]
    Stdout(io::Error),
    /// The system refuses something basic.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

impl CallError {
    /// The program's exit code for it, as the other verbs have them, and three more.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Prompt(_) | Self::Schema(_) | Self::Directory { .. } | Self::NoHeader { .. } | Self::Config(_) => 2,
            Self::Client(error) => error.exit_code(),
            Self::Start(_) | Self::Alone(_) => 3,
            Self::Failed { .. } | Self::NoFit { .. } | Self::NoChat(_) | Self::Stdout(_) | Self::System(_) => 1,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Interrupted => INTERRUPTED,
            Self::Closed => CLOSED,
        }
    }

    /// What programs know it by: the API's code where the daemon refused, or the turn failed.
    pub fn code(&self) -> &str {
        match self {
            Self::Prompt(_) | Self::Schema(_) | Self::Directory { .. } | Self::NoHeader { .. } => "usage",
            Self::Config(_) => "invalid_config",
            Self::Client(error) => error.code(),
            Self::Start(_) | Self::Alone(_) => "no_daemon",
            Self::Failed { code, .. } => code,
            Self::NoFit { .. } => "schema_not_met",
            Self::NoChat(_) => "unreadable_answer",
            Self::TimedOut(_) => "timed_out",
            Self::Interrupted => "interrupted",
            Self::Closed | Self::Stdout(_) | Self::System(_) => "io",
        }
    }

    /// Whether nobody is to be told: whoever has closed stdout knows.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Closed)
    }
}
