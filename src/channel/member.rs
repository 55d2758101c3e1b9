//! What a driver holds for one agent process.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::event::ChannelEvent;
use super::outbox::{Content, Outgoing};
use super::registry::Listed;
use super::token::Token;
use crate::wire::channel::Behavior;

/// Pushes and permissions that may wait until the plugin has acknowledged them.
pub const QUEUE_MAX: usize = 64;

/// Events that may wait for the driver. After that the WebSocket is not read, and hooks wait.
pub const EVENTS_MAX: usize = 64;

/// Why something cannot be sent to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// [`QUEUE_MAX`] frames wait already.
    #[error("{QUEUE_MAX} messages already wait for the agent's plugin; it takes none, or is not there")]
    Full,
    /// The connection is lost for good, or the listener has stopped.
    #[error("the agent's plugin is gone; start the agent again")]
    Lost,
}

/// An agent process's place in the hub. Dropping it makes the token void at once and closes the plugin's connection.
#[derive(Debug)]
pub struct Member {
    // Stands first, so that it is dropped first.
    pub(super) listed: Listed,
    /// What the agent's process is to be started with.
    pub token: Token,
    /// What happens, in order; at most [`EVENTS_MAX`] wait. None once the listener has stopped.
    pub events: mpsc::Receiver<ChannelEvent>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
    /// Has [`QUEUE_MAX`] places. A frame keeps its own until it is acknowledged.
    pub(super) places: Arc<Semaphore>,
}

impl Member {
    /// Queues a message for the agent. It waits for a plugin, and is sent again after a reconnect until the plugin has it;
    /// what the agent does with it nobody says. Names in `meta` must match `[A-Za-z_][A-Za-z0-9_]*`.
    ///
    /// # Errors
    /// When [`QUEUE_MAX`] frames wait already, or the connection is lost.
    pub fn push(&self, content: String, meta: BTreeMap<String, String>) -> Result<(), PushError> {
        self.queue(Content::Inbound { content, meta })
    }

    /// Queues the answer to a [`ChannelEvent::PermissionRequest`].
    ///
    /// # Errors
    /// Those of [`Member::push`].
    pub fn permission(&self, request_id: &str, behavior: Behavior) -> Result<(), PushError> {
        self.queue(Content::Permission { request_id: request_id.to_owned(), behavior })
    }

    /// The session's key, as it was given to [`super::Hub::enlist`].
    pub fn session(&self) -> &str {
        self.listed.session()
    }

    fn queue(&self, content: Content) -> Result<(), PushError> {
        if self.outgoing.is_closed() {
            return Err(PushError::Lost);
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_| PushError::Full)?;
        // There are as many places as the channel is long, so that it can only be closed.
        self.outgoing.try_send(Outgoing { content, place }).map_err(|_| PushError::Lost)
    }
}
