//! What all verbs that ask a daemon have in common.

use std::io::{self, Read as _};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Client, ClientError, Place, Target};
use super::output;
use crate::config::Environment;

/// Longest text from stdin, in bytes: what a request may have (`limits.body_bytes`).
const INPUT_MAX: u64 = 64 << 20;

/// Flags of every verb that asks a daemon.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Common {
    /// Which daemon.
    #[command(flatten)]
    pub target: Target,
    /// Print JSON, as the API has it
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// Where the daemon is.
    ///
    /// # Errors
    /// As [`Target::find`].
    pub fn place(&self) -> Result<Place, Failure> {
        Ok(self.target.find(&Environment::from_process()?)?)
    }

    /// The daemon.
    ///
    /// # Errors
    /// As [`Place::connect`].
    pub async fn connect(&self) -> Result<Client, Failure> {
        Ok(self.place()?.connect().await?)
    }

    /// Prints an answer: itself, or what people are told of it.
    pub(super) fn print<T: DeserializeOwned>(
        &self,
        answer: &RawValue,
        say: impl FnOnce(T) -> String,
    ) -> Result<(), Failure> {
        let printed = if self.json { output::raw_json(answer) } else { output::text(&say(read(answer)?)) };
        printed.map_err(Failure::output)
    }
}

/// An answer, as a type.
pub(super) fn read<'a, T: Deserialize<'a>>(answer: &'a RawValue) -> Result<T, Failure> {
    let unreadable = |error: serde_json::Error| {
        Failure::from(ClientError::Unreadable { address: "that address".to_owned(), problem: error.to_string() })
    };
    serde_json::from_str(answer.get()).map_err(unreadable)
}

/// A text that is given as an argument, or with `-` on stdin.
pub(super) fn text_or_stdin(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let failed = |source| Failure::Io { what: "cannot read stdin", source };
    let mut text = String::new();
    let read = io::stdin().lock().take(INPUT_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if read as u64 > INPUT_MAX {
        return Err(Failure::Usage("stdin is larger than 64 MiB".to_owned()));
    }
    Ok(text)
}
