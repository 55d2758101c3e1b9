//! Input for a turn that runs.
//!
//! claude queues a user line that comes while it works: it reads it beside the next tool's result, or, where no tool runs any
//! more, begins again with it when it is done. Either way it says so (`--replay-user-messages`; 2.1.300 and later by
//! `command_lifecycle`, too). For turnmux it is one turn, which ends when nothing waits any more. What waits when the turn is
//! interrupted is taken back first, or claude would begin with it.

use super::{Exchange, Pending, Phase};
use crate::driver::claude_stream::input;
use crate::driver::claude_stream::turn::Steer;
use crate::driver::{CommandId, DriverEvent, TurnInput};
use crate::protocol::{ErrorKind, TurnError};
use crate::wire::claude::Request;

/// Steers of one turn that may wait for claude to take them.
const STEERS_MAX: usize = 32;

impl Exchange {
    pub(super) fn steer(&mut self, command: CommandId, text: String) {
        match &mut self.phase {
            Phase::Running(turn) if turn.interrupted || !(turn.begun || turn.held.is_some()) => {
                self.refuse(command, "no turn runs that could be steered");
            }
            Phase::Running(turn) if turn.steers.len() >= STEERS_MAX => {
                self.refuse(command, "the agent has not taken the input before this yet; say it again later");
            }
            Phase::Running(turn) => {
                let steer = Steer { command, uuid: uuid::Uuid::new_v4() };
                turn.steers.push(steer);
                let input = TurnInput { text, ..TurnInput::default() };
                input::user(&mut self.out, steer.uuid, &input, self.spec.commands);
                self.ack(command, Ok(()));
            }
            _ => self.refuse(command, "no turn runs that could be steered"),
        }
    }

    /// Whether claude is done with the turn but for input that it should begin with now.
    pub(in crate::driver::claude_stream) fn waits_for_steer(&self) -> bool {
        matches!(&self.phase, Phase::Running(turn) if turn.held.is_some()) && !self.own_turn
    }

    /// It does not begin. The input is taken back, and with it the turn ends; a claude that does not answer to that either is
    /// of no use.
    pub(in crate::driver::claude_stream) fn give_up_steers(&mut self) {
        if self.pending.values().any(|pending| matches!(pending, Pending::Cancel(_))) {
            let message = format!("{} took no notice of input that it was sent; its process is ended", self.spec.id);
            self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            return;
        }
        if let Phase::Running(turn) = &mut self.phase {
            turn.goes_on = false;
        }
        self.take_back();
        self.settle();
    }

    /// claude has taken a message of ours.
    pub(super) fn taken(&mut self, uuid: uuid::Uuid) {
        let Phase::Running(turn) = &mut self.phase else { return };
        let Some(at) = turn.steers.iter().position(|steer| steer.uuid == uuid) else { return };
        let steer = turn.steers.remove(at);
        turn.goes_on = turn.held.is_some();
        self.events.push_back(DriverEvent::SteerConsumed { command: steer.command });
    }

    /// Asks for what claude has not taken yet.
    pub(super) fn take_back(&mut self) {
        let Phase::Running(turn) = &self.phase else { return };
        for steer in turn.steers.clone() {
            self.request(Pending::Cancel(steer.uuid), Request::CancelAsyncMessage { message_uuid: steer.uuid });
        }
    }

    /// What claude says to that. A message that it has no more is one that it took, and says so, unless it is lost.
    pub(super) fn taken_back(&mut self, uuid: uuid::Uuid, is_cancelled: bool) {
        if let Phase::Running(turn) = &mut self.phase
            && (is_cancelled || !turn.interrupted)
        {
            turn.steers.retain(|steer| steer.uuid != uuid);
        }
        self.settle();
    }

    /// Ends the turn if claude is done with it and with all that steered it.
    pub(super) fn settle(&mut self) {
        let Phase::Running(turn) = &mut self.phase else { return };
        if turn.steers.is_empty()
            && !turn.goes_on
            && let Some(ending) = turn.held.take()
        {
            self.phase = Phase::Idle;
            self.events.push_back(DriverEvent::TurnEnded(ending));
        }
    }
}
