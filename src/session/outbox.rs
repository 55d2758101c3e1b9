//! What a session's task has to hand out, in order; some of it only when the store has kept what it rests on.
//!
//! A client hears that its turn was accepted, and how it ended, and an agent is given a turn, only when that will be known
//! after a crash, too. Everything behind such a thing waits with it, so that nobody sees anything out of order.
//!
//! With one exception: a turn that nobody can ask for again may [begin](Outbox::begins) while its acceptance is being kept.
//! After a crash in between nobody has heard of it, and a request that is made once more is another turn in any case.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::submission::Submitter;
use crate::driver::Command;
use crate::protocol::{Logged, TurnId};
use crate::store::TurnRecord;

/// Something to hand out.
pub(super) enum Out {
    /// The session took a turn.
    Accepted {
        turn: Box<TurnRecord>,
        submitter: Submitter,
        said: Option<Arc<Logged>>,
        is_provisional: bool,
        start: Start,
    },
    /// An event, for all who read.
    Event { logged: Arc<Logged>, is_unread: bool },
    /// The turn ends for those who read it, though it does not: it runs when the daemon does again.
    PutOff(Arc<Logged>),
    /// A command for this attachment.
    Command { attachment: u64, command: Command },
    /// What was said from this turn on is to be read, now that all of it is kept.
    Recall { number: u64, first: TurnId },
    /// The end that somebody asked for is reached.
    Finished,
}

/// When an agent is given a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// When its acceptance is kept: who asks for it again must be told of it.
    Kept,
    /// As soon as it can.
    Soon,
    /// It has it.
    Begun,
}

/// Things to hand out, oldest first.
#[derive(Default)]
pub(super) struct Outbox {
    /// Each with the number of the write that it waits for.
    waiting: VecDeque<(Need, Out)>,
    /// Since when the first one waits.
    since: Option<Instant>,
}

/// What must be kept before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// What is about to be written.
    Batch,
    /// The write of this number.
    Write(u64),
}

impl Outbox {
    pub(super) fn push(&mut self, need: Need, out: Out) {
        #[cfg(feature = "broken")]
        let need = if crate::broken::has(crate::broken::Fault::AckBeforeCommit) { Need::Nothing } else { need };
        self.waiting.push_back((need, out));
    }

    /// Whether an agent can be given this turn before its acceptance is kept, because nothing else is before it; from then on
    /// the agent has it, and it goes on to its ending even if the store keeps nothing.
    pub(super) fn begins(&mut self, turn: TurnId) -> bool {
        let mut mine = None;
        for (_, out) in &mut self.waiting {
            match out {
                Out::Accepted { turn: accepted, start, .. } if accepted.id == turn => mine = Some(start),
                Out::Event { logged, .. } if logged.turn == turn => {}
                _ => return false,
            }
        }
        let Some(start @ Start::Soon) = mine else { return false };
        *start = Start::Begun;
        true
    }

    /// Whether the acceptance of a turn that an agent has is still being kept: whoever reads it is on the way.
    pub(super) fn has_begun(&self, turn: TurnId) -> bool {
        let is_it =
            |out: &Out| matches!(out, Out::Accepted { turn: accepted, start: Start::Begun, .. } if accepted.id == turn);
        self.waiting.iter().any(|(_, out)| is_it(out))
    }

    /// What was about to be written has this number.
    pub(super) fn written(&mut self, number: u64) {
        for (need, _) in &mut self.waiting {
            if *need == Need::Batch {
                *need = Need::Write(number);
            }
        }
    }

    /// The next one, if the store has come as far as it needs. `kept` is asked only where something waits for the store.
    pub(super) fn next(&mut self, kept: impl FnOnce() -> u64) -> Option<Out> {
        let waits = match self.waiting.front()?.0 {
            Need::Nothing => false,
            Need::Batch => return None,
            Need::Write(number) => number > kept(),
        };
        if waits {
            self.since.get_or_insert_with(Instant::now);
            return None;
        }
        self.since = None;
        self.waiting.pop_front().map(|(_, out)| out)
    }

    /// Nothing waits for the store any longer. Gives what must not be handed out without it: turns that are not accepted,
    /// commands that begin turns, conversations that are not all there.
    pub(super) fn give_up(&mut self) -> Vec<Out> {
        self.since = None;
        let mut refused = Vec::new();
        for (need, out) in std::mem::take(&mut self.waiting) {
            let is_bound = match &out {
                Out::Accepted { start, .. } => *start != Start::Begun,
                Out::Command { .. } | Out::Recall { .. } => true,
                Out::Event { .. } | Out::PutOff(_) | Out::Finished => false,
            };
            let is_bound = is_bound && need != Need::Nothing;
            if is_bound {
                refused.push(out);
            } else {
                self.waiting.push_back((Need::Nothing, out));
            }
        }
        refused
    }

    /// Since when something waits for the store.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_to_be_written_waits_for_it_wherever_it_stands() {
        let mut outbox = Outbox::default();
        outbox.push(Need::Batch, Out::Finished);
        outbox.push(Need::Write(1), Out::Finished);
        outbox.push(Need::Nothing, Out::Finished);
        assert!(outbox.next(|| u64::MAX).is_none() && outbox.since().is_none(), "nobody waits for what is not written");
        outbox.written(2);
        assert!(outbox.next(|| 1).is_none());
        let handed_out = std::iter::from_fn(|| outbox.next(|| 2)).count();
        assert!(handed_out == 3 && outbox.is_empty());
    }
}
