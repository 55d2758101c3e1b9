//! A fresh context in the process that is there.
//!
//! ```text
//!            a turn wants a clean context, or the session is reset          Cleared
//!  Idle ───────────────────────────────────────────────────────▶ Clearing ─────────▶ Idle, in a new thread
//!  Active ─ the end of a call that keeps nothing ──────────────▶    │ refused, or not in time
//!                                                                   └─────────▶ Stopping
//! ```
//!
//! The agent names the new thread, and later than whoever waits in line was told of one. So a turn to which a thread was
//! promised gets that, in a new process; only who was told that the thread may change is given the cleared one.

use std::time::{Duration, Instant};

use super::boundary::crosses;
use super::core::State;
use super::{Effect, Job, Machine};
use crate::driver::{CommandKind, Plan};
use crate::protocol::ThreadId;

/// How long an agent may take to clear its context before its process is ended instead. It takes tens of milliseconds, and
/// longer only where a person's own hooks run.
pub(super) const CLEAR_MAX: Duration = Duration::from_secs(5);

impl Machine {
    /// The agent has no turn, or none any more. What it knows goes, too, where that was a call that keeps nothing: before
    /// anybody asks for the next one.
    pub(super) fn rest(&mut self, now: Instant) {
        let clears = self.context_goes();
        self.state = State::Idle { since: now };
        if clears {
            self.forget_context();
        }
        if !clears || self.after.is_some() {
            self.settle(now);
        } else if self.queue.is_empty() && self.can_clear() {
            self.clear(now);
        } else {
            self.stop(now);
        }
    }

    /// The turn at the front is to find a clean context, and the record has none any more. Gives it one in the process that
    /// there is, or ends that.
    pub(super) fn renew(&mut self, now: Instant) {
        let suits = self.queue.front().zip(self.attached.as_ref()).is_some_and(|(job, attached)| {
            let wanted = self.wanted(job);
            // What was said to the process when it started is not cleared.
            attached.prompt == wanted.system_prompt
                && self.record.thread.is_none()
                && !job.promised
                && self.plan(attached, job, &wanted, &self.record.directory) == Plan::Live
        });
        if suits && self.can_clear() { self.clear(now) } else { self.stop(now) }
    }

    /// Carries out a reset while no turn runs.
    pub(super) fn reset_idle(&mut self, now: Instant) {
        if self.attached.as_ref().is_some_and(|attached| attached.cleared) {
            self.after = None;
            self.was_reset(now);
        } else if self.can_clear() {
            self.out.push(Effect::MarkIdle(false));
            self.clear(now);
        } else {
            self.stop(now);
        }
    }

    /// The thread is gone.
    pub(super) fn was_reset(&mut self, now: Instant) {
        self.record.reset();
        self.anew = None;
        self.failures = 0;
        self.out.push(Effect::Save);
        self.out.push(Effect::Finished);
        self.settle(now);
    }

    /// The agent knows nothing any more.
    pub(super) fn cleared(&mut self, now: Instant, thread: ThreadId) {
        if !matches!(self.state, State::Clearing { .. }) {
            return;
        }
        if let Some(attached) = &mut self.attached {
            attached.thread = thread;
            attached.options.system_prompt.clone_from(&attached.prompt);
            attached.cleared = true;
        }
        self.rest(now);
    }

    /// What was said in the thread is nobody's any more, nor what was allowed.
    pub(super) fn forget_context(&mut self) {
        self.begin_anew();
        self.record.allowed.clear();
    }

    /// Whether the running turn takes its thread with it.
    pub(super) fn context_goes(&self) -> bool {
        matches!(&self.state, State::Active(active) | State::Interrupting { active, .. } if active.clears)
    }

    /// Whether a turn that comes in now finds what others have left.
    pub(super) fn has_context(&self) -> bool {
        self.record.thread.is_some() || !self.queue.is_empty() || self.active().is_some()
    }

    /// The thread of a process that was cleared, if this turn is the next to get it.
    pub(super) fn cleared_for(&self, job: &Job) -> Option<&ThreadId> {
        let attached = self.attached.as_ref().filter(|attached| attached.cleared && !self.has_context())?;
        let suits = matches!(self.state, State::Idle { .. })
            && self.plan(attached, job, &self.wanted(job), &job.directory) == Plan::Live;
        suits.then_some(&attached.thread)
    }

    /// Whether the turn that comes in gets a thread that the agent is yet to name.
    pub(super) fn is_clearing_for(&self, job: &Job) -> bool {
        let wants_another = (job.request.renew && self.has_context()) || crosses(self.record.boundary, job);
        match self.state {
            State::Clearing { .. } => true,
            State::Idle { .. } => self.queue.is_empty() && wants_another && self.can_clear(),
            _ => false,
        }
    }

    fn can_clear(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.driver.0.clears(&attached.spec.id))
    }

    fn clear(&mut self, now: Instant) {
        let command = self.command(CommandKind::Clear);
        self.state = State::Clearing { since: now, command };
    }
}
