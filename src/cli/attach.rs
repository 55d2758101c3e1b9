//! `turnmux attach`: a session's live terminal, or, where it has none, its events and lines that become turns.
//!
//! ```text
//!  screen.rs   the agent's screen, drawn on this terminal     keys.rs    what is typed, and the keys that detach
//!  live.rs     both, over the daemon's WebSocket              lines.rs   events out, lines in
//! ```

mod keys;
mod lines;
mod live;
mod screen;

use std::io::IsTerminal as _;

use super::Failure;
use super::client::ClientError;
use super::common::Common;
use super::output;
use super::terminal::plain;

/// Attach to a session: its agent's live terminal, or its events where that has none. Detaching leaves everything running
///
/// In the terminal, Ctrl-\ twice detaches. What you type there reaches the agent as it is, and your turns are turns of the
/// session. Without a terminal each line that you type is a turn; Ctrl-C or the end of stdin detaches.
#[derive(Debug, clap::Args)]
pub struct Attach {
    /// The session, such as `ops::42`
    session: String,
    /// Only watch: no key reaches the agent, and `q` detaches, too
    #[arg(long)]
    watch: bool,
    /// Show the session's events, and take lines, though its agent has a terminal
    #[arg(long)]
    events: bool,
    #[command(flatten)]
    common: Common,
}

impl Attach {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.common.json {
            return Err(Failure::Usage(
                "attach shows a terminal and knows no JSON; `turnmux tail --json` does".to_owned(),
            ));
        }
        let client = self.common.connect().await?;
        let has_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if !self.events && has_terminal {
            match live::attach(&client, &self.session, self.watch).await {
                Err(Failure::Client(ClientError::Api { code, message, .. }))
                    if matches!(&*code, "no_terminal" | "agent_not_running") =>
                {
                    output::note(&format!("turnmux: {}", plain(&message)));
                }
                ended => return ended,
            }
        }
        lines::attach(&client, &self.session, self.watch).await
    }
}
