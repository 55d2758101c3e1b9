//! The machine by itself: each rule by hand, and all of them together under inputs made up at random.
//!
//! A [`Bench`] feeds the machine and writes down what it wants, a few words an effect, so that a test reads like the
//! story of a session. Turns go by their input: `start a` gives the turn whose input is `a` to the agent.

mod acting;
mod asking;
mod boundary;
mod clear;
mod ends;
mod limits;
mod lingers;
mod lost;
mod options;
mod order;
mod property;
mod starts;
mod stops;
mod typed;
mod world;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Act, After, AskId, Effect, Input, Job, Machine, Policy, Recalled};
use crate::driver::{Attachment, CommandId, CommandKind, Driver, DriverEvent, OpenRequest, Plan, SteerMode, TurnInput};
use crate::protocol::{
    BackendId, BackendSpec, DriverEnd, ErrorKind, EventKind, FinishReason, HistoryMessage, Role, SessionKey, SteerId,
    TenantId,
};
use crate::protocol::{
    Limits, LostThread, ThreadId, ThreadOrigin, TurnEnding, TurnError, TurnId, TurnOptions, TurnRequest, Usage,
};
use crate::store::SessionRecord;

const SECOND: Duration = Duration::from_secs(1);
const LIMITS_STOP: Duration = Duration::from_secs(2 + 2 + 5 + 15);

/// A driver that only plans: effort takes a restart, the model `impossible` cannot be had, and the backend `clears` can be
/// given a fresh context.
struct Planner(&'static str);

impl Driver for Planner {
    fn name(&self) -> &'static str {
        self.0
    }

    fn steer_mode(&self) -> SteerMode {
        if self.0 == "planner" { SteerMode::NativeEnqueue } else { SteerMode::QueueWhenBusy }
    }

    fn check(&self, _: &BackendSpec, _: &Path) -> Result<(), TurnError> {
        Ok(())
    }

    fn clears(&self, backend: &BackendId) -> bool {
        backend.as_str() == "clears"
    }

    fn plan(&self, current: &TurnOptions, wanted: &TurnOptions) -> Plan {
        if wanted.model.as_deref() == Some("impossible") {
            Plan::Unsupported("no such model".into())
        } else if current.effort == wanted.effort {
            Plan::Live
        } else {
            Plan::Restart
        }
    }

    fn open(&self, _: OpenRequest) -> Attachment {
        unreachable!("the machine opens nothing itself")
    }
}

struct Bench {
    machine: Machine,
    now: Instant,
    names: HashMap<TurnId, String>,
    /// What was opened last.
    opened: Option<OpenRequest>,
    /// What the agent was given last.
    given: Option<(CommandId, TurnInput, TurnOptions)>,
    /// What was saved last.
    saved: Option<SessionRecord>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = policy();
        change(&mut policy);
        Self {
            machine: Machine::new(record(), policy),
            now: Instant::now(),
            names: HashMap::new(),
            opened: None,
            given: None,
            saved: None,
        }
    }

    /// A bench whose agent has answered a turn and waits for the next.
    fn idle() -> Self {
        Self::idle_with(|_| {})
    }

    fn idle_with(change: impl FnOnce(&mut Policy)) -> Self {
        let mut bench = Self::active_with(change);
        bench.completed();
        bench
    }

    /// A bench whose agent is at work on turn `a`.
    fn active() -> Self {
        Self::active_with(|_| {})
    }

    fn active_with(change: impl FnOnce(&mut Policy)) -> Self {
        let mut bench = Self::with(change);
        bench.submit("a");
        bench.granted();
        bench.ready();
        bench.began();
        assert_eq!(bench.machine.state_name(), "active");
        bench
    }

    fn feed(&mut self, input: Input) -> Vec<String> {
        let effects = self.machine.handle(self.now, input);
        for effect in &effects {
            match effect {
                Effect::Open { request, .. } => self.opened = Some(request.clone()),
                Effect::Save => self.saved = Some(self.machine.record().clone()),
                Effect::Command(command) => {
                    if let CommandKind::StartTurn { input, options, .. } = &command.kind {
                        self.given = Some((command.id, input.clone(), options.clone()));
                    }
                }
                _ => {}
            }
        }
        effects.iter().filter_map(|effect| self.describe(effect)).collect()
    }

    fn describe(&self, effect: &Effect) -> Option<String> {
        let name = |turn: &TurnId| &self.names[turn];
        Some(match effect {
            Effect::Accept { turn, .. } => format!("accept {}", name(turn)),
            Effect::Deny { turn, denial } => format!("deny {}: {}", name(turn), first_word(&format!("{denial:?}"))),
            Effect::AcquirePlace => "acquire".into(),
            Effect::ReleasePlace => "release".into(),
            Effect::MarkIdle(idle) => if *idle { "idle" } else { "busy" }.into(),
            Effect::Open { request, .. } => match request.origin {
                ThreadOrigin::New(_) => "open new".into(),
                ThreadOrigin::Resume(_) => "open resume".into(),
                ThreadOrigin::Fork { .. } => "open fork".into(),
            },
            Effect::DropAttachment => "drop".into(),
            Effect::Command(command) => match &command.kind {
                CommandKind::StartTurn { turn, .. } => format!("start {}", name(turn)),
                kind => first_word(&format!("{kind:?}")).to_lowercase(),
            },
            Effect::Emit(turn, EventKind::Ended(ending)) => match ending {
                TurnEnding::Completed { .. } => format!("{}: completed", name(turn)),
                TurnEnding::Interrupted(_) => format!("{}: interrupted", name(turn)),
                TurnEnding::Failed(error) => format!("{}: failed {:?}", name(turn), error.kind),
            },
            Effect::Emit(turn, EventKind::Waiting(reason)) => format!("{}: waits {reason:?}", name(turn)),
            Effect::Emit(turn, kind) => format!("{}: {}", name(turn), first_word(&format!("{kind:?}"))),
            Effect::Save => return None,
            Effect::Recall { number, .. } => format!("recall {number}"),
            Effect::PutOff(turn) => format!("{} put off", name(turn)),
            Effect::Joined { turn, into, .. } => format!("{} joins {}", name(turn), name(into)),
            Effect::Typed { turn, .. } => format!("typed {}", name(turn)),
            Effect::Again(job) => format!("again {}", name(&job.turn)),
            Effect::Reply { result: Ok(acted), .. } => first_word(&format!("{acted:?}")).to_lowercase(),
            Effect::Reply { result: Err(refused), .. } => format!("refused {}", first_word(&format!("{refused:?}"))),
            Effect::Remove => "remove".into(),
            Effect::Finished => "finished".into(),
        })
    }

    fn submit(&mut self, name: &str) -> Vec<String> {
        self.submit_job(job(name))
    }

    fn submit_job(&mut self, job: Job) -> Vec<String> {
        self.names.insert(job.turn, job.request.input.clone());
        self.feed(Input::Submit(Box::new(job)))
    }

    /// The turn of a name.
    fn turn(&self, name: &str) -> TurnId {
        *self.names.iter().find(|(_, other)| *other == name).unwrap().0
    }

    fn granted(&mut self) -> Vec<String> {
        self.feed(Input::PlaceGranted)
    }

    fn says(&mut self, event: DriverEvent) -> Vec<String> {
        self.feed(Input::Driver(event))
    }

    fn ready(&mut self) -> Vec<String> {
        self.says(DriverEvent::Ready { pid: Some(1) })
    }

    fn began(&mut self) -> Vec<String> {
        let thread = self.opened.as_ref().unwrap().origin.thread().clone();
        self.says(DriverEvent::Began { thread })
    }

    /// The agent says that it has never heard of the thread.
    fn not_found(&mut self) -> Vec<String> {
        let error = TurnError::new(ErrorKind::ThreadNotFound, "never heard of it");
        self.says(DriverEvent::Closed(DriverEnd::Failed(error)))
    }

    /// What was said comes out of the store.
    fn recalled(&mut self, number: u64, texts: &[&str]) -> Vec<String> {
        let message = |text: &&str| HistoryMessage { role: Role::User, text: (*text).to_owned() };
        let result = Ok(Recalled { messages: texts.iter().map(message).collect(), is_cut: false });
        self.feed(Input::Recalled { number, result })
    }

    fn step(&mut self) -> Vec<String> {
        self.says(DriverEvent::Step(EventKind::TextDelta("x".into())))
    }

    fn completed(&mut self) -> Vec<String> {
        self.says(DriverEvent::TurnEnded(completed()))
    }

    fn crashed(&mut self) -> Vec<String> {
        self.says(DriverEvent::Closed(DriverEnd::Failed(TurnError::new(ErrorKind::AgentLost, "crashed"))))
    }

    fn detached(&mut self) -> Vec<String> {
        self.says(DriverEvent::Closed(DriverEnd::Detached))
    }

    fn interrupt(&mut self, name: &str) -> Vec<String> {
        let turn = Some(self.turn(name));
        self.feed(Input::Interrupt { turn })
    }

    fn reader_gone(&mut self, name: &str) -> Vec<String> {
        let turn = self.turn(name);
        self.feed(Input::ReaderGone(turn))
    }

    fn act(&mut self, act: Act) -> Vec<String> {
        self.feed(Input::Act { ask: 1, act })
    }

    fn finish(&mut self, after: After) -> Vec<String> {
        self.feed(Input::Finish(after))
    }

    /// Lets time pass and ticks, as the task's timer would.
    fn after(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.feed(Input::Tick)
    }

    /// Asserts that the timer is due in `time`: a moment before nothing happens. Returns what happens then.
    fn due_in(&mut self, time: Duration) -> Vec<String> {
        assert_eq!(self.machine.deadline(), Some(self.now + time));
        let moment = Duration::from_millis(1);
        assert_eq!(self.after(time.saturating_sub(moment)), [""; 0], "nothing is due yet");
        self.after(moment)
    }

    fn origin(&self) -> &ThreadOrigin {
        &self.opened.as_ref().unwrap().origin
    }

    fn preface(&self) -> &[String] {
        &self.given.as_ref().unwrap().1.preface
    }
}

fn policy() -> Policy {
    Policy {
        limits: Limits::default(),
        idle_timeout: 600 * SECOND,
        unnamed_idle_timeout: 30 * SECOND,
        queue_max: 3,
        disconnect_grace: Duration::ZERO,
        linger: 10 * SECOND,
        lost_thread: LostThread::Continue,
        lasting: false,
    }
}

fn record() -> SessionRecord {
    let key = SessionKey::parse(TenantId::local(), "main::chat").unwrap();
    SessionRecord::first(&key, BackendId::new("one"), "planner", "/srv/default".into())
}

fn spec(id: &str) -> BackendSpec {
    BackendSpec::new(BackendId::new(id), "planner", "agent")
}

fn job(input: &str) -> Job {
    let spec = Arc::new(spec("one"));
    let request = TurnRequest::new(spec.id.clone(), input);
    let driver = Arc::new(Planner("planner"));
    let directory = PathBuf::from("/srv/default");
    Job::new(request, spec, driver, directory)
}

/// A job for another backend.
fn job_over(input: &str, change: impl FnOnce(&mut BackendSpec)) -> Job {
    let mut spec = spec("two");
    change(&mut spec);
    Job { spec: Arc::new(spec), ..job(input) }
}

fn completed() -> TurnEnding {
    TurnEnding::Completed {
        text: "x".into(),
        reasoning: String::new(),
        finish: FinishReason::Stop,
        usage: Usage::default(),
    }
}

fn thread(last: u8) -> ThreadId {
    ThreadId::parse(&format!("00000000-0000-4000-8000-0000000000{last:02x}")).unwrap()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}
