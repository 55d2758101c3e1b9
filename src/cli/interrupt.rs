//! `turnmux interrupt`: stops the turn that runs.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Failure;
use super::client::session_path;
use super::common::{Common, read};
use super::terminal::plain;

/// Stop the running turn; its process stays warm
#[derive(Debug, clap::Args)]
pub struct Interrupt {
    /// The session, such as `ops::42`
    session: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Stopped {
    status: String,
    turn: String,
}

impl Interrupt {
    /// Fails when the turn has not ended yet.
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let Self { session, common } = self;
        let path = session_path(&session, "interrupt");
        let answer: Box<RawValue> = common.connect().await?.post(&path, &json!({})).await?;
        let stopped: Stopped = read(&answer)?;
        let has_ended = stopped.status == "confirmed";
        common.print(&answer, |Stopped { turn, .. }| {
            let said = if has_ended { "is interrupted" } else { "was told to stop, and has not yet" };
            format!("{} {said}\n", plain(&turn))
        })?;
        Ok(if has_ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
