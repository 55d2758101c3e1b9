//! Why there is no service.

use std::io;
use std::path::PathBuf;

use crate::cli::Failure;
use crate::config::ConfigError;
use crate::process::{FindError, RunError};

/// Why turnmux was not installed as a service, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The service would not start.
    #[error("the service would not start: {0}")]
    Config(#[from] ConfigError),
    /// Its address would be another one each time.
    #[error("server.listen has port 0, which is another one each time; give the service a port of its own")]
    NoPort,
    /// There is no folder for its files.
    #[error("HOME is not set, so there is no folder for the service's files; set it")]
    NoHome,
    /// Where this program is is not known.
    #[error("the path of this program cannot be found: {0}; start it by its full path")]
    NoProgram(#[source] io::Error),
    /// A file cannot be written or removed.
    #[error("{} cannot be written: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no service manager.
    #[error("{0}. Without systemd and launchd, start `turnmux serve` by what you have")]
    NoManager(#[from] FindError),
    /// The service manager was not asked.
    #[error("{command} was not run: {source}")]
    Run {
        /// What was to be run.
        command: String,
        /// Why it was not.
        source: RunError,
    },
    /// The service manager refuses.
    #[error("`{command}` failed: {said}. The files are where they belong; run it again once that is mended")]
    Refused {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Config(error) => Self::Config(error),
            error => Self::Failed(error.to_string()),
        }
    }
}
