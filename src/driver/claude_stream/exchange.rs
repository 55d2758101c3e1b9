//! What is said between turnmux and one claude: commands and lines in, lines and events out. No process, no waiting.
//!
//! ```text
//!            answered              StartTurn             options in force          result
//!  Starting ─────────▶ Idle ─────────────────▶ Preparing ────────────────▶ Running ───────▶ Idle
//!                       │ init that nobody asked for                            result
//!                       ├────────────────────────▶ (own turn of claude's) ─────────────▶ Idle
//!                       │ Clear                                     result with another thread
//!                       └────────▶ Clearing ───────────────────────────────────────────▶ Idle
//! ```

mod clear;
mod requests;
mod servers;
mod steers;
mod turns;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use serde_json::value::RawValue;

use super::input;
use super::residue::Residue;
use super::turn::Turn;
use crate::driver::{Command, CommandId, CommandKind, DriverEvent, TurnInput};
use crate::protocol::{BackendSpec, ErrorKind, EventKind, McpServers, ThreadId, TurnError, TurnId, TurnOptions};
use crate::wire::claude::{Output, Request};

/// One conversation with one process.
#[derive(Debug)]
pub(super) struct Exchange {
    spec: Arc<BackendSpec>,
    phase: Phase,
    /// What is in force.
    options: TurnOptions,
    /// Lines for claude.
    pub(super) out: BytesMut,
    /// Events for the session.
    pub(super) events: VecDeque<DriverEvent>,
    /// What made the process useless: it is to be ended.
    pub(super) broken: Option<TurnError>,
    /// Lines that were no protocol.
    pub(super) noise: u64,
    pid: u32,
    requests: u64,
    pending: HashMap<String, Pending>,
    questions: HashMap<String, Box<RawValue>>,
    /// A turn that claude began by itself.
    own_turn: bool,
    /// A background task ended: the next turn that begins is claude's own, unless claude says whose it is.
    own_turn_due: bool,
    /// This claude says which message it began with (2.1.300 and later), and said so of this turn.
    says_what_began: bool,
    began: Option<uuid::Uuid>,
    cost_usd: f64,
    retry_at: Option<SystemTime>,
    /// The thread, as claude named it last.
    thread: Option<ThreadId>,
    /// The servers of tools that claude was given last; it may be at work on them.
    servers: McpServers,
    /// What turns have left in the process, which a fresh context would not be without.
    residue: Residue,
}

#[derive(Debug)]
enum Phase {
    Starting,
    Idle,
    Preparing(Prepared),
    Running(Turn),
    Clearing(clear::Clearing),
}

#[derive(Debug)]
struct Prepared {
    command: CommandId,
    /// None when only options are to change.
    start: Option<(TurnId, TurnInput)>,
    wanted: TurnOptions,
    cancelled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Initialize,
    Interrupt(Option<CommandId>),
    Model,
    Permission,
    /// Servers of tools.
    Servers,
    /// The taking back of a steer.
    Cancel(uuid::Uuid),
}

impl Exchange {
    /// Begins with a process that was just started with these options.
    pub(super) fn new(spec: Arc<BackendSpec>, options: TurnOptions, pid: u32) -> Self {
        let mut exchange = Self {
            spec,
            phase: Phase::Starting,
            // It is given these with its first turn.
            options: TurnOptions { mcp: McpServers::default(), ..options },
            out: BytesMut::new(),
            events: VecDeque::new(),
            broken: None,
            noise: 0,
            pid,
            requests: 0,
            pending: HashMap::new(),
            questions: HashMap::new(),
            own_turn: false,
            own_turn_due: false,
            says_what_began: false,
            began: None,
            cost_usd: 0.0,
            retry_at: None,
            thread: None,
            servers: McpServers::default(),
            residue: Residue::default(),
        };
        let prompt = exchange.options.system_prompt.clone();
        exchange.request(Pending::Initialize, Request::Initialize { append_system_prompt: prompt.as_deref() });
        exchange
    }

    /// Whether the process was ready once.
    pub(super) fn ready(&self) -> bool {
        !matches!(self.phase, Phase::Starting)
    }

    /// Whether claude works on a turn.
    pub(super) fn running(&self) -> bool {
        self.own_turn || matches!(self.phase, Phase::Running(_))
    }

    /// Takes a command; `Detach` is the host's.
    pub(super) fn command(&mut self, command: Command) {
        let id = command.id;
        match command.kind {
            CommandKind::StartTurn { turn, input, options } => match self.phase {
                Phase::Idle => self.prepare(id, Some((turn, input)), options),
                _ => self.refuse(id, "the agent is not ready for a turn"),
            },
            CommandKind::Configure { options } => match self.phase {
                Phase::Idle => self.prepare(id, None, options),
                _ => self.refuse(id, "the agent can be configured between turns only"),
            },
            CommandKind::Interrupt => self.interrupt(id),
            CommandKind::Answer { question, answer } => self.answer(id, &question, &answer),
            CommandKind::Steer { text } => self.steer(id, text),
            CommandKind::Clear => self.clear(id),
            CommandKind::Detach => self.ack(id, Ok(())),
        }
    }

    /// Asks claude to stop what it does, whosever turn that is.
    pub(super) fn interrupt_now(&mut self) {
        self.request(Pending::Interrupt(None), Request::Interrupt);
    }

    /// Takes a line.
    pub(super) fn line(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match Output::parse(bytes).and_then(|output| self.output(output)) {
            Ok(()) => {}
            Err(error) => {
                self.noise += 1;
                // Not the line itself: it may be part of the conversation.
                tracing::debug!(pid = self.pid, bytes = bytes.len(), %error, "skipped a line that is no protocol");
            }
        }
    }

    fn output(&mut self, output: Output<'_>) -> serde_json::Result<()> {
        match output {
            Output::StreamEvent(line) => {
                if let Some(turn) = self.turn() {
                    let step = turn.stream_event(&line);
                    self.events.extend(step.map(DriverEvent::Step));
                }
            }
            Output::Assistant(line) => {
                self.residue.said(&line)?;
                if let Some(turn) = self.turn() {
                    let steps = turn.said(&line)?;
                    self.events.extend(steps.into_iter().map(DriverEvent::Step));
                } else if matches!(self.phase, Phase::Preparing(_)) && self.own_turn {
                    self.events.push_back(DriverEvent::Alive);
                }
            }
            Output::User(line) if line.is_replay => {
                if let Some(uuid) = line.uuid.as_deref().and_then(|uuid| uuid.parse().ok()) {
                    self.taken(uuid);
                }
            }
            Output::User(line) => {
                if let Some(turn) = self.turn() {
                    let steps = turn.tool_results(&line)?;
                    self.events.extend(steps.into_iter().map(DriverEvent::Step));
                }
            }
            Output::Init(line) => self.init(&line),
            Output::Result(line) => self.result(&line),
            Output::ApiRetry(line) => {
                if self.turn().is_some() {
                    let retry = EventKind::Retry { attempt: line.attempt, status: line.error_status };
                    self.events.push_back(DriverEvent::Step(retry));
                }
            }
            Output::TaskStarted => self.residue.task_started(),
            Output::TaskNotification => self.own_turn_due |= !self.running(),
            Output::ControlRequest(line) => self.control_request(&line),
            Output::ControlResponse(line) => self.control_response(&line),
            Output::CommandLifecycle(line) => {
                self.says_what_began = true;
                if line.state == "started" {
                    self.began = line.command_uuid.parse().ok();
                    self.began.into_iter().for_each(|uuid| self.taken(uuid));
                }
            }
            Output::RateLimitEvent(line) => self.rate_limit(&line),
            Output::Other => {}
        }
        Ok(())
    }

    /// The turn that what claude says now belongs to, if it is ours.
    fn turn(&mut self) -> Option<&mut Turn> {
        match &mut self.phase {
            Phase::Running(turn) if !self.own_turn => Some(turn),
            _ => None,
        }
    }

    fn request(&mut self, pending: Pending, request: Request<'_>) {
        self.requests += 1;
        let id = format!("turnmux-{}", self.requests);
        input::request(&mut self.out, &id, request);
        self.pending.insert(id, pending);
    }

    fn ack(&mut self, command: CommandId, result: Result<(), TurnError>) {
        self.events.push_back(DriverEvent::Acked { command, result });
    }

    fn refuse(&mut self, command: CommandId, why: &str) {
        self.ack(command, Err(TurnError::new(ErrorKind::Conflict, why)));
    }
}
