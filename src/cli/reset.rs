//! `turnmux reset`: the session's next turn begins a new thread.

use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::Failure;
use super::client::session_path;
use super::common::Common;
use super::terminal::plain;

/// Have the session's next turn begin a new thread; opens a closed session again
#[derive(Debug, clap::Args)]
pub struct Reset {
    /// The session, such as `ops::42`
    session: String,
    #[command(flatten)]
    common: Common,
}

impl Reset {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { session, common } = self;
        let path = session_path(&session, "reset");
        let answer: Box<RawValue> = common.connect().await?.post(&path, &json!({})).await?;
        common.print(&answer, |_: IgnoredAny| format!("{} begins anew with its next turn\n", plain(&session)))
    }
}
