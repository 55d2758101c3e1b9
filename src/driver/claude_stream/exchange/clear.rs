//! A fresh context in the same process: `/clear`, as a person would type it.
//!
//! claude opens it as it opens a turn, asks no model, and its result names the new thread. Anything else means that the
//! process is in a state which nobody can vouch for: the session then ends it.

use super::{Exchange, Phase};
use crate::driver::claude_stream::input;
use crate::driver::{CommandId, DriverEvent};
use crate::protocol::ThreadId;
use crate::wire::claude::ResultLine;

/// A `/clear` that claude was given.
#[derive(Debug)]
pub(super) struct Clearing {
    command: CommandId,
    uuid: uuid::Uuid,
    begun: bool,
}

impl Exchange {
    pub(super) fn clear(&mut self, command: CommandId) {
        if !matches!(self.phase, Phase::Idle) || self.own_turn || self.own_turn_due {
            return self.refuse(command, "the agent is at work; its context can be cleared between turns only");
        }
        if let Some(why) = self.residue.why() {
            return self.refuse(command, why);
        }
        let uuid = uuid::Uuid::new_v4();
        input::clear(&mut self.out, uuid);
        self.began = None;
        self.phase = Phase::Clearing(Clearing { command, uuid, begun: false });
    }

    /// claude begins with something, which is to be our `/clear`.
    pub(super) fn clear_begins(&mut self) {
        let Phase::Clearing(clearing) = &mut self.phase else { return };
        clearing.begun = if self.says_what_began { self.began == Some(clearing.uuid) } else { !self.own_turn_due };
        if clearing.begun {
            return;
        }
        let command = clearing.command;
        self.own_turn = true;
        self.phase = Phase::Idle;
        self.refuse(command, "the agent began a turn of its own before its context could be cleared");
    }

    /// claude is done with something.
    pub(super) fn clear_ended(&mut self, line: &ResultLine<'_>) {
        let Phase::Clearing(Clearing { command, begun, .. }) = self.phase else { return };
        if !begun {
            // A second result of what was before.
            self.noise += 1;
            return;
        }
        self.phase = Phase::Idle;
        let thread = ThreadId::parse(&line.session_id).ok().filter(|thread| self.thread.as_ref() != Some(thread));
        match thread.filter(|_| !line.is_error && line.subtype == "success") {
            Some(thread) => {
                self.thread = Some(thread.clone());
                self.ack(command, Ok(()));
                self.events.push_back(DriverEvent::Cleared { thread });
            }
            None => self.refuse(command, "the agent did not begin a new conversation when it was told to"),
        }
    }
}
