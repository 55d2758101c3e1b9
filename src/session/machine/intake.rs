//! Turns come in, or are denied.

use std::time::Instant;

use super::core::State;
use super::{After, Denial, Effect, Job, Machine};
use crate::protocol::{EventKind, WaitReason};

impl Machine {
    pub(super) fn submit(&mut self, now: Instant, job: Job) {
        let turn = job.turn;
        if let Err(denial) = self.admit(&job) {
            self.out.push(Effect::Deny { turn, denial });
            return;
        }
        if !self.bound() {
            self.record.thread.clone_from(&job.request.thread);
            // Whoever names a thread means one with something in it.
            self.record.answered = job.request.thread.is_some();
            self.record.directory.clone_from(&job.directory);
            job.driver.name().clone_into(&mut self.record.driver);
        }
        self.record.backend = job.spec.id.clone();
        self.record.unnamed &= job.request.unnamed;
        self.end_lingering(now);
        self.out.push(Effect::Save(self.record.clone()));
        let thread = if job.request.renew { &self.planned } else { self.thread() }.clone();
        self.out.push(Effect::Accept { turn, thread });
        self.queue.push_back(job);
        self.settle(now);
        if self.queue.front().is_some_and(|front| front.turn != turn || self.active().is_some()) {
            self.emit(turn, EventKind::Waiting(WaitReason::Queued));
        }
    }

    fn admit(&self, job: &Job) -> Result<(), Denial> {
        self.alive()?;
        if self.queue.len() >= self.policy.queue_max {
            return Err(Denial::QueueFull { queue_max: self.policy.queue_max });
        }
        if self.bound() && job.request.thread.as_ref().is_some_and(|wanted| wanted != self.thread()) {
            return Err(Denial::OtherThread { bound: self.thread().clone() });
        }
        if self.bound() && job.driver.name() != self.record.driver {
            return Err(Denial::OtherDriver {
                bound: self.record.driver.clone(),
                wanted: job.spec.id.to_string(),
                driver: job.driver.name().to_owned(),
            });
        }
        if self.bound() && job.request.workspace.as_ref().is_some_and(|wanted| *wanted != self.record.directory) {
            return Err(Denial::OtherDirectory { bound: self.record.directory.clone() });
        }
        Ok(())
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

    /// Whether the session's thread, driver and directory are settled: it has a thread, or is about to.
    pub(super) fn bound(&self) -> bool {
        self.record.thread.is_some() || self.attached.is_some() || !self.queue.is_empty()
    }
}
