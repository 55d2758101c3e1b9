//! The log: to stderr, `TURNMUX_LOG` says how much (`info` by default; `turnmux=debug`, …). No prompt, answer or secret is
//! ever logged, at any level.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `TURNMUX_LOG` makes no sense.
    #[error("TURNMUX_LOG: {0}; write a level (error, warn, info, debug, trace) or directives such as turnmux=debug")]
    Filter(#[from] ParseError),
}

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// When `TURNMUX_LOG` makes no sense.
pub fn start() -> Result<(), TelemetryError> {
    let directives = std::env::var("TURNMUX_LOG").ok().filter(|text| !text.is_empty());
    let filter = EnvFilter::try_new(directives.as_deref().unwrap_or("info"))?;
    // An error means that there is a log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    Ok(())
}
