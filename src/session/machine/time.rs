//! The session's one timer: the earliest of the limits that its state is under, and what follows when it comes.

use std::time::{Duration, Instant};

use super::clear::CLEAR_MAX;
use super::core::{Active, State};
use super::lost::RECALL_MAX;
use super::{Effect, Job, Machine, Policy};
use crate::protocol::{DriverEnd, ErrorKind, InterruptCause, TurnEnding, TurnError};

/// What a driver gets beyond its own bounds to end a process, before its word is no longer awaited.
const STOP_SLACK: Duration = Duration::from_secs(15);

impl Policy {
    /// How long a turn goes on when nobody reads it any more.
    pub(super) fn grace(&self, lingers: bool) -> Duration {
        if lingers { self.linger.max(self.disconnect_grace) } else { self.disconnect_grace }
    }
}

impl Machine {
    /// When [`super::Input::Tick`] is due. While a reader presses back, the limits on the agent's silence
    /// rest, and while a question waits, that on silence does.
    pub fn deadline(&self) -> Option<Instant> {
        let lingering = self.queue.iter().filter_map(|job| job.reader_gone).min();
        [self.state_deadline(), lingering.map(|gone| gone + self.policy.linger)].into_iter().flatten().min()
    }

    fn state_deadline(&self) -> Option<Instant> {
        let limits = &self.policy.limits;
        match &self.state {
            State::NotLoaded | State::Closed => None,
            State::Backoff { until } => Some(*until),
            State::Recalling { since } => Some(*since + RECALL_MAX),
            State::Waiting { since } => Some(*since + limits.capacity),
            State::Starting { since } => Some(*since + limits.ready),
            State::Idle { since } => Some(*since + self.idle_timeout()),
            State::Clearing { since, .. } => Some(*since + CLEAR_MAX),
            State::Interrupting { since, .. } => Some(*since + limits.interrupt),
            State::Stopping { since } => Some(*since + self.stop_limit()),
            State::Active(active) => [
                (!active.begun && !self.held).then(|| active.since + limits.first_event),
                limits.silence.filter(|_| !self.held && self.questions.is_empty()).map(|limit| active.last + limit),
                limits.turn.map(|limit| active.since + limit),
                active.reader_gone.map(|gone| gone + self.policy.grace(active.lingers)),
                self.question_deadline(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        let gone = |job: &&Job| job.reader_gone.is_some_and(|gone| gone + self.policy.linger <= now);
        for turn in self.queue.iter().filter(gone).map(|job| job.turn).collect::<Vec<_>>() {
            self.interrupt(now, Some(turn), TurnEnding::Interrupted(InterruptCause::ClientGone));
        }
        if self.state_deadline().is_none_or(|at| at > now) {
            return;
        }
        if self.give_up_questions(now) && self.deadline().is_none_or(|at| at > now) {
            return;
        }
        let limits = &self.policy.limits;
        match &self.state {
            State::Backoff { .. } => self.wait_for_place(now),
            State::Recalling { .. } => self.recalled_too_late(now),
            State::Waiting { .. } => {
                let error = TurnError {
                    kind: ErrorKind::NoCapacity,
                    message: format!(
                        "all processes that may live at once (`sessions.max_live`, or `max_live` of the API key) were busy for \
                         {:?} (`limits.capacity`)",
                        limits.capacity
                    ),
                    retry_after: Some(Duration::from_secs(5)),
                };
                if let Some(job) = self.queue.pop_front() {
                    self.end(job.turn, TurnEnding::Failed(error));
                }
                self.unwait(now);
            }
            State::Starting { .. } => {
                let error = TurnError::new(
                    ErrorKind::StartFailed,
                    format!(
                        "the agent was not ready after {:?} (`limits.ready`); see whether `{}` starts in a terminal",
                        limits.ready,
                        self.attached.as_ref().map_or("it", |attached| &attached.spec.command)
                    ),
                );
                self.failures += 1;
                if let Some(job) = self.queue.pop_front() {
                    self.end(job.turn, TurnEnding::Failed(error));
                }
                self.stop(now);
            }
            // One that does not clear its context is of no more use than one that nobody used for long.
            State::Idle { .. } | State::Clearing { .. } => self.stop(now),
            State::Active(active) => {
                let ending = self.overdue(active, now);
                self.interrupt(now, None, ending);
            }
            State::Interrupting { active, ending, .. } => {
                let (active, ending) = (active.clone(), ending.clone());
                self.over();
                self.lost(&active, ending);
                self.stop(now);
            }
            State::Stopping { .. } => {
                // The driver keeps bounds of its own; that it broke them is a defect, but no reason to hang.
                self.out.push(Effect::DropAttachment);
                self.detached(now, DriverEnd::Detached);
            }
            State::NotLoaded | State::Closed => {}
        }
    }

    /// A reader begins, or ceases, to press back.
    pub(super) fn hold(&mut self, now: Instant, held: bool) {
        self.held = held;
        if let State::Active(active) = &mut self.state
            && !held
        {
            // What the agent said meanwhile is taken only now.
            active.alive(now);
        }
    }

    /// Which of the running turn's limits is reached, as its ending.
    fn overdue(&self, active: &Active, now: Instant) -> TurnEnding {
        let limits = &self.policy.limits;
        if active.reader_gone.is_some_and(|gone| gone + self.policy.grace(active.lingers) <= now) {
            return TurnEnding::Interrupted(InterruptCause::ClientGone);
        }
        let message = if !active.begun && !self.held && active.since + limits.first_event <= now {
            format!("the agent showed no sign of life for {:?} (`limits.first_event`)", limits.first_event)
        } else if limits.turn.is_some_and(|limit| active.since + limit <= now) {
            format!("the turn took longer than {:?} (`limits.turn`)", limits.turn.unwrap_or_default())
        } else {
            format!("the agent was silent for {:?} (`limits.silence`)", limits.silence.unwrap_or_default())
        };
        TurnEnding::Failed(TurnError::new(ErrorKind::TimedOut, message))
    }

    /// The latest moment by which a driver must have ended its process.
    pub(super) fn stop_limit(&self) -> Duration {
        self.policy.limits.stop_eof * 2 + self.policy.limits.stop_term + STOP_SLACK
    }
}
