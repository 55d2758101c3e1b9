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
//! at the outcome of a background task) belongs to nobody: its hooks name no push of ours.
//!
//! In `exchange/`: `commands.rs` what the session wants, `hooks.rs` what hooks say, `plugin.rs` what the plugin says, `written.rs`
//! what the log and the transcript say, `due.rs` what is due when nothing comes, `typed.rs` turns that a person begins in the
//! terminal.

mod commands;
mod due;
mod hooks;
mod plugin;
mod typed;
mod written;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::turn::{Stage, Turn};
use crate::driver::{Answer, DriverEvent};
use crate::protocol::{BackendSpec, EventKind, TurnError, TurnId, TurnOptions};

/// Questions that may wait for an answer: claude runs a handful of tools at once.
const QUESTIONS_MAX: usize = 256;

/// Pushes that a second start is known by.
const KNOWN_MAX: usize = 64;

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

    /// Whether the turn is not over.
    pub(super) fn has(&self, turn: TurnId) -> bool {
        [&self.turn, &self.behind].into_iter().flatten().any(|known| known.id == turn)
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
}
