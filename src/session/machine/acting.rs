//! What clients do to a session beside giving it turns: steer, answer, configure, adopt.
//!
//! A steer goes to the running turn only. One that comes before the agent has begun the turn is held until it has; the
//! answer to the client waits for the driver's word. What the model never had when the turn ends is said by an event, so
//! that nobody believes that it was heard.

use std::path::PathBuf;
use std::time::Instant;

use super::core::State;
use super::{Denial, Effect, Job, Machine};
use crate::driver::{CommandId, CommandKind, Plan, SteerMode};
use crate::protocol::{BackendId, Decision, EventKind, Permission, RequestId, SteerId, ThreadId, TurnError, TurnId};

/// Steers of one turn that may be on their way.
const STEERS_MAX: usize = 32;

/// Ties an answer to whoever asked.
pub type AskId = u64;

/// What a client wants done.
#[derive(Debug, Clone)]
pub enum Act {
    /// More input for the running turn.
    Steer {
        /// What is said.
        text: String,
    },
    /// An answer to a question.
    Answer {
        /// Which question.
        request: RequestId,
        /// What is said to it.
        decision: Decision,
    },
    /// Other options for the turns to come.
    Configure {
        /// The agent's name for the language model.
        model: Change<String>,
        /// What the agent may do unasked.
        permission: Change<Permission>,
    },
    /// A thread of the agent's that the session is to go on with.
    Adopt {
        /// Which.
        thread: ThreadId,
        /// The backend whose agent knows it.
        backend: BackendId,
        /// The driver of that.
        driver: String,
        /// Where the agent runs: a thread is known only there.
        directory: PathBuf,
    },
}

/// What is to become of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is the backend's again.
    TakeBack,
    /// It is this from now on.
    Set(T),
}

impl<T> Change<T> {
    fn apply(self, option: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::TakeBack => *option = None,
            Self::Set(value) => *option = Some(value),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acted {
    /// The agent has the input.
    Steered {
        /// The turn that it steers.
        turn: TurnId,
        /// Its name in events.
        steer: SteerId,
    },
    /// The question is answered.
    Answered {
        /// The turn that asked.
        turn: TurnId,
    },
    /// It will be in force from the next turn on.
    Configured {
        /// Whether the agent's process is started anew for that; the thread stays.
        restarts: bool,
    },
    /// The next turn goes on with the thread.
    Adopted,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing runs that could be steered.
    #[error("no turn of this session runs; POST /v1/sessions/KEY/submit starts one")]
    NoActiveTurn,
    /// The agent takes no input while it works.
    #[error(
        "driver `{driver}` takes no input while a turn runs; interrupt the turn, or submit the input as the next one"
    )]
    SteerUnsupported {
        /// The driver.
        driver: String,
    },
    /// The agent did not take it.
    #[error("{0}")]
    Agent(TurnError),
    /// As many steers are on their way as may.
    #[error("{STEERS_MAX} inputs for this turn wait already; say it again when the agent has taken some")]
    TooManySteers,
    /// The question has its answer, or its turn is over.
    #[error("this question is answered already, or its turn is over")]
    RequestGone,
    /// There was no such question.
    #[error("this session was not asked that; its events (GET /v1/sessions/KEY/events) name what it was asked")]
    NoRequest,
    /// The answer does not fit the question.
    #[error("{0}")]
    WrongAnswer(String),
    /// There is no such session.
    #[error("there is no such session; GET /v1/sessions lists them")]
    NoSession,
    /// More is wanted than the backend's configuration allows.
    #[error(
        "permission `{wanted}` allows more than backend {backend} does, which is `{most}` at most; `permission` under \
         [backends.{backend}] in turnmux.toml says so"
    )]
    PermissionNotAllowed {
        /// What was asked for.
        wanted: Permission,
        /// What there is at most.
        most: Permission,
        /// By whose configuration.
        backend: BackendId,
    },
    /// The driver cannot do with these options.
    #[error("{0}")]
    Unsupported(String),
    /// The session does not take it, as it would not take a turn.
    #[error(transparent)]
    Denied(#[from] Denial),
}

/// A steer on its way.
#[derive(Debug)]
pub(super) struct Steering {
    id: SteerId,
    text: String,
    /// The driver's command; none while the turn has not begun.
    command: Option<CommandId>,
    /// Who waits for the driver's word; none once it was given.
    by: Option<By>,
}

#[cfg(test)]
impl Steering {
    /// The driver's command, once there is one.
    pub(super) fn command(&self) -> Option<CommandId> {
        self.command
    }
}

#[derive(Debug)]
enum By {
    Ask(AskId),
    /// A turn that becomes a steer where it can, and waits in line otherwise.
    Turn(Box<Job>),
}

impl Machine {
    pub(super) fn act(&mut self, now: Instant, ask: AskId, act: Act) {
        let result = match self.alive().map_err(Refused::from) {
            Err(refused) => Err(refused),
            Ok(()) => match act {
                Act::Steer { text } => match self.may_steer() {
                    Ok(()) => return self.steer(text, By::Ask(ask)),
                    Err(refused) => Err(refused),
                },
                Act::Answer { request, decision } => self.answer(now, request, decision),
                Act::Configure { model, permission } => self.configure(model, permission),
                Act::Adopt { thread, backend, driver, directory } => self.adopt(thread, backend, driver, directory),
            },
        };
        self.out.push(Effect::Reply { ask, result });
    }

    /// Makes a submitted turn a steer of the one that runs, if it may be one and can. Gives it back otherwise.
    pub(super) fn steer_instead(&mut self, job: Box<Job>) -> Result<(), Box<Job>> {
        // One that wants a clean context, or another model, is a turn of its own; and a steer is text alone.
        let is_plain = !job.request.renew && job.request.model.is_none() && job.request.images.is_empty();
        let joins = job.steers && is_plain;
        if !joins || !self.queue.is_empty() || self.may_steer().is_err() {
            return Err(job);
        }
        self.steer(job.request.input.clone(), By::Turn(job));
        Ok(())
    }

    fn may_steer(&self) -> Result<(), Refused> {
        let State::Active(_) = &self.state else { return Err(Refused::NoActiveTurn) };
        let mode = self.attached.as_ref().map(|attached| attached.driver.0.steer_mode());
        if !matches!(mode, Some(SteerMode::Native | SteerMode::NativeEnqueue)) {
            return Err(Refused::SteerUnsupported { driver: self.record.driver.clone() });
        }
        if self.steers.len() >= STEERS_MAX { Err(Refused::TooManySteers) } else { Ok(()) }
    }

    fn steer(&mut self, text: String, by: By) {
        let begun = matches!(&self.state, State::Active(active) if active.begun);
        let command = begun.then(|| self.command(CommandKind::Steer { text: text.clone() }));
        self.steers.push(Steering { id: SteerId::generate(), text, command, by: Some(by) });
    }

    /// The turn has begun: what was held for it goes to the agent.
    pub(super) fn send_steers(&mut self) {
        let mut steers = std::mem::take(&mut self.steers);
        for steer in steers.iter_mut().filter(|steer| steer.command.is_none()) {
            steer.command = Some(self.command(CommandKind::Steer { text: steer.text.clone() }));
        }
        self.steers = steers;
    }

    /// The driver's word on a steer. False when the command was none.
    pub(super) fn steer_acked(&mut self, command: CommandId, result: Result<(), TurnError>) -> bool {
        let Some(at) = self.steers.iter().position(|steer| steer.command == Some(command)) else { return false };
        match result {
            Ok(()) => self.steer_accepted(at),
            Err(error) => {
                let steer = self.steers.remove(at);
                self.steer_over(steer, Refused::Agent(error));
            }
        }
        true
    }

    pub(super) fn steer_consumed(&mut self, command: CommandId) {
        let Some(at) = self.steers.iter().position(|steer| steer.command == Some(command)) else { return };
        self.steer_accepted(at);
        let steer = self.steers.remove(at);
        if let Some(turn) = self.active() {
            self.emit(turn, EventKind::SteerConsumed { steer: steer.id });
        }
    }

    fn steer_accepted(&mut self, at: usize) {
        let Some(turn) = self.active() else { return };
        let Some(steering) = self.steers.get_mut(at) else { return };
        let (steer, text) = (steering.id, steering.text.clone());
        let Some(by) = steering.by.take() else { return };
        self.emit(turn, EventKind::Steered { steer, text });
        self.out.push(match by {
            By::Ask(ask) => Effect::Reply { ask, result: Ok(Acted::Steered { turn, steer }) },
            By::Turn(job) => Effect::Joined { turn: job.turn, into: turn, thread: self.thread().clone() },
        });
    }

    fn steer_over(&mut self, steer: Steering, why: Refused) {
        match steer.by {
            Some(By::Ask(ask)) => self.out.push(Effect::Reply { ask, result: Err(why) }),
            // It is a turn like any other.
            Some(By::Turn(job)) => self.out.push(Effect::Again(Box::new(Job { steers: false, ..*job }))),
            None => {
                if let Some(turn) = self.active() {
                    self.emit(turn, EventKind::SteerDropped { steer: steer.id });
                }
            }
        }
    }

    /// The running turn is about to end: what of its steers the model never had is said, and nobody waits any longer.
    pub(super) fn drop_steers(&mut self) {
        for steer in std::mem::take(&mut self.steers) {
            self.steer_over(steer, Refused::NoActiveTurn);
        }
    }

    fn configure(&mut self, model: Change<String>, permission: Change<Permission>) -> Result<Acted, Refused> {
        let before = self.record.overrides.clone();
        model.apply(&mut self.record.overrides.model);
        permission.apply(&mut self.record.overrides.permission);
        let plan = self.attached.as_ref().map(|attached| {
            let wanted = self.record.overrides.over(&attached.spec, attached.options.clone());
            attached.driver.0.plan(&attached.options, &wanted)
        });
        match plan {
            Some(Plan::Unsupported(why)) => {
                self.record.overrides = before;
                Err(Refused::Unsupported(why))
            }
            plan => {
                self.out.push(Effect::Save);
                Ok(Acted::Configured { restarts: plan == Some(Plan::Restart) })
            }
        }
    }

    fn adopt(
        &mut self,
        thread: ThreadId,
        backend: BackendId,
        driver: String,
        directory: PathBuf,
    ) -> Result<Acted, Refused> {
        if self.bound() {
            let bound = self.thread().clone();
            return if bound == thread { Ok(Acted::Adopted) } else { Err(Denial::OtherThread { bound }.into()) };
        }
        self.record.thread = Some(thread);
        (self.record.backend, self.record.driver, self.record.directory) = (backend, driver, directory);
        // Whoever names a thread means one with something in it.
        self.record.answered = true;
        self.record.first_turn = None;
        self.out.push(Effect::Save);
        Ok(Acted::Adopted)
    }
}
