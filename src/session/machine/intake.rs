//! Turns come in, or are denied.

use std::time::Instant;

use super::core::State;
use super::{After, Denial, Effect, Job, Machine};
use crate::protocol::{EventKind, ThreadId, WaitReason};

impl Machine {
    pub(super) fn submit(&mut self, now: Instant, mut job: Job) {
        let turn = job.turn;
        let thread = match self.admit(&job) {
            Ok(thread) => thread,
            Err(denial) => {
                self.out.push(Effect::Deny { turn, denial });
                return;
            }
        };
        if !self.bound() {
            self.bind(&job);
        }
        self.record.backend = job.spec.id.clone();
        // Which of the sessions that serve calls is to be there for long may change with each call.
        self.record.unnamed = job.request.unnamed && (self.record.unnamed || job.request.call.is_some());
        self.end_lingering(now);
        self.out.push(Effect::Save);
        let is_provisional = self.is_provisional(&thread) || self.is_clearing_for(&job);
        job.promised = !is_provisional;
        self.out.push(Effect::Accept { turn, thread, is_provisional });
        self.queue.push_back(job);
        #[cfg(feature = "broken")]
        if crate::broken::has(crate::broken::Fault::Lifo) {
            self.queue.rotate_right(1);
        }
        self.settle(now);
        if self.queue.front().is_some_and(|front| front.turn != turn || self.active().is_some()) {
            self.emit(turn, EventKind::Waiting(WaitReason::Queued));
        }
    }

    /// The thread that the job will belong to, as far as is known.
    fn admit(&self, job: &Job) -> Result<ThreadId, Denial> {
        self.alive()?;
        if self.queue.len() >= self.policy.queue_max {
            return Err(Denial::QueueFull { queue_max: self.policy.queue_max });
        }
        let Some(settled) = self.settled_for(job)? else {
            let cleared = self.cleared_for(job).unwrap_or(&self.planned);
            return Ok(job.request.thread.as_ref().unwrap_or(cleared).clone());
        };
        match settled.refuse(job) {
            Some(denial) => Err(denial),
            None if job.request.renew && self.has_context() => Ok(self.planned.clone()),
            None => Ok(settled.thread.clone()),
        }
    }

    /// Whether the agent is yet to say that it knows the thread of the turn that comes in, which is the next to begin.
    fn is_provisional(&self, thread: &ThreadId) -> bool {
        let is_open = match self.state {
            State::Idle { .. } | State::Active(_) | State::Interrupting { .. } | State::Closed => false,
            _ => self.record.answered && self.resumable() == Some(thread),
        };
        self.queue.is_empty() && self.active().is_none() && (is_open || self.anew.is_some())
    }

    /// Whether the session takes anything at all.
    pub(super) fn alive(&self) -> Result<(), Denial> {
        match (self.after, &self.state) {
            (Some(After::Shutdown | After::ShutdownNow), _) => Err(Denial::ShuttingDown),
            (Some(After::Seal), _) => Err(Denial::Closed),
            _ if self.record.closed && self.after != Some(After::Reset) => Err(Denial::Closed),
            (Some(After::Close), _) | (_, State::Closed) => Err(Denial::Closing),
            _ => Ok(()),
        }
    }
}
