//! What a session asks of a driver, whichever agent stands behind it.
//!
//! `open` gives an [`Attachment`] to a thread: commands go in, events come out, both bounded. Every command is
//! acknowledged by [`DriverEvent::Acked`]. The event channel's close is the one sign that the attachment is over and that
//! a process which was its alone has been reaped; the last event before it, [`DriverEvent::Closed`], says why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::TerminalSlot;
use crate::protocol::{
    BackendId, BackendSpec, DriverEnd, EventKind, Image, Question, ThreadId, ThreadOrigin, TurnEnding, TurnError,
};
use crate::protocol::{TurnId, TurnOptions};

/// Commands and events that may wait in an attachment's channels. A session has at most a handful of commands out; more
/// events than this press back on the agent's pipe.
pub const CHANNEL_MAX: usize = 64;

/// One way of talking to coding agents.
pub trait Driver: Send + Sync + 'static {
    /// The name that `[backends.<id>] driver` gives.
    fn name(&self) -> &'static str;

    /// What becomes of input that arrives while a turn runs.
    fn steer_mode(&self) -> SteerMode;

    /// Whether the backend could be started now, as far as can be told without starting it. Cheap, never blocks for long.
    fn check(&self, spec: &BackendSpec, directory: &Path) -> Result<(), TurnError>;

    /// Which way a driver that has several took for a backend, once it knows; for people.
    fn note(&self, _backend: &BackendId) -> Option<String> {
        None
    }

    /// Whether a process of this backend can be given a fresh context, by [`CommandKind::Clear`]. One that cannot is ended
    /// and started anew instead.
    fn clears(&self, _backend: &BackendId) -> bool {
        false
    }

    /// Whether its agents can be given servers of tools with a turn (`TurnOptions::mcp`).
    fn takes_mcp(&self) -> bool {
        false
    }

    /// Whether a backend's processes have a terminal that people can attach to, as far as is known.
    fn has_terminal(&self, _backend: &BackendId) -> bool {
        false
    }

    /// Whether its agents can be shown images with a turn's input.
    fn takes_images(&self) -> bool {
        false
    }

    /// What it takes to get from one set of options to another.
    fn plan(&self, current: &TurnOptions, wanted: &TurnOptions) -> Plan;

    /// Begins an attachment. Returns at once; [`DriverEvent::Ready`] or the end of the events follows.
    fn open(&self, request: OpenRequest) -> Attachment;
}

/// What [`Driver::open`] needs.
#[derive(Debug, Clone)]
pub struct OpenRequest {
    /// New, resumed or forked.
    pub origin: ThreadOrigin,
    /// Which agent.
    pub spec: Arc<BackendSpec>,
    /// Where it runs.
    pub directory: PathBuf,
    /// With what it starts.
    pub options: TurnOptions,
    /// For logs and process records: the session's key.
    pub label: String,
    /// Whether somebody wants to see what the agent says as it says it.
    pub raw: RawWanted,
    /// Where the agent's terminal is to be found, if it has one.
    pub terminal: TerminalSlot,
}

/// How many want an agent's own lines, as [`EventKind::Raw`]: it may change at any moment.
#[derive(Debug, Clone, Default)]
pub struct RawWanted(Arc<AtomicUsize>);

impl RawWanted {
    /// Whether anybody does.
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// One more does, or one fewer.
    pub fn count(&self, comes: bool) {
        if comes {
            self.0.fetch_add(1, Ordering::Relaxed)
        } else {
            self.0.fetch_sub(1, Ordering::Relaxed)
        };
    }

    /// The step that shows a line, if anybody wants it.
    pub fn step(&self, line: &[u8]) -> Option<DriverEvent> {
        self.is_wanted().then(|| DriverEvent::Step(EventKind::Raw(String::from_utf8_lossy(line).into_owned())))
    }
}

/// The two ends that a session holds.
#[derive(Debug)]
pub struct Attachment {
    /// Commands for the agent. Dropping it ends the attachment as `Detach` does.
    pub commands: mpsc::Sender<Command>,
    /// What happens. Not taking events presses back on the agent; commands still pass.
    pub events: mpsc::Receiver<DriverEvent>,
}

/// A number that ties an acknowledgement to its command.
pub type CommandId = u64;

/// Something that the agent is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Named in the acknowledgement.
    pub id: CommandId,
    /// What to do.
    pub kind: CommandKind,
}

/// What can be asked of an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandKind {
    /// Begin a turn. Acknowledged when the agent was given the input.
    StartTurn {
        /// Which turn the following events belong to.
        turn: TurnId,
        /// What is said.
        input: TurnInput,
        /// What is to be in force; the driver gets there first.
        options: TurnOptions,
    },
    /// More input for the running turn; acknowledged when the agent was given it. The turn ends when the agent is done with
    /// that, too.
    Steer {
        /// What is said.
        text: String,
    },
    /// Stop the running turn, keep the process.
    Interrupt,
    /// Answer a [`Question`].
    Answer {
        /// The question's id.
        question: String,
        /// The answer.
        answer: Answer,
    },
    /// Change options between turns.
    Configure {
        /// What is to be in force.
        options: TurnOptions,
    },
    /// A fresh context in the same process. [`DriverEvent::Cleared`] follows, or a refusal: then the process may be in any
    /// state, and is to be ended.
    Clear,
    /// End the attachment: finish writing, stop the process by the ladder, reap it.
    Detach,
}

/// The input of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TurnInput {
    /// Blocks that stand before the user's text, such as a conversation that the agent has not seen.
    pub preface: Vec<String>,
    /// What the user shows, before the words.
    pub images: Vec<Image>,
    /// What the user says; empty where the images say all.
    pub text: String,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The tool may run.
    Allow,
    /// The tool may run, with other arguments: what a person answered stands in them.
    AllowWith {
        /// The arguments, as JSON text.
        input: String,
    },
    /// The tool may not run; the model is told why.
    Deny {
        /// A sentence for the model.
        message: String,
    },
}

/// What happens in an attachment.
#[derive(Debug, Clone, PartialEq)]
pub enum DriverEvent {
    /// The agent takes turns now.
    Ready {
        /// The agent's process, where there is one.
        pid: Option<u32>,
    },
    /// A command was carried out, or refused.
    Acked {
        /// Which one.
        command: CommandId,
        /// Why not, where it was refused.
        result: Result<(), TurnError>,
    },
    /// Nothing of what came before is left in the agent's context.
    Cleared {
        /// The agent's id of the conversation that begins with the next turn.
        thread: ThreadId,
    },
    /// The agent began the turn that it was given, in this thread.
    Began {
        /// The agent's id of the conversation.
        thread: ThreadId,
    },
    /// The turn could not begin yet, but the agent is at work.
    Alive,
    /// A step of the running turn.
    Step(EventKind),
    /// The model has what this `Steer` brought. None comes for input that the turn ends without.
    SteerConsumed {
        /// The steer's command.
        command: CommandId,
    },
    /// A person has begun a turn in the agent's own terminal. If the session's turn was given and has not begun, it waits until
    /// this one has ended.
    TypedTurn {
        /// Which turn the following events belong to.
        turn: TurnId,
        /// The agent's id of the conversation.
        thread: ThreadId,
        /// What was typed.
        text: String,
    },
    /// The model has what a person has typed in the agent's own terminal while the turn ran.
    TypedSteer {
        /// What was typed.
        text: String,
    },
    /// A question from inside the running turn; the turn waits for its answer.
    Asked(Question),
    /// A person has answered the question with this id in the agent's own terminal: yes.
    Allowed {
        /// As it was asked.
        question: String,
    },
    /// The running turn is over; the agent takes the next one.
    TurnEnded(TurnEnding),
    /// The attachment is over. Always the last event.
    Closed(DriverEnd),
}

/// What input while busy becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SteerMode {
    /// It joins the running turn.
    Native,
    /// The agent queues it itself.
    NativeEnqueue,
    /// turnmux queues it.
    QueueWhenBusy,
    /// Only an interrupt reaches a running turn.
    InterruptOnly,
}

/// What it takes to change options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing, or what the agent takes while it runs.
    Live,
    /// A new process that resumes the thread.
    Restart,
    /// It cannot be done.
    Unsupported(String),
}
