//! Claude Code over stdio: `claude -p` with stream-json both ways, one process per thread, any number of turns.
//!
//! ```text
//!  launch.rs   what to start: arguments and environment
//!  host.rs     the task that owns the process: commands in, events out
//!  exchange.rs what the lines mean in which phase (pure but for its buffers)
//!  turn.rs     the running turn          input.rs   lines to claude
//!  residue.rs  what a turn leaves in the process beside its conversation
//!  failure.rs  its errors, in the caller's terms
//! ```
//!
//! claude sometimes begins a turn by itself: when a background task ends, it looks at the outcome. Such a turn belongs to
//! nobody; a turn that is submitted meanwhile is given to claude when that one is over.

mod exchange;
mod failure;
mod host;
mod input;
mod launch;
mod residue;
mod turn;

use std::path::Path;

use tokio::sync::mpsc;

pub(super) use host::run;

use super::claude::launch::program;
use super::{Attachment, CHANNEL_MAX, Driver, DriverEvent, OpenRequest, Plan, SteerMode};
use crate::process::Supervisor;
use crate::protocol::{BackendId, BackendSpec, Limits, Permission, TurnError, TurnOptions};

/// The driver's name in `[backends.<id>] driver`.
pub const NAME: &str = "claude-stream";

/// The driver for Claude Code over stdio.
#[derive(Debug, Clone)]
pub struct ClaudeStream {
    supervisor: Supervisor,
    limits: Limits,
}

impl ClaudeStream {
    /// A driver whose processes the supervisor answers for.
    pub fn new(supervisor: Supervisor, limits: Limits) -> Self {
        Self { supervisor, limits }
    }
}

impl Driver for ClaudeStream {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steer_mode(&self) -> SteerMode {
        SteerMode::NativeEnqueue
    }

    fn check(&self, spec: &BackendSpec, directory: &Path) -> Result<(), TurnError> {
        program(spec, directory).map(drop)
    }

    fn clears(&self, _backend: &BackendId) -> bool {
        true
    }

    fn takes_mcp(&self) -> bool {
        true
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn plan(&self, current: &TurnOptions, wanted: &TurnOptions) -> Plan {
        // claude takes these two when it starts, and no later.
        let bypass = |options: &TurnOptions| options.permission == Permission::Bypass;
        if current.effort != wanted.effort || bypass(current) != bypass(wanted) { Plan::Restart } else { Plan::Live }
    }

    fn open(&self, request: OpenRequest) -> Attachment {
        let (commands, mut inbox) = mpsc::channel(CHANNEL_MAX);
        let (outbox, events) = mpsc::channel(CHANNEL_MAX);
        let driver = self.clone();
        tokio::spawn(async move {
            let end = run(&driver, request, &mut inbox, &outbox).await;
            // The session may be gone; then nobody needs to know.
            let _ = outbox.send(DriverEvent::Closed(end)).await;
        });
        Attachment { commands, events }
    }
}
