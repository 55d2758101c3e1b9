//! `turnmux close`: ends a session's turns and its process.

use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::Failure;
use super::client::session_path;
use super::common::Common;
use super::terminal::plain;

/// End a session's turns and its process; it takes no more until it is reset
#[derive(Debug, clap::Args)]
pub struct Close {
    /// The session, such as `ops::42`
    session: String,
    /// Forget it, too: its name means a new session from then on
    #[arg(long)]
    forget: bool,
    #[command(flatten)]
    common: Common,
}

impl Close {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { session, forget, common } = self;
        let client = common.connect().await?;
        let (answer, done): (Box<RawValue>, _) = if forget {
            (client.delete(&session_path(&session, "")).await?, "is closed and forgotten")
        } else {
            (client.post(&session_path(&session, "close"), &json!({})).await?, "is closed")
        };
        common.print(&answer, |_: IgnoredAny| format!("{} {done}\n", plain(&session)))
    }
}
