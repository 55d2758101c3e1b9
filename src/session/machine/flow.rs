//! From a turn that waits to a turn that the agent has.

use std::time::{Duration, Instant};

use super::core::{Active, Attached, State};
use super::{DriverRef, Effect, Job, Machine};
use crate::driver::{CommandKind, OpenRequest, Plan, RawWanted, TurnInput};
use crate::protocol::{BackendSpec, ErrorKind, ThreadId, ThreadOrigin, TurnEnding, TurnError, TurnOptions, WaitReason};
use crate::session::preface;

/// Failed starts in a row before the next one is put off.
const FAILURES_FREE: u32 = 2;
/// The first wait before another start; it doubles with each failure.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait before another start.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

impl Machine {
    /// Moves on as far as the state allows without anything else happening.
    pub(super) fn settle(&mut self, now: Instant) {
        match self.state {
            State::NotLoaded if self.after.is_some() => self.finished(now),
            State::NotLoaded if self.queue.is_empty() => {}
            State::NotLoaded if self.failures >= FAILURES_FREE => {
                let doublings = (self.failures - FAILURES_FREE).min(8);
                let wait = (BACKOFF_FIRST * 2u32.pow(doublings)).min(BACKOFF_MAX);
                self.state = State::Backoff { until: now + wait };
            }
            State::NotLoaded => self.wait_for_place(now),
            State::Idle { .. } if self.after.is_some() => self.stop(now),
            State::Idle { .. } if self.queue.is_empty() => self.out.push(Effect::MarkIdle(true)),
            State::Idle { .. } => self.begin(now),
            _ => {}
        }
    }

    pub(super) fn wait_for_place(&mut self, now: Instant) {
        self.state = State::Waiting { since: now };
        self.out.push(Effect::AcquirePlace);
    }

    pub(super) fn place_granted(&mut self, now: Instant) {
        if !matches!(self.state, State::Waiting { .. }) {
            return;
        }
        self.enter();
        let Some(job) = self.queue.front() else {
            return self.unwait(now);
        };
        let (spec, driver) = (job.spec.clone(), job.driver.clone());
        let wanted = self.wanted(job);
        let (origin, options) = match self.resumable().cloned() {
            // What the thread goes by is what it was started with; what is new is told with the turn.
            Some(thread) => (
                ThreadOrigin::Resume(thread),
                TurnOptions { system_prompt: self.record.instructions.clone(), ..wanted },
            ),
            None => (ThreadOrigin::New(std::mem::replace(&mut self.planned, ThreadId::generate())), wanted),
        };
        self.attached = Some(Attached {
            spec: spec.clone(),
            driver: DriverRef(driver.clone()),
            options: options.clone(),
            thread: origin.thread().clone(),
        });
        let request = OpenRequest {
            origin,
            spec,
            directory: self.record.directory.clone(),
            options,
            label: self.record.key.to_string(),
            raw: RawWanted::default(),
        };
        self.state = State::Starting { since: now };
        self.tell_front(WaitReason::Starting);
        self.out.push(Effect::Open { driver: DriverRef(driver), request });
    }

    /// Gives the turn at the front to the agent, or ends the process where the turn needs another one.
    fn begin(&mut self, now: Instant) {
        self.out.push(Effect::MarkIdle(false));
        if self.enter() {
            return self.stop(now);
        }
        let (Some(job), Some(attached)) = (self.queue.front(), &self.attached) else { return self.settle(now) };
        let wanted = self.wanted(job);
        let plan = if same_process(&attached.spec, &job.spec) {
            job.driver.plan(&attached.options, &wanted)
        } else {
            Plan::Restart
        };
        match plan {
            Plan::Live => {}
            Plan::Restart => return self.stop(now),
            Plan::Unsupported(reason) => {
                if let Some(job) = self.queue.pop_front() {
                    self.end(job.turn, TurnEnding::Failed(TurnError::new(ErrorKind::Conflict, reason)));
                }
                return self.settle(now);
            }
        }
        if let Some(error) = self.untold(job) {
            self.fail_front(error);
            return self.settle(now);
        }
        let (story, loss) = self.story(job);
        let Some(job) = self.queue.pop_front() else { return };
        let (turn, reader_gone, lingers) = (job.turn, job.reader_gone, job.request.lingers);
        let mut input = TurnInput { preface: Vec::from_iter(story), text: job.request.input };
        if let Some(attached) = &mut self.attached {
            if let Some(new) = &wanted.system_prompt
                && attached.options.system_prompt.as_ref() != Some(new)
            {
                input.preface.push(preface::new_instructions(new));
            }
            self.record.instructions.clone_from(&wanted.system_prompt);
            attached.options = wanted.clone();
            attached.spec = job.spec;
        }
        if self.record.first_turn.is_none() {
            self.record.first_turn = Some(turn);
            self.out.push(Effect::Save);
        }
        let command = self.command(CommandKind::StartTurn { turn, input, options: wanted });
        self.state = State::Active(Active { turn, command, begun: false, since: now, last: now, reader_gone, lingers });
        if let Some(loss) = loss {
            self.emit(turn, loss);
        }
    }

    /// What the turn wants in force. Instructions that a caller leaves out stay as they were.
    fn wanted(&self, job: &Job) -> TurnOptions {
        let said = job.request.instructions.as_deref();
        let system_prompt = preface::instructions(job.spec.system_prompt.as_deref(), said);
        let options = TurnOptions {
            model: None,
            effort: job.spec.effort.clone(),
            system_prompt: match (&self.record.instructions, said) {
                (Some(kept), None) => Some(kept.clone()),
                _ => system_prompt,
            },
            permission: job.spec.permission,
        };
        self.record.overrides.over(&job.spec, options)
    }
}

/// Whether both backends mean the same program with the same surroundings, so that one process can serve both.
fn same_process(a: &BackendSpec, b: &BackendSpec) -> bool {
    (&a.driver, &a.command, &a.args, &a.env, a.env_policy, a.commands)
        == (&b.driver, &b.command, &b.args, &b.env, b.env_policy, b.commands)
}
