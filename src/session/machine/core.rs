//! States and transitions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{After, Denial, DriverRef, Effect, Input, Job, Policy};
use crate::driver::{Answer, Command, CommandId, CommandKind, DriverEvent, OpenRequest, Plan, TurnInput};
use crate::protocol::{BackendSpec, DriverEnd, ErrorKind, EventKind, Question, ThreadId, ThreadOrigin, TurnEnding};
use crate::protocol::{Limits, TurnError, TurnId, TurnOptions, WaitReason};
use crate::session::preface;
use crate::store::SessionRecord;

/// Failed starts in a row before the next one is put off.
const FAILURES_FREE: u32 = 2;
/// The first wait before another start; it doubles with each failure.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait before another start.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// What a driver gets beyond its own bounds to end a process, before its word is no longer awaited.
const STOP_SLACK: Duration = Duration::from_secs(15);

/// One session.
#[derive(Debug)]
pub struct Machine {
    pub(super) policy: Policy,
    pub(super) state: State,
    pub(super) queue: VecDeque<Job>,
    record: SessionRecord,
    /// The id that the next new thread gets.
    planned: ThreadId,
    /// What the attachment was opened with, changes included.
    attached: Option<Attached>,
    /// What is to follow when the process is gone.
    after: Option<After>,
    failures: u32,
    /// The session was closed: its record is gone for good.
    forgotten: bool,
    next_command: CommandId,
    out: Vec<Effect>,
}

#[derive(Debug)]
pub(super) enum State {
    NotLoaded,
    Backoff { until: Instant },
    Waiting { since: Instant },
    Starting { since: Instant },
    Idle { since: Instant },
    Active(Active),
    Interrupting { active: Active, since: Instant, ending: TurnEnding },
    Stopping { since: Instant },
    Closed,
}

/// The turn that the agent was given.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) turn: TurnId,
    command: CommandId,
    pub(super) begun: bool,
    pub(super) since: Instant,
    pub(super) last: Instant,
    pub(super) reader_gone: Option<Instant>,
}

#[derive(Debug)]
struct Attached {
    spec: Arc<BackendSpec>,
    options: TurnOptions,
    thread: ThreadId,
}

impl Machine {
    /// A session as its record says, without a process.
    pub fn new(record: SessionRecord, policy: Policy) -> Self {
        Self {
            policy,
            state: State::NotLoaded,
            queue: VecDeque::new(),
            record,
            planned: ThreadId::generate(),
            attached: None,
            after: None,
            failures: 0,
            forgotten: false,
            next_command: 0,
            out: Vec::new(),
        }
    }

    /// One step. `now` never goes back.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Input::Submit(job) => self.submit(now, *job),
            Input::PlaceGranted => self.place_granted(now),
            Input::PlaceBusy => self.tell_front(WaitReason::Capacity),
            Input::Driver(event) => self.driver(now, event),
            Input::Interrupt { turn, reason } => self.interrupt(now, turn, TurnEnding::Interrupted { reason }),
            Input::ReaderGone(turn) => self.reader_gone(now, turn),
            Input::Retire => {
                if matches!(self.state, State::Idle { .. }) && self.queue.is_empty() {
                    self.stop(now);
                }
            }
            Input::Finish(after) => self.finish(now, after),
            Input::Tick => self.tick(now),
        }
        std::mem::take(&mut self.out)
    }

    /// The record as it stands.
    pub fn record(&self) -> &SessionRecord {
        &self.record
    }

    /// The turn that the agent has, if any.
    pub fn active(&self) -> Option<TurnId> {
        match &self.state {
            State::Active(active) | State::Interrupting { active, .. } => Some(active.turn),
            _ => None,
        }
    }

    /// Whether the turn is neither over nor unknown.
    pub fn owes(&self, turn: TurnId) -> bool {
        self.active() == Some(turn) || self.queue.iter().any(|job| job.turn == turn)
    }

    /// The first turn that has not ended, as an interrupt without a name means it.
    pub fn current(&self) -> Option<TurnId> {
        self.active().or_else(|| self.queue.front().map(|job| job.turn))
    }

    /// Turns that wait.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is left to do: no process, no turn, nobody who waits for an end.
    pub fn done(&self) -> bool {
        match self.state {
            State::NotLoaded => self.queue.is_empty() && self.after.is_none(),
            State::Closed => true,
            _ => false,
        }
    }

    /// Whether the record is to be kept when the task ends.
    pub fn kept(&self) -> bool {
        !self.forgotten
    }

    /// The bounds that the session goes by.
    pub fn limits(&self) -> &Limits {
        &self.policy.limits
    }

    /// The state's name, for people.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::NotLoaded => "not_loaded",
            State::Backoff { .. } => "backoff",
            State::Waiting { .. } => "waiting",
            State::Starting { .. } => "starting",
            State::Idle { .. } => "idle",
            State::Active(_) => "active",
            State::Interrupting { .. } => "interrupting",
            State::Stopping { .. } => "stopping",
            State::Closed => "closed",
        }
    }

    /// The thread that the next turn will belong to, as far as is known.
    pub fn thread(&self) -> &ThreadId {
        self.record.thread.as_ref().or(self.attached.as_ref().map(|a| &a.thread)).unwrap_or(&self.planned)
    }

    // ── intake ──────────────────────────────────────────────────────────────────────────────────────────────────────

    fn submit(&mut self, now: Instant, job: Job) {
        let turn = job.turn;
        if let Err(denial) = self.admit(&job) {
            self.out.push(Effect::Deny { turn, denial });
            return self.settle(now);
        }
        if let Some(thread) = &job.request.thread {
            self.record.thread = Some(thread.clone());
            // Whoever names a thread means one with something in it.
            self.record.answered = true;
        }
        if !self.bound() {
            self.record.directory.clone_from(&job.directory);
            job.driver.name().clone_into(&mut self.record.driver);
        }
        self.record.backend = job.spec.id.clone();
        self.record.unnamed &= job.request.unnamed;
        self.out.push(Effect::Save(self.record.clone()));
        self.out.push(Effect::Accept { turn, thread: self.thread().clone() });
        self.queue.push_back(job);
        self.settle(now);
        if self.queue.front().is_some_and(|front| front.turn != turn || self.active().is_some()) {
            self.emit(turn, EventKind::Waiting(WaitReason::Queued));
        }
    }

    fn admit(&self, job: &Job) -> Result<(), Denial> {
        match (self.after, &self.state) {
            (Some(After::Shutdown | After::ShutdownNow), _) => return Err(Denial::ShuttingDown),
            (Some(After::Close), _) | (_, State::Closed) => return Err(Denial::Closing),
            _ => {}
        }
        if self.queue.len() >= self.policy.queue_max {
            return Err(Denial::QueueFull { queue_max: self.policy.queue_max });
        }
        if let (Some(wanted), Some(bound)) = (&job.request.thread, &self.record.thread)
            && wanted != bound
        {
            return Err(Denial::OtherThread { bound: bound.clone() });
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

    /// Whether the session's driver and directory are settled: it has a thread, or is about to.
    fn bound(&self) -> bool {
        self.record.thread.is_some() || self.attached.is_some() || !self.queue.is_empty()
    }

    // ── what to do next ─────────────────────────────────────────────────────────────────────────────────────────────

    /// Moves on as far as the state allows without anything else happening.
    fn settle(&mut self, now: Instant) {
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

    fn wait_for_place(&mut self, now: Instant) {
        self.state = State::Waiting { since: now };
        self.out.push(Effect::AcquirePlace);
    }

    fn place_granted(&mut self, now: Instant) {
        if !matches!(self.state, State::Waiting { .. }) {
            return;
        }
        let Some(job) = self.queue.front() else {
            return self.unwait(now);
        };
        let (spec, driver) = (job.spec.clone(), job.driver.clone());
        let wanted = self.wanted(job);
        let (origin, options) = match &self.record.thread {
            // What the thread goes by is what it was started with; what is new is told with the turn.
            Some(thread) => (
                ThreadOrigin::Resume(thread.clone()),
                TurnOptions { system_prompt: self.record.instructions.clone(), ..wanted },
            ),
            None => (ThreadOrigin::New(self.planned.clone()), wanted),
        };
        self.attached =
            Some(Attached { spec: spec.clone(), options: options.clone(), thread: origin.thread().clone() });
        let request = OpenRequest {
            origin,
            spec,
            directory: self.record.directory.clone(),
            options,
            label: self.record.key.to_string(),
        };
        self.state = State::Starting { since: now };
        self.tell_front(WaitReason::Starting);
        self.out.push(Effect::Open { driver: DriverRef(driver), request });
    }

    /// Gives the turn at the front to the agent, or ends the process where the turn needs another one.
    fn begin(&mut self, now: Instant) {
        let (Some(job), Some(attached)) = (self.queue.front(), &self.attached) else { return };
        let wanted = self.wanted(job);
        let plan = if same_process(&attached.spec, &job.spec) {
            job.driver.plan(&attached.options, &wanted)
        } else {
            Plan::Restart
        };
        self.out.push(Effect::MarkIdle(false));
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
        let Some(job) = self.queue.pop_front() else { return };
        let mut input = TurnInput { preface: Vec::new(), text: job.request.input };
        if self.record.thread.is_none() {
            input.preface.extend(preface::history(&job.request.history));
        }
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
        let command = self.command(CommandKind::StartTurn { turn: job.turn, input, options: wanted });
        let turn = job.turn;
        self.state = State::Active(Active { turn, command, begun: false, since: now, last: now, reader_gone: None });
    }

    /// What the turn wants in force. Instructions that a caller leaves out stay as they were.
    fn wanted(&self, job: &Job) -> TurnOptions {
        let said = job.request.instructions.as_deref();
        let system_prompt = preface::instructions(job.spec.system_prompt.as_deref(), said);
        TurnOptions {
            model: job.spec.model.clone(),
            effort: job.spec.effort.clone(),
            system_prompt: match (&self.record.instructions, said) {
                (Some(kept), None) => Some(kept.clone()),
                _ => system_prompt,
            },
            permission: job.spec.permission,
        }
    }

    // ── what the attachment says ────────────────────────────────────────────────────────────────────────────────────

    fn driver(&mut self, now: Instant, event: DriverEvent) {
        match event {
            DriverEvent::Ready { .. } => {
                if matches!(self.state, State::Starting { .. }) {
                    self.state = State::Idle { since: now };
                    self.settle(now);
                }
            }
            DriverEvent::Acked { command, result } => {
                if let (State::Active(active) | State::Interrupting { active, .. }, Err(error)) = (&self.state, result)
                    && active.command == command
                {
                    let turn = active.turn;
                    self.end(turn, TurnEnding::Failed(error));
                    self.idle(now);
                }
            }
            DriverEvent::Began { thread } => self.began(now, thread),
            DriverEvent::Step(kind) => {
                // Steps of a turn that is being interrupted are dropped: nobody is to wait for them.
                if let State::Active(active) = &mut self.state {
                    active.last = now;
                    let turn = active.turn;
                    self.emit(turn, kind);
                }
            }
            DriverEvent::Alive => {
                if let State::Active(active) = &mut self.state {
                    (active.since, active.last) = (now, now);
                }
            }
            DriverEvent::Asked(question) => self.asked(question),
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
        if let Some(attached) = &mut self.attached {
            attached.thread = thread;
        }
    }

    /// Nobody who could answer is there, so the answer is no.
    fn asked(&mut self, question: Question) {
        let Some(turn) = self.active() else { return };
        let message = format!(
            "Permission denied: this session asks before `{}` may run, and nobody is there to answer. Whoever runs turnmux \
             can allow file changes with `--permission accept_edits`, or everything with `--permission bypass`, or set \
             `permission` under [backends.{}] in turnmux.toml.",
            question.tool, self.record.backend
        );
        self.command(CommandKind::Answer { question: question.id, answer: Answer::Deny { message } });
        if matches!(self.state, State::Active(_)) {
            self.emit(turn, EventKind::PermissionDenied { tool: question.tool });
        }
    }

    fn turn_ended(&mut self, now: Instant, ending: TurnEnding) {
        let (turn, ending) = match &self.state {
            State::Active(active) => (active.turn, ending),
            // What was finished before the interrupt came through is finished.
            State::Interrupting { active, ending: wanted, .. } => match ending {
                TurnEnding::Completed { .. } => (active.turn, ending),
                _ => (active.turn, wanted.clone()),
            },
            _ => return,
        };
        self.failures = 0;
        self.record.turns += 1;
        self.record.answered = true;
        // From here on the agent has something that can be resumed.
        self.record.thread = self.attached.as_ref().map(|attached| attached.thread.clone());
        self.out.push(Effect::Save(self.record.clone()));
        self.end(turn, ending);
        self.idle(now);
    }

    fn detached(&mut self, now: Instant, end: DriverEnd) {
        let error = match end {
            DriverEnd::Failed(error) => error,
            DriverEnd::Detached => TurnError::new(ErrorKind::AgentLost, "the agent's process was ended"),
        };
        match std::mem::replace(&mut self.state, State::NotLoaded) {
            State::Starting { .. } if error.kind == ErrorKind::ThreadNotFound && self.can_begin_anew() => {
                // Under the id that was promised with the turn, which the agent has never heard of.
                self.planned = self.record.thread.take().unwrap_or_else(ThreadId::generate);
                self.record.answered = false;
                self.out.push(Effect::Save(self.record.clone()));
            }
            State::Starting { .. } => {
                self.failures += 1;
                // claude takes an id for a new thread once only.
                self.planned = ThreadId::generate();
                if let Some(job) = self.queue.pop_front() {
                    self.end(job.turn, TurnEnding::Failed(error));
                }
            }
            State::Active(active) => {
                if active.begun {
                    // The agent has written the thread down by now; what it did is not lost on the next turn.
                    self.record.thread = self.attached.as_ref().map(|attached| attached.thread.clone());
                    self.record.turns += 1;
                    self.out.push(Effect::Save(self.record.clone()));
                }
                self.planned = ThreadId::generate();
                self.end(active.turn, TurnEnding::Failed(error));
            }
            State::Interrupting { active, ending, .. } => {
                if active.begun {
                    self.record.thread = self.attached.as_ref().map(|attached| attached.thread.clone());
                    self.out.push(Effect::Save(self.record.clone()));
                }
                self.planned = ThreadId::generate();
                self.end(active.turn, ending);
            }
            State::Idle { .. } | State::Stopping { .. } => {}
            other => {
                self.state = other;
                return;
            }
        }
        self.release();
        self.settle(now);
    }

    /// Whether nothing is lost by a new thread in place of one that the agent does not know. It writes a thread down only
    /// some moments after its first words, and may have been killed before; and a caller may bring the whole conversation.
    fn can_begin_anew(&self) -> bool {
        let history_is_here = self.queue.front().is_some_and(|job| !job.request.history.is_empty());
        self.record.thread.is_some() && (!self.record.answered || history_is_here)
    }

    // ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────

    fn interrupt(&mut self, now: Instant, turn: Option<TurnId>, ending: TurnEnding) {
        let Some(turn) = turn.or_else(|| self.current()) else { return };
        if let Some(at) = self.queue.iter().position(|job| job.turn == turn) {
            self.queue.remove(at);
            self.end(turn, ending);
            if self.queue.is_empty() && matches!(self.state, State::Waiting { .. } | State::Backoff { .. }) {
                self.unwait(now);
            }
            return;
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Active(active) if active.turn == turn => {
                self.command(CommandKind::Interrupt);
                self.state = State::Interrupting { active, since: now, ending };
            }
            other => self.state = other,
        }
    }

    fn reader_gone(&mut self, now: Instant, turn: TurnId) {
        if self.active() == Some(turn)
            && let State::Active(active) = &mut self.state
            && !self.policy.disconnect_grace.is_zero()
        {
            active.reader_gone.get_or_insert(now);
            return;
        }
        self.interrupt(now, Some(turn), client_gone());
    }

    fn finish(&mut self, now: Instant, after: After) {
        let reason = match after {
            After::Reset => "the session was reset",
            After::Close => "the session was closed",
            After::Shutdown | After::ShutdownNow => "turnmux is shutting down",
        };
        let ending = TurnEnding::Interrupted { reason: reason.into() };
        self.after = Some(self.after.map_or(after, |before| before.max_of(after)));
        for job in std::mem::take(&mut self.queue) {
            self.end(job.turn, ending.clone());
        }
        match self.state {
            State::Active(_) if after != After::Shutdown => self.interrupt(now, None, ending),
            State::Waiting { .. } | State::Backoff { .. } => self.unwait(now),
            State::Starting { .. } => self.stop(now),
            State::Closed => self.out.push(Effect::Finished),
            _ => self.settle(now),
        }
    }

    /// Leaves the line for a place.
    fn unwait(&mut self, now: Instant) {
        self.state = State::NotLoaded;
        self.release();
        self.settle(now);
    }

    /// Ends the process; the thread stays.
    fn stop(&mut self, now: Instant) {
        self.out.push(Effect::MarkIdle(false));
        self.command(CommandKind::Detach);
        self.state = State::Stopping { since: now };
    }

    fn finished(&mut self, now: Instant) {
        let Some(after) = self.after.take() else { return };
        match after {
            After::Reset => {
                self.record.thread = None;
                self.record.answered = false;
                self.record.instructions = None;
                self.record.generation += 1;
                self.planned = ThreadId::generate();
                self.failures = 0;
                self.out.push(Effect::Save(self.record.clone()));
                self.out.push(Effect::Finished);
                self.settle(now);
            }
            After::Close | After::Shutdown | After::ShutdownNow => {
                self.state = State::Closed;
                self.forgotten = after == After::Close;
                self.out.push(if self.forgotten { Effect::Remove } else { Effect::Save(self.record.clone()) });
                self.out.push(Effect::Finished);
            }
        }
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    fn tick(&mut self, now: Instant) {
        if self.deadline(false).is_none_or(|at| at > now) {
            return;
        }
        let limits = &self.policy.limits;
        match &self.state {
            State::Backoff { .. } => self.wait_for_place(now),
            State::Waiting { .. } => {
                let error = TurnError {
                    kind: ErrorKind::NoCapacity,
                    message: format!(
                        "all processes that may live at once (`sessions.max_live`) were busy for {:?} (`limits.capacity`)",
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
                self.planned = ThreadId::generate();
                if let Some(job) = self.queue.pop_front() {
                    self.end(job.turn, TurnEnding::Failed(error));
                }
                self.stop(now);
            }
            State::Idle { .. } => self.stop(now),
            State::Active(active) => {
                let ending = self.overdue(active, now);
                self.interrupt(now, None, ending);
            }
            State::Interrupting { active, ending, .. } => {
                let (turn, ending, begun) = (active.turn, ending.clone(), active.begun);
                if begun {
                    self.record.thread = self.attached.as_ref().map(|attached| attached.thread.clone());
                }
                self.end(turn, ending);
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

    /// Which of the running turn's limits is reached, as its ending.
    fn overdue(&self, active: &Active, now: Instant) -> TurnEnding {
        let limits = &self.policy.limits;
        if active.reader_gone.is_some_and(|gone| gone + self.policy.disconnect_grace <= now) {
            return client_gone();
        }
        let message = if !active.begun && active.since + limits.first_event <= now {
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

    // ── small things ────────────────────────────────────────────────────────────────────────────────────────────────

    /// The agent has no turn any more.
    fn idle(&mut self, now: Instant) {
        self.state = State::Idle { since: now };
        self.settle(now);
    }

    /// How long an idle process of this session is kept.
    pub(super) fn idle_timeout(&self) -> Duration {
        if self.record.unnamed {
            self.policy.unnamed_idle_timeout.min(self.policy.idle_timeout)
        } else {
            self.policy.idle_timeout
        }
    }

    fn release(&mut self) {
        self.attached = None;
        self.out.push(Effect::ReleasePlace);
    }

    fn command(&mut self, kind: CommandKind) -> CommandId {
        self.next_command += 1;
        let id = self.next_command;
        self.out.push(Effect::Command(Command { id, kind }));
        id
    }

    fn tell_front(&mut self, reason: WaitReason) {
        if let Some(turn) = self.queue.front().map(|job| job.turn) {
            self.emit(turn, EventKind::Waiting(reason));
        }
    }

    fn emit(&mut self, turn: TurnId, kind: EventKind) {
        self.out.push(Effect::Emit(turn, kind));
    }

    fn end(&mut self, turn: TurnId, ending: TurnEnding) {
        self.emit(turn, EventKind::Ended(ending));
    }
}

impl After {
    /// The one that goes further.
    fn max_of(self, other: Self) -> Self {
        let rank = |after: Self| match after {
            Self::Reset => 0,
            Self::Close => 1,
            Self::Shutdown => 2,
            Self::ShutdownNow => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

fn client_gone() -> TurnEnding {
    TurnEnding::Interrupted { reason: "the client went away".into() }
}

/// Whether both backends mean the same program with the same surroundings, so that one process can serve both.
fn same_process(a: &BackendSpec, b: &BackendSpec) -> bool {
    (&a.driver, &a.command, &a.args, &a.env, a.env_policy, a.commands)
        == (&b.driver, &b.command, &b.args, &b.env, b.env_policy, b.commands)
}
