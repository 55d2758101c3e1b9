//! Turns that a person begins in the agent's own terminal, past the session.
//!
//! The agent says of one when it has begun. If the session has given it a turn in the same moment, the driver holds that back:
//! here it is `behind`, and the session's again when the person's turn has ended. Turns that wait in the queue are none the
//! wiser: the session is busy.

use std::time::Instant;

use super::core::{Active, State};
use super::{Effect, Machine};
use crate::driver::CommandId;
use crate::protocol::{ErrorKind, EventKind, SteerId, ThreadId, TurnEnding, TurnError, TurnId};

/// No command's number: those begin with 1.
const NO_COMMAND: CommandId = 0;

impl Machine {
    pub(super) fn typed_turn(&mut self, now: Instant, turn: TurnId, thread: ThreadId, text: String) {
        let Some(backend) = self.attached.as_ref().map(|attached| attached.spec.id.clone()) else { return };
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle { .. } => self.out.push(Effect::MarkIdle(false)),
            State::Active(given) if !given.begun => self.behind = Some((given, None)),
            // What was to stop it meets the person's turn. It is stopped again when its time has come.
            State::Interrupting { active, ending, .. } if !active.begun => self.behind = Some((active, Some(ending))),
            other => {
                self.state = other;
                return;
            }
        }
        self.state = State::Active(Active {
            turn,
            command: NO_COMMAND,
            begun: true,
            since: now,
            last: now,
            reader_gone: None,
            lingers: false,
            clears: false,
        });
        if self.record.first_turn.is_none() {
            self.record.first_turn = Some(turn);
        }
        self.out.push(Effect::Save);
        self.out.push(Effect::Typed { turn, backend, thread: thread.clone(), text });
        self.emit(turn, EventKind::Typed { steer: None });
        self.emit(turn, EventKind::Started { thread: thread.clone() });
        self.note_thread(thread);
        if let Some(attached) = &mut self.attached {
            attached.cleared = false;
        }
    }

    pub(super) fn typed_steer(&mut self, now: Instant, text: String) {
        let State::Active(active) = &mut self.state else { return };
        active.last = now;
        let (turn, steer) = (active.turn, SteerId::generate());
        self.emit(turn, EventKind::Steered { steer, text });
        self.emit(turn, EventKind::Typed { steer: Some(steer) });
        self.emit(turn, EventKind::SteerConsumed { steer });
    }

    /// The running turn has ended: what waits behind it is the agent's next, or the agent has none.
    pub(super) fn next(&mut self, now: Instant) {
        let Some((behind, stopped)) = self.behind.take() else { return self.rest(now) };
        let turn = behind.turn;
        self.state = State::Active(Active { since: now, last: now, ..behind });
        if let Some(ending) = stopped {
            self.interrupt(now, Some(turn), ending);
        }
    }

    /// The driver does not take the turn that waits behind a person's. False when the command was another.
    pub(super) fn refused_behind(&mut self, command: CommandId, error: &TurnError) -> bool {
        let Some((behind, stopped)) = self.behind.take_if(|(behind, _)| behind.command == command) else {
            return false;
        };
        self.end(behind.turn, stopped.unwrap_or_else(|| TurnEnding::Failed(error.clone())));
        true
    }

    /// The process is gone, and with it what it was given.
    pub(super) fn lose_behind(&mut self) {
        if let Some((behind, stopped)) = self.behind.take() {
            let lost = TurnError::new(ErrorKind::AgentLost, "the agent's process ended before it began the turn");
            self.end(behind.turn, stopped.unwrap_or(TurnEnding::Failed(lost)));
        }
    }
}
