//! States and transitions.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acting::Steering;
use super::asking::Open;
use super::lost::Anew;
use super::{After, DriverRef, Effect, Input, Job, Policy};
use crate::driver::{Command, CommandId, CommandKind};
use crate::protocol::{
    BackendSpec, EventKind, InterruptCause, Limits, RequestId, ThreadId, TurnEnding, TurnId, TurnOptions, WaitReason,
};
use crate::store::SessionRecord;

/// One session.
#[derive(Debug)]
pub struct Machine {
    pub(super) policy: Policy,
    pub(super) state: State,
    pub(super) queue: VecDeque<Job>,
    pub(super) record: SessionRecord,
    /// The id that the next new thread gets. claude takes each once only, so it is never one that an agent was given
    /// before, unless that agent says that it has never heard of it.
    pub(super) planned: ThreadId,
    /// The turn that the agent was given and has not begun, for a person's runs; and how it is to end when its time has come,
    /// where somebody has stopped it.
    pub(super) behind: Option<(Active, Option<TurnEnding>)>,
    /// What the attachment was opened with, changes included.
    pub(super) attached: Option<Attached>,
    /// What is to follow when the process is gone.
    pub(super) after: Option<After>,
    /// A slow reader presses back: nothing is taken from the agent, so its silence is not its own.
    pub(super) held: bool,
    /// Somebody listens who can answer questions; or since when nobody does.
    pub(super) listening: bool,
    pub(super) unheard: Option<Instant>,
    /// Questions of the running turn that wait.
    pub(super) questions: Vec<Open>,
    /// Questions that are over.
    pub(super) gone: VecDeque<RequestId>,
    /// Input for the running turn that the model does not have yet.
    pub(super) steers: Vec<Steering>,
    /// The record's thread is lost, and this is to go on with; until a turn has ended in a new one.
    pub(super) anew: Option<Anew>,
    /// How often a conversation was asked for.
    pub(super) recalls: u64,
    pub(super) failures: u32,
    /// The session was closed: its record is gone for good.
    pub(super) forgotten: bool,
    pub(super) next_command: CommandId,
    pub(super) out: Vec<Effect>,
}

#[derive(Debug)]
pub(super) enum State {
    NotLoaded,
    Backoff {
        until: Instant,
    },
    Recalling {
        since: Instant,
    },
    Waiting {
        since: Instant,
    },
    Starting {
        since: Instant,
    },
    Idle {
        since: Instant,
    },
    Clearing {
        since: Instant,
        command: CommandId,
    },
    Active(Active),
    /// `dropped`: something that the agent said since was not shown.
    Interrupting {
        active: Active,
        since: Instant,
        ending: TurnEnding,
        dropped: bool,
    },
    Stopping {
        since: Instant,
    },
    Closed,
}

/// The turn that the agent was given.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) turn: TurnId,
    pub(super) command: CommandId,
    pub(super) begun: bool,
    pub(super) since: Instant,
    pub(super) last: Instant,
    /// Since when nobody reads it.
    pub(super) reader_gone: Option<Instant>,
    /// Its client may come back.
    pub(super) lingers: bool,
    /// Its context goes when it has ended.
    pub(super) clears: bool,
}

#[derive(Debug)]
pub(super) struct Attached {
    pub(super) spec: Arc<BackendSpec>,
    pub(super) driver: DriverRef,
    pub(super) directory: PathBuf,
    pub(super) options: TurnOptions,
    /// The system prompt that the process was started with. What was said since is gone with the context.
    pub(super) prompt: Option<String>,
    pub(super) thread: ThreadId,
    /// The context was cleared, and no turn was given to it since.
    pub(super) cleared: bool,
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
            behind: None,
            attached: None,
            after: None,
            held: false,
            listening: false,
            unheard: None,
            questions: Vec::new(),
            gone: VecDeque::new(),
            steers: Vec::new(),
            anew: None,
            recalls: 0,
            failures: 0,
            forgotten: false,
            next_command: 0,
            out: Vec::new(),
        }
    }

    /// One step. `now` never goes back.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Input::Submit(job) => {
                if let Err(job) = self.steer_instead(job) {
                    self.submit(now, *job);
                }
            }
            Input::Act { ask, act } => self.act(now, ask, act),
            Input::Listening(listening) => self.listen(now, listening),
            Input::PlaceGranted => self.place_granted(now),
            Input::PlaceBusy => self.tell_front(WaitReason::Capacity),
            Input::Driver(event) => self.driver(now, event),
            Input::Interrupt { turn } => {
                self.interrupt(now, turn, TurnEnding::Interrupted(InterruptCause::Request));
            }
            Input::ReaderGone(turn) => self.reader_gone(now, turn),
            Input::ReaderBack(turn) => self.reader_back(turn),
            Input::Held(held) => self.hold(now, held),
            Input::Retire => {
                if matches!(self.state, State::Idle { .. }) && self.queue.is_empty() {
                    self.stop(now);
                }
            }
            Input::Finish(after) => self.finish(now, after),
            Input::Recalled { number, result } => self.recalled(now, number, result),
            Input::Unkept { turn, error } => self.interrupt(now, Some(turn), TurnEnding::Failed(error)),
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
        let is_behind = self.behind.as_ref().is_some_and(|(behind, _)| behind.turn == turn);
        is_behind || self.active() == Some(turn) || self.queue.iter().any(|job| job.turn == turn)
    }

    /// Whether what the agent says goes to a reader. Only then does it help to take nothing from the agent while that
    /// reader is slow; the end of a turn, of a start or of a process is always taken.
    pub fn streaming(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    /// The first turn that has not ended, as an interrupt without a name means it.
    pub fn current(&self) -> Option<TurnId> {
        self.active().or_else(|| self.queue.front().map(|job| job.turn))
    }

    /// How many turns go before this one.
    pub fn ahead(&self, turn: TurnId) -> usize {
        let before = self.queue.iter().position(|job| job.turn == turn);
        before.map_or(0, |before| before + usize::from(self.active().is_some()))
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
            State::Recalling { .. } => "recalling",
            State::Waiting { .. } => "waiting",
            State::Starting { .. } => "starting",
            State::Idle { .. } => "idle",
            State::Clearing { .. } => "clearing",
            State::Active(_) => "active",
            State::Interrupting { .. } => "interrupting",
            State::Stopping { .. } => "stopping",
            State::Closed => "closed",
        }
    }

    /// The thread that the next turn will belong to, as far as is known.
    pub fn thread(&self) -> &ThreadId {
        if self.after == Some(After::Reset) || self.queue.iter().any(|job| job.request.renew) || self.context_goes() {
            // What is there now goes before that turn begins.
            return &self.planned;
        }
        self.resumable().or(self.attached.as_ref().map(|a| &a.thread)).unwrap_or(&self.planned)
    }

    /// How long an idle process of this session is kept.
    pub(super) fn idle_timeout(&self) -> Duration {
        if self.record.unnamed {
            self.policy.unnamed_idle_timeout.min(self.policy.idle_timeout)
        } else {
            self.policy.idle_timeout
        }
    }

    pub(super) fn command(&mut self, kind: CommandKind) -> CommandId {
        self.next_command += 1;
        let id = self.next_command;
        self.out.push(Effect::Command(Command { id, kind }));
        id
    }

    pub(super) fn tell_front(&mut self, reason: WaitReason) {
        if let Some(turn) = self.queue.front().map(|job| job.turn) {
            self.emit(turn, EventKind::Waiting(reason));
        }
    }

    pub(super) fn emit(&mut self, turn: TurnId, kind: EventKind) {
        self.out.push(Effect::Emit(turn, kind));
    }

    pub(super) fn end(&mut self, turn: TurnId, ending: TurnEnding) {
        self.emit(turn, EventKind::Ended(ending));
    }
}

impl Active {
    /// A sign of life that is no event of the turn: its waits start anew, but a turn that runs gets no more time for it.
    pub(super) fn alive(&mut self, now: Instant) {
        self.last = now;
        if !self.begun {
            self.since = now;
        }
    }
}
