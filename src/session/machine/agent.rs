//! What the attachment says.

use std::time::Instant;

use super::core::{Active, State};
use super::lost::Loss;
use super::{Effect, Machine};
use crate::driver::DriverEvent;
use crate::protocol::{DriverEnd, ErrorKind, EventKind, ThreadId, TurnEnding, TurnError};

impl Machine {
    pub(super) fn driver(&mut self, now: Instant, event: DriverEvent) {
        match event {
            DriverEvent::Ready { .. } => {
                if matches!(self.state, State::Starting { .. }) {
                    self.rest(now);
                }
            }
            DriverEvent::Acked { command, result } => {
                if self.steer_acked(command, result.clone()) {
                    return;
                }
                if matches!(&self.state, State::Clearing { command: clear, .. } if *clear == command) {
                    if result.is_err() {
                        self.stop(now);
                    }
                    return;
                }
                if let Err(error) = &result
                    && self.refused_behind(command, error)
                {
                    return;
                }
                if let (State::Active(active) | State::Interrupting { active, .. }, Err(error)) = (&self.state, result)
                    && active.command == command
                {
                    let turn = active.turn;
                    self.over();
                    self.end(turn, TurnEnding::Failed(error));
                    self.rest(now);
                }
            }
            DriverEvent::Cleared { thread } => self.cleared(now, thread),
            DriverEvent::Began { thread } => self.began(now, thread),
            DriverEvent::Step(kind) => match &mut self.state {
                State::Active(active) => {
                    active.last = now;
                    let turn = active.turn;
                    self.emit(turn, kind);
                }
                // Nobody is to wait for what a turn says that is being interrupted.
                State::Interrupting { dropped, .. } => *dropped = true,
                _ => {}
            },
            DriverEvent::Alive => match &mut self.state {
                State::Active(active) => active.alive(now),
                // Somebody is at its terminal.
                State::Idle { since } => *since = now,
                _ => {}
            },
            DriverEvent::TypedTurn { turn, thread, text } => self.typed_turn(now, turn, thread, text),
            DriverEvent::TypedSteer { text } => self.typed_steer(now, text),
            DriverEvent::SteerConsumed { command } => self.steer_consumed(command),
            DriverEvent::Asked(question) => self.asked(now, question),
            DriverEvent::Allowed { question } => self.allowed_there(&question),
            DriverEvent::TurnEnded(ending) => self.turn_ended(now, ending),
            DriverEvent::Closed(end) => self.detached(now, end),
        }
    }

    fn began(&mut self, now: Instant, thread: ThreadId) {
        match &mut self.state {
            State::Active(active) => {
                active.begun = true;
                active.last = now;
                let turn = active.turn;
                self.emit(turn, EventKind::Started { thread: thread.clone() });
            }
            State::Interrupting { active, .. } => active.begun = true,
            _ => return,
        }
        self.note_thread(thread);
        if matches!(self.state, State::Active(_)) {
            self.send_steers();
        }
    }

    /// The agent's thread is this one.
    pub(super) fn note_thread(&mut self, thread: ThreadId) {
        if let Some(attached) = &mut self.attached {
            attached.thread = thread.clone();
        }
        if self.record.thread.as_ref() != Some(&thread) {
            // Should the daemon be killed in this turn, the agent knows the thread by now; or else nothing is lost by a new
            // one, for no turn of it was answered.
            self.record.thread = Some(thread);
            self.out.push(Effect::Save);
        }
    }

    /// The running turn takes nothing any more: no input, and no answers.
    pub(super) fn over(&mut self) {
        self.close_questions(false);
        self.drop_steers();
    }

    fn turn_ended(&mut self, now: Instant, ending: TurnEnding) {
        let (turn, ending) = match &self.state {
            State::Active(active) => (active.turn, ending),
            // What was finished before the interrupt came through is finished, if its reader has all of it.
            State::Interrupting { active, ending: wanted, dropped, .. } => match ending {
                TurnEnding::Completed { .. } if !dropped => (active.turn, ending),
                _ => (active.turn, wanted.clone()),
            },
            _ => return,
        };
        self.over();
        self.failures = 0;
        self.record.answered = true;
        self.keep_thread();
        self.end(turn, ending);
        self.next(now);
    }

    pub(super) fn detached(&mut self, now: Instant, end: DriverEnd) {
        let error = match end {
            DriverEnd::Failed(error) => error,
            DriverEnd::Detached => TurnError::new(ErrorKind::AgentLost, "the agent's process was ended"),
        };
        self.over();
        match std::mem::replace(&mut self.state, State::NotLoaded) {
            // Another conversation begins: it has lost nothing.
            State::Starting { .. } if error.kind == ErrorKind::ThreadNotFound && self.enter() => {}
            State::Starting { .. } => match self.loss(&error) {
                Some(Loss::Nothing) => {
                    // Under the id that was promised with the turn, which the agent has never heard of.
                    self.planned = self.record.thread.take().unwrap_or_else(ThreadId::generate);
                    self.out.push(Effect::Save);
                }
                Some(Loss::Conversation(first)) => self.recall(now, first),
                loss => {
                    self.failures += 1;
                    let error = if loss.is_some() { self.without_thread(error) } else { error };
                    self.fail_front(error);
                }
            },
            State::Active(active) => self.lost(&active, TurnEnding::Failed(error)),
            State::Interrupting { active, ending, .. } => self.lost(&active, ending),
            State::Idle { .. } | State::Clearing { .. } | State::Stopping { .. } => {}
            other => {
                self.state = other;
                return;
            }
        }
        self.lose_behind();
        self.attached = None;
        self.out.push(Effect::ReleasePlace);
        self.settle(now);
    }

    /// The running turn ends with its process, not by the agent's word.
    pub(super) fn lost(&mut self, active: &Active, ending: TurnEnding) {
        if active.begun {
            // The agent has written the thread down by now; what it did is not lost on the next turn.
            self.keep_thread();
        }
        self.end(active.turn, ending);
        if active.clears {
            self.forget_context();
        }
    }

    /// From here on the agent has something that can be resumed.
    fn keep_thread(&mut self) {
        self.record.turns += 1;
        self.record.generation += u64::from(self.anew.take().is_some());
        self.record.thread = self.attached.as_ref().map(|attached| attached.thread.clone());
        self.out.push(Effect::Save);
    }
}
