//! Claude Code as a person uses it: in a terminal, with its own sign-in, settings and screen. Messages come in through a
//! plugin inside it, and its hooks say what becomes of them.
//!
//! ```text
//!  launch.rs    what to start                     folder.rs     the files that it needs
//!  host.rs      the task that owns the process: commands, frames, hooks, keys, events
//!  start.rs     its dialogs on the way to readiness
//!  exchange.rs  what all that means (pure)        turn.rs       the running turn
//!  displayed.rs its text                          failure.rs    its errors, in the caller's terms
//!  screen.rs    the terminal's picture            dialog.rs     what it asks, and the keys that answer
//!  transcript.rs what claude writes down: usage, interrupts, merged steers
//! ```

mod dialog;
mod displayed;
mod exchange;
mod failure;
mod folder;
mod host;
mod launch;
mod screen;
mod start;
mod transcript;
mod turn;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

pub use folder::ChannelFolder;
pub(super) use host::{End, run};

use super::claude::launch::program;
use super::{Attachment, CHANNEL_MAX, Driver, DriverEvent, OpenRequest, Plan, SteerMode};
use crate::channel::Hub;
use crate::process::Supervisor;
use crate::protocol::{BackendId, BackendSpec, DriverEnd, Limits, TurnError, TurnOptions, WorkspaceRoot};

/// The driver's name in `[backends.<id>] driver`.
pub const NAME: &str = "claude-channel";

/// The driver for Claude Code in a terminal.
#[derive(Clone)]
pub struct ClaudeChannel {
    /// Answers for the processes.
    pub supervisor: Supervisor,
    /// The bounds of its waits.
    pub limits: Limits,
    /// Where the plugins connect.
    pub hub: Hub,
    /// Its files.
    pub folder: ChannelFolder,
    /// What claude starts as the plugin's channel server: the `turnmux` program.
    pub program: PathBuf,
    /// Folders that claude is told to trust.
    pub roots: Vec<WorkspaceRoot>,
}

impl Driver for ClaudeChannel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steer_mode(&self) -> SteerMode {
        SteerMode::NativeEnqueue
    }

    fn check(&self, spec: &BackendSpec, directory: &Path) -> Result<(), TurnError> {
        program(spec, directory).map(drop)
    }

    fn has_terminal(&self, _: &BackendId) -> bool {
        true
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn plan(&self, current: &TurnOptions, wanted: &TurnOptions) -> Plan {
        // A live switch would be typed into the terminal, and claude would keep it as the user's own default.
        let same =
            current.model == wanted.model && current.effort == wanted.effort && current.permission == wanted.permission;
        if same { Plan::Live } else { Plan::Restart }
    }

    fn open(&self, request: OpenRequest) -> Attachment {
        let (commands, mut inbox) = mpsc::channel(CHANNEL_MAX);
        let (outbox, events) = mpsc::channel(CHANNEL_MAX);
        let driver = self.clone();
        tokio::spawn(async move {
            let end = match Box::pin(run(&driver, request, &mut inbox, &outbox)).await {
                End::Over(end) => end,
                End::Unavailable(error) => DriverEnd::Failed(error),
            };
            // The session may be gone; then nobody needs to know.
            let _ = outbox.send(DriverEvent::Closed(end)).await;
        });
        Attachment { commands, events }
    }
}
