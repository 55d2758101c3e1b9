//! Events for which the driver has no room yet. Nothing is read from the plugin as long as there are any, so it is one from a
//! frame, and what became of the connection since.

use super::event::ChannelEvent;

/// See the module.
#[derive(Default)]
pub(super) struct Held {
    /// From a frame. It was read before anything in `notices` happened.
    frame: Option<ChannelEvent>,
    notices: Vec<Notice>,
    /// The last notice that the driver was given.
    told: Option<Notice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    Connected(u32),
    Cut,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.frame.is_none() && self.notices.is_empty()
    }

    /// An event from a frame; frames are read only while nothing is held.
    pub(super) fn frame(&mut self, event: ChannelEvent) {
        debug_assert!(self.is_empty(), "a frame was read while the driver had no room");
        self.frame = Some(event);
    }

    /// A connection has come. Of one that came before it the driver need not hear if it has not yet.
    pub(super) fn connected(&mut self, pid: u32) {
        self.forget_connected();
        self.notices.push(Notice::Connected(pid));
    }

    /// The connection is gone.
    pub(super) fn cut(&mut self) {
        self.forget_connected();
        if matches!(self.notices.last().or(self.told.as_ref()), Some(Notice::Connected(_))) {
            self.notices.push(Notice::Cut);
        }
    }

    /// The next for the driver, who has room for it.
    pub(super) fn pop(&mut self) -> Option<ChannelEvent> {
        if let Some(frame) = self.frame.take() {
            return Some(frame);
        }
        let notice = (!self.notices.is_empty()).then(|| self.notices.remove(0))?;
        self.told = Some(notice);
        Some(match notice {
            Notice::Connected(pid) => ChannelEvent::Connected { pid },
            Notice::Cut => ChannelEvent::Cut,
        })
    }

    fn forget_connected(&mut self) {
        self.notices.pop_if(|last| matches!(last, Notice::Connected(_)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(held: &mut Held) -> String {
        let events = std::iter::from_fn(|| held.pop());
        let words = events.map(|event| match event {
            ChannelEvent::Connected { pid } => format!("connected {pid}"),
            other => format!("{other:?}").split(' ').next().unwrap().to_lowercase(),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_driver_that_keeps_up_hears_everything() {
        let mut held = Held::default();
        held.connected(1);
        assert_eq!(all(&mut held), "connected 1");
        held.connected(2);
        assert_eq!(all(&mut held), "connected 2", "one took the other's place");
        held.cut();
        assert_eq!(all(&mut held), "cut");
        assert!(held.is_empty());
    }

    #[test]
    fn one_that_does_not_hears_how_it_stands_now() {
        let mut held = Held::default();
        held.connected(1);
        held.cut();
        assert_eq!(all(&mut held), "", "it never heard that there was one");
        held.connected(1);
        all(&mut held);
        held.frame(ChannelEvent::Reply { content: "x".into(), is_final: true });
        for pid in 2..100 {
            held.cut();
            held.connected(pid);
        }
        assert_eq!(all(&mut held), "reply, cut, connected 99");
        held.cut();
        held.connected(5);
        held.cut();
        assert_eq!(all(&mut held), "cut");
    }
}
