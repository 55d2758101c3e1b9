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
mod servers;
mod steers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use serde_json::value::RawValue;

use super::residue::Residue;
use super::turn::{self, Turn};
use super::{failure, input};
use crate::driver::claude::{failure as words, launch};
use crate::driver::{Answer, Command, CommandId, CommandKind, DriverEvent, TurnInput};
use crate::protocol::{
    BackendSpec, ErrorKind, EventKind, InterruptCause, McpServers, Question, ThreadId, TurnEnding, TurnError, TurnId,
    TurnOptions,
};
use crate::wire::claude::{
    Cancelled, ControlRequestLine, ControlResponseLine, InitLine, Output, PermissionAnswer, Request,
};
use crate::wire::claude::{RateLimitLine, ResultLine};

/// Questions that may wait for an answer: claude runs a handful of tools at once.
const QUESTIONS_MAX: usize = 256;

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

    // ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────

    fn prepare(&mut self, command: CommandId, start: Option<(TurnId, TurnInput)>, wanted: TurnOptions) {
        self.phase = Phase::Preparing(Prepared { command, start, wanted, cancelled: false });
        self.advance();
    }

    /// Brings about what the prepared turn wants, one request after the other, and then gives it to claude.
    fn advance(&mut self) {
        let Phase::Preparing(prepared) = &self.phase else { return };
        let prepares = |pending: &Pending| matches!(pending, Pending::Model | Pending::Permission | Pending::Servers);
        if self.own_turn || self.pending.values().any(prepares) {
            return;
        }
        if !prepared.cancelled && prepared.wanted.model != self.options.model {
            let model = prepared.wanted.model.clone();
            return self.request(Pending::Model, Request::SetModel { model: model.as_deref() });
        }
        if !prepared.cancelled && prepared.wanted.permission != self.options.permission {
            let mode = launch::permission_mode(prepared.wanted.permission);
            return self.request(Pending::Permission, Request::SetPermissionMode { mode });
        }
        if !prepared.cancelled && prepared.wanted.mcp != self.options.mcp {
            let wanted = prepared.wanted.mcp.clone();
            return self.set_servers(wanted);
        }
        let Phase::Preparing(prepared) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        self.options.system_prompt = prepared.wanted.system_prompt;
        self.ack(prepared.command, Ok(()));
        match prepared.start {
            Some(_) if prepared.cancelled => self.events.push_back(DriverEvent::TurnEnded(interrupted())),
            Some((turn, text)) => {
                input::user(&mut self.out, turn.uuid(), &text, self.spec.commands);
                self.began = None;
                self.phase = Phase::Running(Turn::new(turn));
            }
            None => {}
        }
    }

    fn init(&mut self, line: &InitLine<'_>) {
        if matches!(self.phase, Phase::Clearing(_)) {
            return self.clear_begins();
        }
        let ours = match &self.phase {
            Phase::Running(turn) if self.says_what_began => turn.goes_on || self.began == Some(turn.id.uuid()),
            Phase::Running(_) => !std::mem::take(&mut self.own_turn_due),
            _ => false,
        };
        self.own_turn_due = false;
        self.own_turn = !ours;
        let permission = self.options.permission;
        let Some(turn) = self.turn() else {
            tracing::debug!(pid = self.pid, "claude began a turn of its own");
            return;
        };
        if turn.begun {
            return;
        }
        let is_told = std::mem::replace(&mut turn.told, true);
        turn.go_on();
        let interrupted = turn.interrupted;
        if let Some(mode) = &line.permission_mode
            && launch::laxer(mode, permission)
        {
            self.broken = Some(words::laxer(&self.spec, mode, permission));
            return;
        }
        match ThreadId::parse(&line.session_id) {
            Ok(_) if is_told => {}
            Ok(thread) => {
                self.thread = Some(thread.clone());
                self.events.push_back(DriverEvent::Began { thread });
            }
            Err(error) => {
                let message = format!("{} gave a session id that cannot be used: {error}", self.spec.id);
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
        }
        if interrupted {
            self.interrupt_now();
        }
    }

    fn result(&mut self, line: &ResultLine<'_>) {
        let total = line.total_cost_usd.unwrap_or(self.cost_usd);
        let cost = (total - self.cost_usd).max(0.0);
        self.cost_usd = total;
        self.began = None;
        if std::mem::take(&mut self.own_turn) {
            return self.advance();
        }
        if matches!(self.phase, Phase::Clearing(_)) {
            return self.clear_ended(line);
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Running(turn) if !turn.begun && (turn.told || !line.is_error) => {
                // Every turn begins with `system/init`: this is a second result of what was before.
                self.noise += 1;
                self.phase = Phase::Running(turn);
            }
            Phase::Running(mut turn) => {
                self.questions.clear();
                let cost = line.total_cost_usd.map(|_| cost);
                let (steps, ending) = turn.finish(line, &self.spec, cost, self.retry_at.take());
                self.events.extend(steps.into_iter().map(DriverEvent::Step));
                turn.begun = false;
                turn.held = Some(ending);
                self.phase = Phase::Running(turn);
                self.settle();
            }
            Phase::Starting => {
                // It could not take up the thread, says why and ends.
                self.phase = Phase::Starting;
                self.broken = Some(failure::of_result(line, &self.spec, None));
            }
            other => self.phase = other,
        }
    }

    fn interrupt(&mut self, id: CommandId) {
        match &mut self.phase {
            Phase::Running(turn) if !turn.interrupted => {
                turn.interrupted = true;
                let begun = turn.begun;
                self.take_back();
                // Before claude has begun the turn an interrupt would meet nothing, and the turn would run on.
                if begun {
                    self.request(Pending::Interrupt(Some(id)), Request::Interrupt);
                } else {
                    self.ack(id, Ok(()));
                }
            }
            Phase::Preparing(prepared) => {
                prepared.cancelled = true;
                self.ack(id, Ok(()));
                if self.own_turn {
                    // The turn waits for one of claude's own: it need not any more.
                    self.cancel_prepared();
                } else {
                    self.advance();
                }
            }
            _ => self.ack(id, Ok(())),
        }
    }

    fn cancel_prepared(&mut self) {
        if let Phase::Preparing(prepared) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.ack(prepared.command, Ok(()));
            if prepared.start.is_some() {
                self.events.push_back(DriverEvent::TurnEnded(interrupted()));
            }
        }
    }

    // ── requests, theirs and ours ───────────────────────────────────────────────────────────────────────────────────

    fn control_request(&mut self, line: &ControlRequestLine<'_>) {
        let id = line.request_id.to_string();
        let (Some(tool), Some(arguments)) = (&line.request.tool_name, line.request.input) else {
            return input::refuse(&mut self.out, &id);
        };
        if line.request.subtype != "can_use_tool" {
            return input::refuse(&mut self.out, &id);
        }
        if self.turn().is_none() || self.questions.len() >= QUESTIONS_MAX {
            // A turn of claude's own has nobody to ask.
            let message = "Permission denied: nobody is there to answer.";
            return input::answer(&mut self.out, &id, PermissionAnswer::Deny { message });
        }
        self.questions.insert(id.clone(), arguments.to_owned());
        let question = Question { id, tool: tool.to_string(), input: arguments.get().to_owned() };
        self.events.push_back(DriverEvent::Asked(question));
    }

    fn answer(&mut self, command: CommandId, question: &str, answer: &Answer) {
        let Some(arguments) = self.questions.remove(question) else {
            return self.refuse(command, "there is no such question");
        };
        let response = match answer {
            Answer::Allow => PermissionAnswer::Allow { updated_input: &arguments },
            Answer::AllowWith { input } => match serde_json::from_str(input) {
                Ok(updated_input) => PermissionAnswer::Allow { updated_input },
                Err(_) => PermissionAnswer::Deny { message: "Permission denied: the answer could not be read." },
            },
            Answer::Deny { message } => PermissionAnswer::Deny { message },
        };
        input::answer(&mut self.out, question, response);
        self.ack(command, Ok(()));
    }

    fn control_response(&mut self, line: &ControlResponseLine<'_>) {
        let Some(pending) = self.pending.remove(&*line.response.request_id) else { return };
        let refused = (line.response.subtype != "success")
            .then(|| line.response.error.as_deref().unwrap_or("no reason given").to_owned());
        match (pending, refused) {
            (Pending::Initialize, None) => {
                self.phase = Phase::Idle;
                self.events.push_back(DriverEvent::Ready { pid: Some(self.pid) });
            }
            (Pending::Initialize, Some(why)) => {
                let message = format!("{} refused to be initialised: {why}", self.spec.id);
                self.broken = Some(TurnError::new(ErrorKind::StartFailed, message));
            }
            (Pending::Interrupt(command), _) => {
                // Whatever it says: what counts is that the turn ends, and that is waited for.
                if let Some(command) = command {
                    self.ack(command, Ok(()));
                }
            }
            (Pending::Cancel(uuid), _) => {
                let said = line.response.response.and_then(|said| serde_json::from_str(said.get()).ok());
                self.taken_back(uuid, said.is_some_and(|Cancelled { cancelled }| cancelled));
            }
            (Pending::Servers, _) => self.servers_set(&line.response),
            (Pending::Model | Pending::Permission, None) => {
                if let Phase::Preparing(prepared) = &self.phase {
                    match pending {
                        Pending::Model => self.options.model.clone_from(&prepared.wanted.model),
                        _ => self.options.permission = prepared.wanted.permission,
                    }
                }
                self.advance();
            }
            (Pending::Model | Pending::Permission, Some(why)) => {
                let what = if pending == Pending::Model { "model" } else { "permission mode" };
                let message = format!("{} does not take this {what}: {why}", self.spec.id);
                if let Phase::Preparing(prepared) = std::mem::replace(&mut self.phase, Phase::Idle) {
                    self.ack(prepared.command, Err(TurnError::new(ErrorKind::ModelRefused, message)));
                }
            }
        }
    }

    fn rate_limit(&mut self, line: &RateLimitLine<'_>) {
        if let Some(info) = &line.rate_limit_info
            && info.status == "rejected"
        {
            self.retry_at = info.resets_at.and_then(turn::time_of);
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

fn interrupted() -> TurnEnding {
    TurnEnding::Interrupted(InterruptCause::Agent)
}
