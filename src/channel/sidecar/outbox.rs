//! What the agent said, kept until the daemon has acknowledged it.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::wire::channel::FromPlugin;

/// Sayings that may wait for their acknowledgement. A daemon that is there takes microseconds for each.
const WAITING_MAX: usize = 64;

/// The end that the agent speaks into.
#[derive(Debug, Clone)]
pub(super) struct Mouth {
    room: Arc<Semaphore>,
    sayings: mpsc::Sender<Saying>,
}

/// Something the agent said, and its place among [`WAITING_MAX`].
#[derive(Debug)]
pub(super) struct Saying {
    frame: FromPlugin<'static>,
    place: OwnedSemaphorePermit,
}

/// Why a saying is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsaid {
    /// The daemon is away for so long, or does not acknowledge.
    #[error("not sent: {WAITING_MAX} messages wait for turnmux already; try again later")]
    Full,
    /// There is no daemon for us any more.
    #[error("not sent: turnmux has closed this channel")]
    Gone,
}

/// What waits for its acknowledgement, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    room: Arc<Semaphore>,
    waiting: VecDeque<Waiting>,
    /// How many of the front went out on the present connection.
    written: usize,
    /// The number of the latest.
    last: u64,
}

#[derive(Debug)]
struct Waiting {
    seq: u64,
    text: Utf8Bytes,
    /// Dropped with this: then there is room for another.
    _place: OwnedSemaphorePermit,
}

/// Both ends, and what lies between them.
pub(super) fn outbox() -> (Mouth, mpsc::Receiver<Saying>, Outbox) {
    let room = Arc::new(Semaphore::new(WAITING_MAX));
    let (sayings, said) = mpsc::channel(WAITING_MAX);
    let outbox = Outbox { room: room.clone(), waiting: VecDeque::new(), written: 0, last: 0 };
    (Mouth { room, sayings }, said, outbox)
}

impl Mouth {
    /// Says it, if there is room; never waits.
    pub(super) fn say(&self, frame: FromPlugin<'static>) -> Result<(), Unsaid> {
        let place = self.room.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => Unsaid::Full,
            TryAcquireError::Closed => Unsaid::Gone,
        })?;
        // Whoever has a place has one in the queue, too.
        self.sayings.try_send(Saying { frame, place }).map_err(|_| Unsaid::Gone)
    }
}

impl Outbox {
    /// Takes a saying and gives it its number.
    pub(super) fn push(&mut self, saying: Saying) {
        let Saying { mut frame, place } = saying;
        self.last += 1;
        match &mut frame {
            FromPlugin::Reply(reply) => reply.seq = Some(self.last),
            FromPlugin::PermissionRequest(request) => request.seq = Some(self.last),
            // Frames without a number are never said, only sent.
            _ => return,
        }
        let Ok(text) = serde_json::to_string(&frame) else { return };
        self.waiting.push_back(Waiting { seq: self.last, text: text.into(), _place: place });
    }

    /// The next frame for the present connection, which counts as written now.
    pub(super) fn next(&mut self) -> Option<Utf8Bytes> {
        let next = self.waiting.get(self.written)?;
        self.written += 1;
        Some(next.text.clone())
    }

    /// Everything up to this number has arrived.
    pub(super) fn acknowledged(&mut self, seq: u64) {
        while self.waiting.front().is_some_and(|waiting| waiting.seq <= seq) {
            self.waiting.pop_front();
            self.written = self.written.saturating_sub(1);
        }
    }

    /// There is a new connection, to a daemon that has everything up to this number.
    pub(super) fn reconnected(&mut self, received: u64) {
        self.acknowledged(received);
        self.written = 0;
    }

    /// Nothing will ever be sent again: what waits is dropped, and nothing more is taken.
    pub(super) fn close(&mut self) {
        self.room.close();
        self.waiting.clear();
        self.written = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::channel::Reply;

    fn reply(content: &str) -> FromPlugin<'static> {
        FromPlugin::Reply(Reply { seq: None, content: content.to_owned().into(), is_final: false })
    }

    fn numbers(outbox: &mut Outbox) -> Vec<u64> {
        let next =
            || outbox.next().map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap()["seq"].clone());
        std::iter::from_fn(next).map(|seq| seq.as_u64().unwrap()).collect()
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again() {
        let (mouth, mut said, mut outbox) = outbox();
        for content in ["one", "two", "three", "four"] {
            mouth.say(reply(content)).unwrap();
            outbox.push(said.try_recv().unwrap());
        }
        assert_eq!(numbers(&mut outbox), [1, 2, 3, 4]);
        outbox.acknowledged(1);
        assert_eq!(numbers(&mut outbox), [0; 0], "all went out on this connection");
        outbox.reconnected(2);
        assert_eq!(numbers(&mut outbox), [3, 4]);
        outbox.acknowledged(99);
        outbox.reconnected(0);
        assert_eq!(numbers(&mut outbox), [0; 0], "an acknowledgement is for ever");
    }

    #[test]
    fn there_is_room_for_64_until_one_is_acknowledged() {
        let (mouth, mut said, mut outbox) = outbox();
        for _ in 0..WAITING_MAX {
            mouth.say(reply("")).unwrap();
        }
        assert_eq!(mouth.say(reply("")), Err(Unsaid::Full));
        while let Ok(saying) = said.try_recv() {
            outbox.push(saying);
        }
        assert_eq!(mouth.say(reply("")), Err(Unsaid::Full), "they wait for the acknowledgement now");
        outbox.acknowledged(1);
        mouth.say(reply("")).unwrap();
        assert_eq!(mouth.say(reply("")), Err(Unsaid::Full));
        outbox.close();
        assert_eq!(mouth.say(reply("")), Err(Unsaid::Gone));
    }
}
