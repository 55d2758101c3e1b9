//! What is due when nothing comes: a push is sent again, an end waits no longer for the transcript.

use std::time::{Duration, Instant};

use super::{Act, Exchange};
use crate::driver::claude_channel::turn::{Stage, Turn};
use crate::protocol::{ErrorKind, TurnError};

/// How long claude may be idle with a push on the way before it is pushed again. It takes 40 to 65 ms; but a claude that
/// still paints a huge answer, or that takes a huge message in, hears nothing for seconds, so each push waits twice as long
/// as the one before.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// What a message's size adds to that, for each MiB.
const TAKEN_WITHIN_PER_MIB: Duration = Duration::from_secs(2);

/// How much longer it may be with the first push of all. Until a hook has come nobody knows that any will, and a message that
/// was taken without a word would run again if it were pushed again.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Pushes of the same message.
pub(super) const PUSHES_MAX: u8 = 4;

impl Exchange {
    /// When [`Exchange::tick`] is due.
    pub(in crate::driver::claude_channel) fn deadline(&self) -> Option<Instant> {
        let turn = self.turn.as_ref().filter(|_| self.broken.is_none())?;
        match &turn.stage {
            Stage::Given if self.busy => None,
            Stage::Given if !self.heard => Some(turn.since + HEARD_WITHIN + taken_within(turn)),
            Stage::Given => Some(turn.since.max(self.idle_since.unwrap_or(turn.since)) + taken_within(turn)),
            Stage::Running => turn.presumed_until,
            Stage::Ended(_) => Some(turn.since + turn.patience(self.writes)),
        }
    }

    /// Does what is due.
    pub(in crate::driver::claude_channel) fn tick(&mut self, now: Instant) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        match &turn.stage {
            Stage::Given if !self.heard => {
                let message = format!(
                    "{}: claude calls no hooks, so nothing is known of what it does; its process is ended. See whether its settings \
                     say `disableAllHooks` or allow managed hooks only, or take `driver = \"claude-stream\"`",
                    self.spec.id
                );
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
            Stage::Given if turn.pushes >= PUSHES_MAX => {
                let message = format!(
                    "{} was idle and took no message through its channel, {PUSHES_MAX} times; its process is ended",
                    self.spec.id
                );
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
            Stage::Given => {
                tracing::warn!(pid = self.pid, push = turn.pushes, "a message was not taken; it is pushed again");
                self.push_again(now);
            }
            Stage::Running => self.never_began(now),
            Stage::Ended(_) => self.complete(now),
        }
    }

    /// A push waits for a person who has opened a menu: it is not pushed again for that.
    pub(in crate::driver::claude_channel) fn put_off(&mut self, now: Instant) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage == Stage::Given) {
            turn.since = now;
        }
    }

    pub(super) fn push_again(&mut self, now: Instant) {
        let Some(turn) = &mut self.turn else { return };
        turn.stage = Stage::Given;
        turn.pushes += 1;
        turn.since = now;
        self.acts.push_back(Act::Push { id: turn.id.uuid(), content: turn.content.clone() });
    }
}

/// How long a push may be on the way. Bounded, for the API bounds a message and `PUSHES_MAX` the pushes.
fn taken_within(turn: &Turn) -> Duration {
    let mebibytes = u32::try_from(turn.content.len() >> 20).unwrap_or(u32::MAX);
    let doubled = TAKEN_WITHIN.saturating_mul(1 << turn.pushes.saturating_sub(1).min(8));
    doubled.saturating_add(TAKEN_WITHIN_PER_MIB.saturating_mul(mebibytes))
}
