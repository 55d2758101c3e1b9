//! What is said between turnmux and one claude in a terminal: commands, hooks and frames in; events, pushes and keys out. No
//! process, no socket, no waiting.
//!
//! ```text
//!             plugin connected,       StartTurn          UserPromptSubmit            Stop          transcript caught up
//!             channel registered                         names the push
//!  Starting ──────────────────▶ Idle ─────────▶ Given ─────────────────▶ Running ─────────▶ Ended ─────────────────▶ Idle
//!                                                 │ 2 s idle: pushed again   ▲   ESC, confirmed │ a steer begins       ▲
//!                                                 └──────────┘               │  └───────────────┼──────────────────────┘
//!                                                                            └──────────────────┘
//! ```
//!
//! At most one push is out, and none while a turn runs, except what steers it. What claude does without being asked (it looks
//! at the outcome of a background task) belongs to nobody: its hooks name no push of ours. What hooks say stands in
//! `exchange/hooks.rs`, what the log and the transcript say in `exchange/written.rs`, what becomes of turns that a person begins
//! in the terminal in `exchange/typed.rs`.

mod hooks;
mod typed;
mod written;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::turn::{Stage, Turn};
use crate::driver::{Answer, Command, CommandId, CommandKind, DriverEvent, TurnInput};
use crate::protocol::{BackendSpec, ErrorKind, EventKind, TurnError, TurnId, TurnOptions};
use crate::wire::channel::Behavior;

/// How long claude may be idle with a push on the way before it is pushed again. It takes 40 to 65 ms; but a claude that
/// still paints a huge answer, or that takes a huge message in, hears nothing for seconds, so each push waits twice as long
/// as the one before.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// What a message's size adds to that, for each MiB.
const TAKEN_WITHIN_PER_MIB: Duration = Duration::from_secs(2);

/// How much longer it may be with the first push of all. Until a hook has come nobody knows that any will, and a message that
/// was taken without a word would run again if it were pushed again.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Pushes of the same message.
const PUSHES_MAX: u8 = 4;

/// Questions that may wait for an answer: claude runs a handful of tools at once.
const QUESTIONS_MAX: usize = 256;

/// Pushes that a second start is known by.
const KNOWN_MAX: usize = 64;

/// Steers of one turn that may wait for claude to take them; fewer than the plugin's queue has places.
const STEERS_MAX: usize = 32;

/// How long after an end hooks may still come that belong to what has ended: each has a connection of its own.
const LATE: Duration = Duration::from_secs(1);

/// The key that interrupts. Never pressed while nothing runs: pressed twice then, it opens a dialog that takes no messages.
const ESCAPE: &[u8] = b"\x1b";

/// What is to be done for the conversation.
#[derive(Debug, PartialEq)]
pub(super) enum Act {
    /// Send a message through the plugin.
    Push { id: Uuid, content: String },
    /// Press keys.
    Keys(&'static [u8]),
    /// Answer a held permission hook. Where nobody waits for that any more, answer through the plugin, if `request` names
    /// the question there.
    Decide { question: String, tool: String, answer: Answer, request: Option<String> },
}

/// What becomes of a hook's call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is answered with nothing.
    Empty,
    /// It is held until the question is answered.
    Hold(String),
    /// The tool may not run, for nobody can be asked.
    Deny,
}

/// One conversation with one process.
#[derive(Debug)]
pub(super) struct Exchange {
    spec: Arc<BackendSpec>,
    options: TurnOptions,
    pid: u32,
    connected: bool,
    registered: bool,
    ready: bool,
    turn: Option<Turn>,
    /// The session's turn, while a person's runs.
    behind: Option<Turn>,
    /// A person has pressed Enter.
    entered: bool,
    /// What a person has typed that claude has not begun: it merges that into what it is at, or begins it then.
    typed: VecDeque<String>,
    /// The conversation's id, as the last hook had it.
    session_id: String,
    pub(super) acts: VecDeque<Act>,
    /// Events for the session.
    pub(super) events: VecDeque<DriverEvent>,
    /// What made the process useless: it is to be ended.
    pub(super) broken: Option<TurnError>,
    /// A hook has come: they are not switched off.
    heard: bool,
    /// The plugin is gone for good: the running turn is the last.
    plugin_gone: bool,
    /// What hooks show: claude is at work, on whatever it is.
    busy: bool,
    idle_since: Option<Instant>,
    /// A turn that began a second time runs out.
    dropping: bool,
    known: VecDeque<Uuid>,
    asked: u64,
    /// Questions that wait, with the plugin's id of the same.
    questions: HashMap<String, Asked>,
    /// What the plugin passed on before the hook asked it: its id, and the tool.
    requests: VecDeque<(String, String)>,
    /// Answers whose hook is gone, and which the plugin has not asked for yet: the tool, and the answer.
    undelivered: VecDeque<(String, Answer)>,
    /// Interrupts whose mark in the transcript is still to come; below zero, marks that came before the log told.
    marks_due: i32,
    /// When a turn ended by itself that the key was pressed for: the key may meet the one that begins next.
    stray: Option<Instant>,
    /// claude keeps a transcript: something of it was seen.
    writes: bool,
}

#[derive(Debug)]
struct Asked {
    tool: String,
    /// As claude writes them, the same each time.
    arguments: String,
    request: Option<String>,
}

impl Exchange {
    /// Begins with a process that was just started with these options.
    pub(super) fn new(spec: Arc<BackendSpec>, options: TurnOptions, pid: u32) -> Self {
        Self {
            spec,
            options,
            pid,
            connected: false,
            registered: false,
            ready: false,
            turn: None,
            behind: None,
            entered: false,
            typed: VecDeque::new(),
            session_id: String::new(),
            acts: VecDeque::new(),
            events: VecDeque::new(),
            broken: None,
            plugin_gone: false,
            busy: false,
            idle_since: None,
            dropping: false,
            known: VecDeque::new(),
            asked: 0,
            questions: HashMap::new(),
            requests: VecDeque::new(),
            undelivered: VecDeque::new(),
            heard: false,
            marks_due: 0,
            stray: None,
            writes: false,
        }
    }

    /// Whether the process was ready once.
    pub(super) fn ready(&self) -> bool {
        self.ready
    }

    /// Whether claude works on a turn.
    pub(super) fn running(&self) -> bool {
        self.busy || self.turn.is_some()
    }

    /// Whether the screen is worth a look: something does not come that should.
    pub(super) fn waits(&self) -> bool {
        !self.ready || self.turn.as_ref().is_some_and(|turn| turn.stage == Stage::Given)
    }

    /// Whether this question still waits for its answer.
    pub(super) fn asks(&self, question: &str) -> bool {
        self.questions.contains_key(question)
    }

    /// When [`Exchange::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let turn = self.turn.as_ref().filter(|_| self.broken.is_none())?;
        match &turn.stage {
            Stage::Given if self.busy => None,
            Stage::Given if !self.heard => Some(turn.since + HEARD_WITHIN + taken_within(turn)),
            Stage::Given => Some(turn.since.max(self.idle_since.unwrap_or(turn.since)) + taken_within(turn)),
            Stage::Running => turn.presumed_until,
            Stage::Ended(_) => Some(turn.since + turn.patience(self.writes)),
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        match &turn.stage {
            Stage::Given if !self.heard => {
                let message = format!(
                    "{}: claude calls no hooks, so nothing is known of what it does; its process is ended. See whether its settings \
                     say `disableAllHooks` or allow managed hooks only, or take `driver = \"claude-stream\"`",
                    self.spec.id
                );
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
            Stage::Given if turn.pushes >= PUSHES_MAX => {
                let message = format!(
                    "{} was idle and took no message through its channel, {PUSHES_MAX} times; its process is ended",
                    self.spec.id
                );
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
            Stage::Given => {
                tracing::warn!(pid = self.pid, push = turn.pushes, "a message was not taken; it is pushed again");
                self.push_again(now);
            }
            Stage::Running => self.never_began(now),
            Stage::Ended(_) => self.complete(now),
        }
    }

    /// A push waits for a person who has opened a menu: it is not pushed again for that.
    pub(super) fn put_off(&mut self, now: Instant) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage == Stage::Given) {
            turn.since = now;
        }
    }

    fn push_again(&mut self, now: Instant) {
        let Some(turn) = &mut self.turn else { return };
        turn.stage = Stage::Given;
        turn.pushes += 1;
        turn.since = now;
        self.acts.push_back(Act::Push { id: turn.id.uuid(), content: turn.content.clone() });
    }

    /// Takes a command; `Detach` is the host's.
    pub(super) fn command(&mut self, now: Instant, command: Command) {
        let id = command.id;
        match command.kind {
            CommandKind::StartTurn { turn, input, options } => match &self.turn {
                None if self.ready => self.start(now, id, turn, &input, options),
                Some(running) if running.typed && self.behind.is_none() => {
                    self.put_behind(now, id, turn, &input, options);
                }
                _ => self.refuse(id, "the agent is not ready for a turn"),
            },
            CommandKind::Configure { options } => {
                // Whatever takes more than this takes a restart, and is planned so.
                self.options.system_prompt = options.system_prompt;
                self.ack(id, Ok(()));
            }
            CommandKind::Interrupt => self.interrupt(id),
            CommandKind::Answer { question, answer } => self.answer(id, question, answer),
            CommandKind::Steer { text } => self.steer(id, text),
            CommandKind::Clear => self.refuse(id, "this driver does not clear a thread; open a new one"),
            CommandKind::Detach => self.ack(id, Ok(())),
        }
    }

    /// Whether the turn is not over.
    pub(super) fn has(&self, turn: TurnId) -> bool {
        [&self.turn, &self.behind].into_iter().flatten().any(|known| known.id == turn)
    }

    /// A command cannot be carried out.
    pub(super) fn fail(&mut self, id: CommandId, error: TurnError) {
        self.ack(id, Err(error));
    }

    /// Stops what claude does, whosever turn that is.
    pub(super) fn interrupt_now(&mut self) {
        if self.busy {
            self.acts.push_back(Act::Keys(ESCAPE));
        }
    }

    // ── the plugin ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// The plugin is there.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.become_ready();
    }

    /// claude takes messages from the plugin.
    pub(super) fn registered(&mut self) {
        self.registered = true;
        self.become_ready();
    }

    /// The plugin is gone and does not come back.
    pub(super) fn plugin_lost(&mut self) {
        self.plugin_gone = true;
        if self.turn.as_ref().is_none_or(|turn| turn.stage == Stage::Given) {
            self.give_up();
        }
    }

    /// Nothing more is heard of the agent, not even by its hooks: no turn of it can end.
    pub(super) fn deaf(&mut self) {
        self.give_up();
    }

    /// The agent said something by its `reply` tool.
    pub(super) fn replied(&mut self, content: &str) {
        let Some(turn) = self.ours() else {
            tracing::warn!(pid = self.pid, bytes = content.len(), "a reply came with no turn; it is dropped");
            return;
        };
        let shown = turn.displayed.reply(content);
        self.show(shown);
    }

    /// The plugin passes on that a tool asks: the same question that the hook asks, under another id.
    pub(super) fn asked_by_plugin(&mut self, request: String, tool: &str) {
        // The oldest question of this tool comes first, and that is one that was answered already.
        if let Some(at) = self.undelivered.iter().position(|(asked, _)| asked == tool)
            && let Some((tool, answer)) = self.undelivered.remove(at)
        {
            let question = String::new();
            self.acts.push_back(Act::Decide { question, tool, answer, request: Some(request) });
            return;
        }
        let open = self.questions.values_mut().find(|asked| asked.tool == tool && asked.request.is_none());
        match open {
            Some(asked) => asked.request = Some(request),
            None if self.requests.len() < QUESTIONS_MAX => self.requests.push_back((request, tool.to_owned())),
            None => {}
        }
    }

    /// An answer found nobody who waits for it: whoever asked by hook is gone, and the plugin has not asked yet. It will, for
    /// claude shows the question.
    pub(super) fn not_delivered(&mut self, tool: String, answer: Answer) {
        if self.turn.is_some() && self.undelivered.len() < QUESTIONS_MAX {
            self.undelivered.push_back((tool, answer));
        }
    }

    fn become_ready(&mut self) {
        if self.connected && self.registered && !self.ready {
            self.ready = true;
            self.events.push_back(DriverEvent::Ready { pid: Some(self.pid) });
        }
    }

    fn give_up(&mut self) {
        let message = format!("{}: the plugin inside the agent ended or lost its connection", self.spec.id);
        self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
    }

    // ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────

    fn start(&mut self, now: Instant, id: CommandId, turn: TurnId, input: &TurnInput, options: TurnOptions) {
        self.options.system_prompt = options.system_prompt;
        let content = content(input);
        self.acts.push_back(Act::Push { id: turn.uuid(), content: content.clone() });
        self.turn = Some(Turn::given(turn, content, now));
        self.ack(id, Ok(()));
    }

    fn steer(&mut self, id: CommandId, text: String) {
        match self.turn.as_mut().filter(|turn| turn.stage == Stage::Running && !turn.interrupted) {
            Some(_) if self.plugin_gone => {
                self.refuse(id, "the plugin inside the agent is gone; the turn takes no more input");
            }
            Some(turn) if turn.steers.len() >= STEERS_MAX => {
                self.refuse(id, "the agent has not taken the input before this yet; say it again later");
            }
            Some(turn) => {
                let push = Uuid::new_v4();
                turn.steers.push((id, push));
                self.acts.push_back(Act::Push { id: push, content: text });
                self.ack(id, Ok(()));
            }
            None => self.refuse(id, "no turn runs that could be steered"),
        }
    }

    fn interrupt(&mut self, id: CommandId) {
        if let Some(turn) = &mut self.turn
            && !turn.interrupted
        {
            turn.interrupted = true;
            // Before claude has begun the turn the key would meet nothing, and the turn would run on.
            if turn.stage == Stage::Running {
                self.acts.push_back(Act::Keys(ESCAPE));
            }
        }
        self.ack(id, Ok(()));
    }

    fn answer(&mut self, id: CommandId, question: String, answer: Answer) {
        match self.questions.remove(&question) {
            Some(asked) => {
                self.acts.push_back(Act::Decide { question, tool: asked.tool, answer, request: asked.request });
                self.ack(id, Ok(()));
            }
            None => self.refuse(id, "there is no such question"),
        }
    }

    /// Ends the turn if nothing more of it is to come.
    fn settle(&mut self, now: Instant) {
        if !self.dropping && self.turn.as_ref().is_some_and(Turn::is_written) {
            self.complete(now);
        }
    }

    /// The transcript has all of the turn, or does not get it; what waits for its end begins.
    fn complete(&mut self, now: Instant) {
        self.end_turn();
        self.go_on(now);
    }

    fn end_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        self.forget(&turn);
        let (steps, ending) = turn.finish(&self.spec);
        self.events.extend(steps.into_iter().map(DriverEvent::Step));
        self.events.push_back(DriverEvent::TurnEnded(ending));
        if self.plugin_gone {
            self.give_up();
        }
    }

    /// The turn is over: what of it begins from now on begins a second time, or too late.
    fn forget(&mut self, turn: &Turn) {
        self.known.extend(turn.steers.iter().map(|(_, steer)| *steer).chain([turn.id.uuid()]));
        self.known.drain(..self.known.len().saturating_sub(KNOWN_MAX));
        self.questions.clear();
        self.requests.clear();
        self.undelivered.clear();
    }

    fn show(&mut self, shown: Vec<String>) {
        if let Some(turn) = &mut self.turn {
            turn.touched |= !shown.is_empty();
        }
        self.events.extend(shown.into_iter().map(|text| DriverEvent::Step(EventKind::TextDelta(text))));
    }

    fn ack(&mut self, command: CommandId, result: Result<(), TurnError>) {
        self.events.push_back(DriverEvent::Acked { command, result });
    }

    fn refuse(&mut self, command: CommandId, why: &str) {
        self.ack(command, Err(TurnError::new(ErrorKind::Conflict, why)));
    }
}

/// A turn's input as one message.
fn content(input: &TurnInput) -> String {
    let mut content = input.preface.join("\n\n");
    if !content.is_empty() {
        content.push_str("\n\n");
    }
    content.push_str(&input.text);
    content
}

/// How long a push may be on the way. Bounded, for the API bounds a message and `PUSHES_MAX` the pushes.
fn taken_within(turn: &Turn) -> Duration {
    let mebibytes = u32::try_from(turn.content.len() >> 20).unwrap_or(u32::MAX);
    let doubled = TAKEN_WITHIN.saturating_mul(1 << turn.pushes.saturating_sub(1).min(8));
    doubled.saturating_add(TAKEN_WITHIN_PER_MIB.saturating_mul(mebibytes))
}

/// What a decision is in the plugin's words.
pub(super) fn behavior(answer: &Answer) -> Behavior {
    match answer {
        Answer::Allow => Behavior::Allow,
        // The plugin has no way to say with which arguments, and a question without its answer is none.
        Answer::AllowWith { .. } | Answer::Deny { .. } => Behavior::Deny,
    }
}

/// Which push a prompt is: claude puts the message in a tag, and what the caller wrote stands behind it.
fn push_of(prompt: &str) -> Option<Uuid> {
    let tag = prompt.trim_start().strip_prefix("<channel ")?.split_once('>')?.0;
    let id = tag.split_once("message_id=\"")?.1.split_once('"')?.0;
    id.parse().ok()
}
