//! What goes to the plugin with a number: kept until it has arrived, over all connections.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use tokio::sync::OwnedSemaphorePermit;

use crate::wire::channel::{Behavior, Inbound, Permission, ToPlugin};

/// A frame of a driver's, without its number.
pub(super) struct Outgoing {
    pub(super) content: Content,
    /// Its place in the queue.
    pub(super) place: OwnedSemaphorePermit,
}

/// What is in it.
pub(super) enum Content {
    Inbound { content: String, meta: BTreeMap<String, String> },
    Permission { request_id: String, behavior: Behavior },
}

/// Frames that have not arrived, in order. Its bound is that of the places that they hold.
#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<Numbered>,
    last_seq: u64,
    /// How many of them, from the front, this connection was given.
    given: usize,
    /// How many of them any connection was given; what was never given cannot have arrived.
    ever_given: usize,
}

struct Numbered {
    seq: u64,
    content: Content,
    _place: OwnedSemaphorePermit,
}

impl Outbox {
    pub(super) fn queue(&mut self, frame: Outgoing) {
        self.last_seq += 1;
        self.frames.push_back(Numbered { seq: self.last_seq, content: frame.content, _place: frame.place });
    }

    /// A plugin of this revision has come that has seen `received`.
    pub(super) fn connected(&mut self, revision: u32, received: u64) {
        if revision >= 2 {
            self.arrived(received);
        } else {
            // It cannot say what has arrived, so that nothing is given twice.
            self.frames.drain(..self.ever_given);
            self.ever_given = 0;
        }
        self.given = 0;
    }

    /// The plugin has these, up to this number.
    pub(super) fn arrived(&mut self, seq: u64) {
        while self.ever_given > 0 && self.frames.front().is_some_and(|frame| frame.seq <= seq) {
            self.frames.pop_front();
            self.ever_given -= 1;
            self.given = self.given.saturating_sub(1);
        }
    }

    /// The next frame that this connection is to be given, as text.
    pub(super) fn next(&mut self, revision: u32) -> Option<serde_json::Result<String>> {
        let frame = self.frames.get(self.given)?;
        let text = frame.text(revision);
        if revision >= 2 {
            self.given += 1;
            self.ever_given = self.ever_given.max(self.given);
        } else {
            self.frames.pop_front();
        }
        Some(text)
    }
}

impl Numbered {
    fn text(&self, revision: u32) -> serde_json::Result<String> {
        let seq = (revision >= 2).then_some(self.seq);
        serde_json::to_string(&match &self.content {
            Content::Inbound { content, meta } => ToPlugin::Inbound(Inbound {
                seq,
                content: Cow::Borrowed(content),
                meta: meta.iter().map(|(name, value)| (Cow::Borrowed(&**name), Cow::Borrowed(&**value))).collect(),
            }),
            Content::Permission { request_id, behavior } => {
                ToPlugin::Permission(Permission { seq, request_id: Cow::Borrowed(request_id), behavior: *behavior })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn outbox(texts: &[&str]) -> (Outbox, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(8));
        let mut outbox = Outbox::default();
        for text in texts {
            let place = places.clone().try_acquire_owned().unwrap();
            let content = Content::Inbound { content: (*text).into(), meta: BTreeMap::new() };
            outbox.queue(Outgoing { content, place });
        }
        (outbox, places)
    }

    /// The numbers and texts that come next.
    fn given(outbox: &mut Outbox, revision: u32) -> Vec<(Option<u64>, String)> {
        let frames = std::iter::from_fn(|| outbox.next(revision));
        let parsed = frames.map(|text| match ToPlugin::parse(&text.unwrap()).unwrap() {
            ToPlugin::Inbound(inbound) => (inbound.seq, inbound.content.into_owned()),
            other => panic!("{other:?}"),
        });
        parsed.collect()
    }

    #[test]
    fn what_was_not_acknowledged_is_given_again() {
        let (mut outbox, places) = outbox(&["a", "b", "c"]);
        outbox.connected(2, 0);
        assert_eq!(given(&mut outbox, 2), [(Some(1), "a".into()), (Some(2), "b".into()), (Some(3), "c".into())]);
        outbox.arrived(1);
        assert_eq!(places.available_permits(), 6, "its place is free");
        outbox.connected(2, 2);
        assert_eq!(given(&mut outbox, 2), [(Some(3), "c".into())]);
        outbox.arrived(3);
        assert_eq!(places.available_permits(), 8);
    }

    #[test]
    fn a_plugin_cannot_acknowledge_what_it_was_not_given() {
        let (mut outbox, _places) = outbox(&["a", "b"]);
        outbox.connected(2, 99);
        outbox.arrived(99);
        assert_eq!(given(&mut outbox, 2).len(), 2);
        outbox.connected(2, 1);
        outbox.next(2).unwrap().unwrap();
        outbox.arrived(u64::MAX);
        assert_eq!(given(&mut outbox, 2), []);
    }

    /// The second connection was given only the first again; the second frame may have come by the first connection.
    #[test]
    fn an_acknowledgement_may_be_for_what_an_earlier_connection_was_given() {
        let (mut outbox, places) = outbox(&["a", "b"]);
        outbox.connected(2, 0);
        given(&mut outbox, 2);
        outbox.connected(2, 0);
        outbox.next(2).unwrap().unwrap();
        outbox.arrived(2);
        assert_eq!(given(&mut outbox, 2), []);
        assert_eq!(places.available_permits(), 8);
    }

    #[test]
    fn revision_1_gets_everything_once_and_without_a_number() {
        let (mut outbox, places) = outbox(&["a", "b"]);
        outbox.connected(1, 0);
        assert_eq!(outbox.next(1).unwrap().unwrap(), r#"{"type":"inbound","content":"a","meta":{}}"#);
        outbox.connected(1, 0);
        assert_eq!(given(&mut outbox, 1), [(None, "b".into())]);
        assert_eq!(places.available_permits(), 8);
    }

    #[test]
    fn a_plugin_that_turns_old_is_given_nothing_twice() {
        let (mut outbox, _places) = outbox(&["a", "b"]);
        outbox.connected(2, 0);
        outbox.next(2).unwrap().unwrap();
        outbox.connected(1, 0);
        assert_eq!(given(&mut outbox, 1), [(None, "b".into())]);
    }
}
