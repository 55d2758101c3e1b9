//! A thread that its agent does not know any more: the session goes on with a new one, which is told the conversation.
//!
//! ```text
//!  Starting ── thread unknown ─▶ Recalling ── recalled ─▶ NotLoaded ─▶ … ─▶ Starting (new) ─▶ Idle ─▶ Active (told) ─▶ kept
//!                                    │ not in time, not readable: the turn fails, unless it brings its conversation along
//! ```
//!
//! The record has the lost thread until a turn has ended in the new one. So whatever comes between, the end of the daemon
//! included, the loss is found again, and no turn begins in a new thread without a word.

use std::time::{Duration, Instant};

use super::core::State;
use super::{Effect, Job, Machine, Recalled};
use crate::protocol::{ErrorKind, EventKind, LostThread, ThreadId, TurnEnding, TurnError, TurnId};
use crate::session::preface;

/// How long the conversation may take to come out of the store: what is to be kept before that takes a while of its own.
pub(super) const RECALL_MAX: Duration = Duration::from_secs(30);

/// What a new thread is begun with in place of a lost one.
#[derive(Debug)]
pub(super) struct Anew {
    lost: ThreadId,
    /// The conversation, or why it cannot be had.
    told: Result<Recalled, TurnError>,
}

/// What goes with a thread that the agent does not know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing: no turn of it ever ended. The agent writes a thread down only some moments after its first words, and may
    /// have been killed before.
    Nothing,
    /// The conversation that began with this turn.
    Conversation(TurnId),
    /// The turn at the front is not to run without it.
    Turn,
}

impl Machine {
    /// What the failed start means for the session; none when it is no thread's loss.
    pub(super) fn loss(&self, error: &TurnError) -> Option<Loss> {
        let thread = self.resumable()?;
        let front = self.queue.front();
        if error.kind != ErrorKind::ThreadNotFound {
            return None;
        }
        if !self.record.answered {
            return Some(Loss::Nothing);
        }
        let job = front?;
        // Whoever names a thread wants that one. One in which no turn of this session has begun was named, too.
        let is_named = job.request.thread.as_ref() == Some(thread);
        Some(match self.record.first_turn {
            Some(first) if !is_named && self.policy.lost_thread == LostThread::Continue => Loss::Conversation(first),
            _ => Loss::Turn,
        })
    }

    /// The error of a turn that is not to run without its thread.
    pub(super) fn without_thread(&self, error: TurnError) -> TurnError {
        if self.policy.lost_thread == LostThread::Continue || self.record.first_turn.is_none() {
            return error;
        }
        let message = format!(
            "{}; with `sessions.lost_thread = \"continue\"` a new thread is told the conversation instead",
            error.message
        );
        TurnError { message, ..error }
    }

    /// The thread that an agent is expected to know.
    pub(super) fn resumable(&self) -> Option<&ThreadId> {
        self.record.thread.as_ref().filter(|_| self.anew.is_none())
    }

    /// Asks for the conversation that began with this turn.
    pub(super) fn recall(&mut self, now: Instant, first: TurnId) {
        self.recalls += 1;
        self.state = State::Recalling { since: now };
        self.out.push(Effect::Recall { number: self.recalls, first });
    }

    /// Here it is, or it cannot be had.
    pub(super) fn recalled(&mut self, now: Instant, number: u64, told: Result<Recalled, TurnError>) {
        if matches!(self.state, State::Recalling { .. }) && number == self.recalls {
            self.go_on_anew(now, told);
        }
    }

    pub(super) fn recalled_too_late(&mut self, now: Instant) {
        let message = format!("what was said in this session could not be read from the store within {RECALL_MAX:?}");
        self.go_on_anew(now, Err(TurnError::new(ErrorKind::StoreUnavailable, message)));
    }

    fn go_on_anew(&mut self, now: Instant, told: Result<Recalled, TurnError>) {
        self.state = State::NotLoaded;
        if let Some(lost) = self.record.thread.clone() {
            self.anew = Some(Anew { lost, told });
        }
        if let Some(error) = self.queue.front().and_then(|job| self.untold(job)) {
            // The next turn tries again, from the beginning.
            self.anew = None;
            self.failures += 1;
            self.fail_front(error);
        }
        self.settle(now);
    }

    /// Why this turn cannot be given to a new thread, if it cannot.
    pub(super) fn untold(&self, job: &Job) -> Option<TurnError> {
        let told = self.anew.as_ref().map(|anew| &anew.told);
        told.and_then(|told| told.as_ref().err()).filter(|_| job.request.history.is_empty()).cloned()
    }

    pub(super) fn fail_front(&mut self, error: TurnError) {
        if let Some(job) = self.queue.pop_front() {
            self.end(job.turn, TurnEnding::Failed(error));
        }
    }

    /// What the turn's thread is told of what came before it, and the event that says so where that was lost. What the
    /// caller brings along counts more than what was kept.
    pub(super) fn story(&self, job: &Job) -> (Option<String>, Option<EventKind>) {
        let brought = &job.request.history;
        let Some(Anew { lost, told }) = &self.anew else {
            let story = self.record.thread.is_none().then(|| preface::history(brought));
            return (story.flatten(), None);
        };
        let (story, recalled) = match told {
            Ok(told) if brought.is_empty() => (preface::recalled(told), told.messages.len()),
            _ => (preface::history(brought), brought.len()),
        };
        let to = self.attached.as_ref().map_or(&self.planned, |attached| &attached.thread);
        (story, Some(EventKind::ContextLost { from: lost.clone(), to: to.clone(), recalled }))
    }
}
