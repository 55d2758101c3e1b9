//! `driver = "claude"`: channels where the account has them, stdio where not. Which it is shows when the first process starts,
//! and holds for as long as the daemon runs. A thread begun one way can be resumed the other way. A turn whose caller offers
//! servers of tools goes over stdio in any case, in a process of its own where the one that there is has a terminal.

use std::path::Path;
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::mpsc;

use super::claude_channel::{self, ClaudeChannel, End};
use super::claude_stream::{self, ClaudeStream};
use super::{Attachment, CHANNEL_MAX, Driver, DriverEvent, OpenRequest, Plan, SteerMode};
use crate::protocol::{BackendId, BackendSpec, DriverEnd, TurnError, TurnOptions};

/// The driver's name in `[backends.<id>] driver`.
pub const NAME: &str = "claude";

/// The driver that takes whichever way there is.
#[derive(Clone)]
pub struct ClaudeAuto {
    channel: ClaudeChannel,
    stream: ClaudeStream,
    /// Why a backend has no channels; none while nothing speaks against them.
    found: Arc<DashMap<BackendId, Option<String>>>,
}

impl ClaudeAuto {
    /// A driver that chooses between the two.
    pub fn new(channel: ClaudeChannel, stream: ClaudeStream) -> Self {
        Self { channel, stream, found: Arc::default() }
    }

    async fn run(
        &self,
        request: OpenRequest,
        commands: &mut mpsc::Receiver<super::Command>,
        events: &mpsc::Sender<DriverEvent>,
    ) -> DriverEnd {
        let backend = request.spec.id.clone();
        // A claude in a terminal takes servers of tools from its own configuration alone.
        let wants_stdio = !request.options.mcp.is_empty();
        let has_channels = !wants_stdio && self.found.entry(backend.clone()).or_insert(None).is_none();
        if has_channels {
            match Box::pin(claude_channel::run(&self.channel, request.clone(), commands, events)).await {
                End::Over(end) => return end,
                End::Unavailable(error) => {
                    tracing::warn!(%backend, why = %error, "there are no channels; this backend is spoken with over stdio");
                    self.found.insert(backend, Some(error.message));
                }
            }
        }
        claude_stream::run(&self.stream, request, commands, events).await
    }
}

impl Driver for ClaudeAuto {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steer_mode(&self) -> SteerMode {
        self.stream.steer_mode()
    }

    fn check(&self, spec: &BackendSpec, directory: &Path) -> Result<(), TurnError> {
        self.stream.check(spec, directory)
    }

    fn note(&self, backend: &BackendId) -> Option<String> {
        self.found.get(backend).map(|found| match &*found {
            None => "channel".to_owned(),
            Some(why) => format!("stdio: {why}"),
        })
    }

    fn clears(&self, backend: &BackendId) -> bool {
        // Only over stdio, and only once it is known that it is that.
        self.found.get(backend).is_some_and(|found| found.is_some()) && self.stream.clears(backend)
    }

    fn takes_mcp(&self) -> bool {
        true
    }

    fn has_terminal(&self, backend: &BackendId) -> bool {
        self.found.get(backend).is_none_or(|found| found.is_none())
    }

    fn takes_images(&self) -> bool {
        // Whichever way it is.
        self.channel.takes_images() && self.stream.takes_images()
    }

    fn plan(&self, current: &TurnOptions, wanted: &TurnOptions) -> Plan {
        // The stricter of the two: which way an attachment went is not known here.
        if current.mcp.is_empty() == wanted.mcp.is_empty() { self.channel.plan(current, wanted) } else { Plan::Restart }
    }

    fn open(&self, request: OpenRequest) -> Attachment {
        let (commands, mut inbox) = mpsc::channel(CHANNEL_MAX);
        let (outbox, events) = mpsc::channel(CHANNEL_MAX);
        let driver = self.clone();
        tokio::spawn(async move {
            let end = Box::pin(driver.run(request, &mut inbox, &outbox)).await;
            // The session may be gone; then nobody needs to know.
            let _ = outbox.send(DriverEvent::Closed(end)).await;
        });
        Attachment { commands, events }
    }
}
