//! An agent's live terminal, for whoever wants to see it and to type into it while its driver goes on.
//!
//! ```text
//!  TerminalSlot, one a session ── while a process lives ──▶ Door ── asks (bounded) ──▶ Audience, in the driver's task
//!        │ attach                                             ◀── how often it painted ──┘
//!        ▼
//!  Viewer: waits for that number, asks for the screen, and gives what brings a terminal from the last picture to this one
//! ```
//!
//! What is shown is what stands on the screen, not the bytes that painted it. So a viewer may be as slow as it likes: it holds
//! one picture, misses what was painted over meanwhile, and the agent never waits for it.

mod audience;
mod viewer;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

pub(super) use audience::{Ask, Audience, Wish};
pub use viewer::{Hands, Picture, Viewer};

use crate::protocol::ScreenSize;

/// Viewers of one terminal at a time.
pub const VIEWERS_MAX: usize = 32;

/// What viewers ask may wait for the driver's task, which takes it at once.
const ASKS_MAX: usize = 64;

/// Where a session's terminal is found while its agent has one. Clones are the same slot.
#[derive(Debug, Clone, Default)]
pub struct TerminalSlot(Arc<watch::Sender<Option<Door>>>);

/// The way to a driver's task.
#[derive(Debug, Clone)]
struct Door {
    asks: mpsc::Sender<Ask>,
    painted: watch::Receiver<u64>,
}

/// Why somebody cannot watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSeated {
    /// There is no process with a terminal at present.
    Empty,
    /// As many watch as may.
    Full,
}

impl TerminalSlot {
    /// Watches the terminal from now on. With a size, the terminal is made no larger than that while this one watches; with
    /// the keyboard, the agent's driver leaves it to this one to answer what the screen asks.
    ///
    /// # Errors
    /// As [`NotSeated`] says.
    pub async fn attach(&self, size: Option<ScreenSize>, keyboard: bool) -> Result<Viewer, NotSeated> {
        let door = self.0.borrow().clone().ok_or(NotSeated::Empty)?;
        let place = Arc::new(());
        let (reply, seat) = oneshot::channel();
        let ask = Ask::Sit { size, keyboard, place: Arc::downgrade(&place), reply };
        door.asks.send(ask).await.map_err(|_| NotSeated::Empty)?;
        let seat = seat.await.map_err(|_| NotSeated::Empty)?.ok_or(NotSeated::Full)?;
        Ok(Viewer::new(Hands { seat, asks: door.asks }, place, door.painted))
    }

    fn put(&self, door: Option<Door>) {
        self.0.send_replace(door);
    }
}

/// What somebody typed, until the terminal has it.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) keys: Bytes,
    /// Told, by being dropped, that there is room for more.
    pub(super) _done: oneshot::Sender<()>,
}

#[cfg(test)]
mod tests;
