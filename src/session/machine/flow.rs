//! From a turn that waits to a turn that the agent has.

use std::path::Path;
use std::time::{Duration, Instant};

use super::core::{Active, Attached, State};
use super::{After, DriverRef, Effect, Job, Machine};
use crate::driver::{CommandKind, OpenRequest, Plan, RawWanted, TerminalSlot, TurnInput};
use crate::protocol::{
    BackendSpec, ErrorKind, Overrides, ThreadId, ThreadOrigin, TurnEnding, TurnError, TurnOptions, WaitReason,
};
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
            State::Idle { .. } if self.after == Some(After::Reset) => self.reset_idle(now),
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
            directory: self.record.directory.clone(),
            options: options.clone(),
            prompt: options.system_prompt.clone(),
            thread: origin.thread().clone(),
            cleared: false,
        });
        let request = OpenRequest {
            origin,
            spec,
            directory: self.record.directory.clone(),
            options,
            label: self.record.key.to_string(),
            raw: RawWanted::default(),
            terminal: TerminalSlot::default(),
        };
        self.state = State::Starting { since: now };
        self.tell_front(WaitReason::Starting);
        self.out.push(Effect::Open { driver: DriverRef(driver), request });
    }

    /// Gives the turn at the front to the agent, or ends the process where the turn needs another one.
    fn begin(&mut self, now: Instant) {
        self.out.push(Effect::MarkIdle(false));
        if self.enter() {
            return self.renew(now);
        }
        let (Some(job), Some(attached)) = (self.queue.front(), &self.attached) else { return self.settle(now) };
        let wanted = self.wanted(job);
        match self.plan(attached, job, &wanted, &self.record.directory) {
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
        if let (Some(model), None) = (&job.request.model, &job.request.call) {
            self.record.overrides.model = Some(model.clone());
            self.out.push(Effect::Save);
        }
        let (turn, reader_gone, lingers) = (job.turn, job.reader_gone, job.request.lingers);
        let clears = job.request.call.as_ref().is_some_and(|call| !call.keep);
        let mut input =
            TurnInput { preface: Vec::from_iter(story), images: job.request.images, text: job.request.input };
        if let Some(attached) = &mut self.attached {
            if let Some(new) = &wanted.system_prompt
                && attached.options.system_prompt.as_ref() != Some(new)
            {
                input.preface.push(preface::new_instructions(new));
            }
            self.record.instructions.clone_from(&wanted.system_prompt);
            attached.options = wanted.clone();
            attached.spec = job.spec;
            attached.cleared = false;
        }
        if self.record.first_turn.is_none() {
            self.record.first_turn = Some(turn);
            self.out.push(Effect::Save);
        }
        let command = self.command(CommandKind::StartTurn { turn, input, options: wanted });
        let active = Active { turn, command, begun: false, since: now, last: now, reader_gone, lingers, clears };
        self.state = State::Active(active);
        if let Some(loss) = loss {
            self.emit(turn, loss);
        }
    }

    /// What it takes to give the process there is to this turn, which is to run in the directory.
    pub(super) fn plan(&self, attached: &Attached, job: &Job, wanted: &TurnOptions, directory: &Path) -> Plan {
        let is_there = attached.driver.0.name() == job.driver.name()
            && attached.directory == directory
            && same_process(&attached.spec, &job.spec);
        // Where nothing was said yet nothing needs to be said anew: the process is to have these instructions from the start.
        let is_told = !attached.cleared || attached.prompt == wanted.system_prompt;
        let is_its_thread = self.resumable().is_none_or(|thread| *thread == attached.thread);
        if is_there && is_told && is_its_thread { job.driver.plan(&attached.options, wanted) } else { Plan::Restart }
    }

    /// What the turn wants in force. Instructions that a caller leaves out stay as they were.
    pub(super) fn wanted(&self, job: &Job) -> TurnOptions {
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
            mcp: job.request.mcp.clone(),
        };
        // What others chose for the session is not a caller's.
        let chosen = if job.request.call.is_some() { Overrides::default() } else { self.record.overrides.clone() };
        let model = job.request.model.clone().or(chosen.model);
        Overrides { model, ..chosen }.over(&job.spec, options)
    }
}

/// Whether both backends mean the same program with the same surroundings, so that one process can serve both.
fn same_process(a: &BackendSpec, b: &BackendSpec) -> bool {
    (&a.driver, &a.command, &a.args, &a.env, a.env_policy, a.commands)
        == (&b.driver, &b.command, &b.args, &b.env, b.env_policy, b.commands)
}
