//! The driver's side: who watches, how large the screen may be, and what was typed.

use std::collections::BTreeMap;
use std::sync::Weak;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::{ASKS_MAX, Door, TerminalSlot, Typed, VIEWERS_MAX};
use crate::protocol::ScreenSize;

/// What a viewer asks of the driver's task.
#[derive(Debug)]
pub(in crate::driver) enum Ask {
    /// A place to watch from. Answered with its number; none when all are taken.
    Sit {
        /// The viewer's screen.
        size: Option<ScreenSize>,
        /// Whether it types.
        keyboard: bool,
        /// Gone when the viewer is.
        place: Weak<()>,
        /// Where the answer goes.
        reply: oneshot::Sender<Option<u64>>,
    },
    /// Its screen has another size.
    Resize(u64, ScreenSize),
    /// The screen as it is.
    Look(oneshot::Sender<vt100::Screen>),
    /// Keys for the agent.
    Type(Bytes, oneshot::Sender<()>),
    /// Somebody has left.
    Leave,
}

/// Who watches one agent process. Dropped, there is no terminal any more, and all viewers end.
#[derive(Debug)]
pub(in crate::driver) struct Audience {
    slot: TerminalSlot,
    asks: mpsc::Receiver<Ask>,
    painted: watch::Sender<u64>,
    seats: BTreeMap<u64, Seat>,
    last: u64,
}

#[derive(Debug)]
struct Seat {
    size: Option<ScreenSize>,
    keyboard: bool,
    place: Weak<()>,
}

/// What the driver's task has to do for a viewer.
#[derive(Debug)]
pub(in crate::driver) enum Wish {
    /// Nothing, or the screen may have to change its size.
    Nothing,
    /// Give a picture.
    Picture(oneshot::Sender<vt100::Screen>),
    /// Type this.
    Type(Typed),
}

impl Audience {
    /// Opens a terminal to whoever asks the slot for it.
    pub(in crate::driver) fn open(slot: &TerminalSlot) -> Self {
        let (asks, inbox) = mpsc::channel(ASKS_MAX);
        let painted = watch::Sender::new(0);
        slot.put(Some(Door { asks, painted: painted.subscribe() }));
        Self { slot: slot.clone(), asks: inbox, painted, seats: BTreeMap::new(), last: 0 }
    }

    /// Waits for what a viewer wants. Cancel-safe.
    pub(in crate::driver) async fn next(&mut self) -> Ask {
        match self.asks.recv().await {
            Some(ask) => ask,
            // The slot holds a sender, so this does not come.
            None => std::future::pending().await,
        }
    }

    /// Takes it; gives what is left to do.
    pub(in crate::driver) fn take(&mut self, ask: Ask) -> Wish {
        // Word of a viewer's leaving may have found no room.
        self.seats.retain(|_, seat| seat.place.strong_count() > 0);
        match ask {
            Ask::Sit { size, keyboard, place, reply } => {
                let seat = (self.seats.len() < VIEWERS_MAX).then(|| {
                    self.last += 1;
                    self.seats.insert(self.last, Seat { size, keyboard, place });
                    self.last
                });
                // Whoever asked may have left.
                let _ = reply.send(seat);
            }
            Ask::Resize(seat, size) => {
                if let Some(seat) = self.seats.get_mut(&seat) {
                    seat.size = Some(size);
                }
            }
            Ask::Look(reply) => return Wish::Picture(reply),
            Ask::Type(keys, done) => return Wish::Type(Typed { keys, _done: done }),
            Ask::Leave => {}
        }
        Wish::Nothing
    }

    /// What fits on the screens of all; none while nobody says how large theirs is.
    pub(in crate::driver) fn size(&self) -> Option<ScreenSize> {
        self.seats.values().filter_map(|seat| seat.size).reduce(ScreenSize::smaller)
    }

    /// Whether somebody is there who types.
    pub(in crate::driver) fn has_keyboard(&self) -> bool {
        self.seats.values().any(|seat| seat.keyboard)
    }

    /// The screen has changed, and is whole.
    pub(in crate::driver) fn painted(&self) {
        if !self.seats.is_empty() {
            self.painted.send_modify(|painted| *painted += 1);
        }
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.slot.put(None);
    }
}
