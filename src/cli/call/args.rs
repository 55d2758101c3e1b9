//! The arguments of `turnmux call`.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::client::Target;

/// Ask an agent, and print its answer
///
/// The answer goes to stdout as it comes; what the agent does meanwhile goes to stderr. Without --session every call begins
/// with an empty context, in a process that is warm already.
#[derive(Debug, Clone, clap::Args)]
pub struct CallArgs {
    /// What to ask; read from stdin when it is `-` or left out
    pub prompt: Option<String>,
    /// The agent: a backend of the configuration [default: `default_backend`]
    #[arg(short = 'a', long = "agent", alias = "backend", value_name = "BACKEND")]
    pub backend: Option<String>,
    /// The model, in the agent's own words, such as `opus` [default: the backend's]
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Where the agent works [default: the working directory; a session stays where it began]
    #[arg(short = 'c', long = "directory", alias = "cd", value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Answer in JSON that fits this JSON schema, given as such or as a file; nothing else goes to stdout
    #[arg(short = 'j', long = "json-schema", value_name = "SCHEMA", conflicts_with = "json_stream")]
    pub schema: Option<String>,
    /// Say nothing on stderr but what goes wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// Send the prompt as it is, without the text around it that the configuration has for calls (`call.wrapping`)
    #[arg(short, long)]
    pub raw_prompt: bool,
    /// Print everything that happens as JSON, one event a line, instead of the answer
    #[arg(long)]
    pub json_stream: bool,
    /// Interrupt the turn when it takes longer, such as `90s` or `5m`; a bare number is seconds
    #[arg(short, long, value_name = "TIME", value_parser = time)]
    pub timeout: Option<Duration>,
    /// Give the agent this file with the prompt: a text, or an image (PNG, JPEG, GIF, WebP); may be repeated
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Go on in this session, and keep its context
    #[arg(long, value_name = "NAME", conflicts_with = "no_clear")]
    pub session: Option<String>,
    /// Keep the context after this answer: the next call in the same directory sees it
    #[arg(long)]
    pub no_clear: bool,
    /// Use a daemon of its own, which ends with this call and keeps nothing
    #[arg(long, conflicts_with_all = ["url", "session", "no_clear"])]
    pub alone: bool,
    /// Which daemon. One at `server.listen` is started when it is not there.
    #[command(flatten)]
    pub target: Target,
}

/// The longest time that makes sense; it keeps additions of times from overflowing.
const TIME_MAX: Duration = Duration::from_hours(24 * 365);

/// A time with its unit, or seconds.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let time = seconds.or_else(|| humantime::parse_duration(text).ok());
    match time {
        Some(time) if (Duration::from_millis(1)..=TIME_MAX).contains(&time) => Ok(time),
        Some(_) => Err("it is to be longer than nothing, and shorter than a year".to_owned()),
        None => Err("write a time such as 90s, 5m or 1h30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1h 30m"), Ok(Duration::from_mins(90)));
        for wrong in ["0", "-1", "soon", "99999999999999999999", "1000000y"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
