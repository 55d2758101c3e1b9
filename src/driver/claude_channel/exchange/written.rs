//! What claude writes down: its log says that it stopped, its transcript has the rest.

use std::time::Instant;

use super::due::PUSHES_MAX;
use super::{Exchange, LATE};
use crate::driver::DriverEvent;
use crate::driver::claude_channel::transcript::Entry;
use crate::driver::claude_channel::turn::{Ended, Stage};

impl Exchange {
    /// claude's log says that it stopped what it was at.
    pub(in crate::driver::claude_channel) fn cancelled(&mut self, now: Instant) {
        self.marks_due += 1;
        if self.marks_due > 0 {
            self.interrupted(now);
        }
    }

    /// Takes an entry of the transcript.
    pub(in crate::driver::claude_channel) fn entry(&mut self, now: Instant, entry: Entry) {
        self.writes = true;
        match entry {
            Entry::Interrupted { .. } => {
                self.marks_due -= 1;
                if self.marks_due < 0 {
                    self.interrupted(now);
                }
            }
            Entry::Assistant(said) => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage != Stage::Given) {
                    turn.written(&said);
                    self.settle(now);
                }
            }
            Entry::QueuedCommand(content) => {
                if self.is_named_behind(&content) {
                    return self.taken_along(now);
                }
                self.merged_typed(&content);
                if let Some(turn) = &mut self.turn {
                    // Older releases merge a steer without calling the hook.
                    let taken = turn.take_steers(&content);
                    self.events.extend(taken.into_iter().map(|command| DriverEvent::SteerConsumed { command }));
                    self.settle(now);
                }
            }
            // Merged, which another entry says; or taken back into the prompt, to be typed again.
            Entry::Removed(Some(content)) => self.forget_typed(&content),
            Entry::TurnDuration => {
                if let Some(turn) = &mut self.turn {
                    turn.duration();
                    self.settle(now);
                }
            }
            _ => {}
        }
    }

    fn interrupted(&mut self, now: Instant) {
        self.busy = false;
        self.idle_since = Some(now);
        if std::mem::take(&mut self.dropping) {
            return self.settle(now);
        }
        let stray = self.stray.take().is_some_and(|since| now < since + LATE);
        if stray && self.turn.as_ref().is_some_and(|turn| turn.is_untouched() && turn.pushes < PUSHES_MAX) {
            tracing::warn!(
                pid = self.pid,
                "an interrupt met the turn after the one that it was for; it is pushed again"
            );
            return self.push_again(now);
        }
        // Whoever wanted it: claude has stopped, and no other end of the turn follows.
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage == Stage::Running) {
            turn.stage = Stage::Ended(Ended::Interrupted);
            turn.since = now;
            self.settle(now);
        }
    }
}
