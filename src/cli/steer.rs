//! `turnmux steer`: more input for the turn that runs.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Failure;
use super::client::session_path;
use super::common::{Common, text_or_stdin};
use super::terminal::plain;

/// Give the running turn more input
#[derive(Debug, clap::Args)]
pub struct Steer {
    /// The session, such as `ops::42`
    session: String,
    /// What to tell the agent; `-` reads it from stdin
    text: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Steered {
    turn: String,
    steer: String,
}

impl Steer {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { session, text, common } = self;
        let body = json!({"input": text_or_stdin(&text)?});
        let answer: Box<RawValue> = common.connect().await?.post(&session_path(&session, "steer"), &body).await?;
        common.print(&answer, |Steered { turn, steer }| {
            format!("given to {} ({}); `turnmux tail` says when the model has read it\n", plain(&turn), plain(&steer))
        })
    }
}
