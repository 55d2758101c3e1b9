//! The log: to stderr, `TURNMUX_LOG` says how much (`info` by default; `turnmux=debug`, …). On a terminal it is for people, and
//! elsewhere one JSON object a line, unless `TURNMUX_LOG_FORMAT` says `human` or `json`. No prompt, answer or secret is ever
//! logged, at any level.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `TURNMUX_LOG` makes no sense.
    #[error("TURNMUX_LOG: {0}; write a level (error, warn, info, debug, trace) or directives such as turnmux=debug")]
    Filter(#[from] ParseError),
    /// `TURNMUX_LOG_FORMAT` makes no sense.
    #[error("TURNMUX_LOG_FORMAT is {0:?}; write human or json, or leave it out")]
    Format(String),
}

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// When `TURNMUX_LOG` or `TURNMUX_LOG_FORMAT` makes no sense.
pub fn start() -> Result<(), TelemetryError> {
    let is_terminal = std::io::stderr().is_terminal();
    let filter = EnvFilter::try_new(variable("TURNMUX_LOG").as_deref().unwrap_or("info"))?;
    let is_json = match variable("TURNMUX_LOG_FORMAT").as_deref() {
        None => !is_terminal,
        Some("json") => true,
        Some("human") => false,
        Some(other) => return Err(TelemetryError::Format(other.to_owned())),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error means that there is a log already.
    let _ = if is_json {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        log.with_ansi(is_terminal).try_init()
    };
    Ok(())
}

/// A variable that is text and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
