//! The numbered steps of a turn.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    AnsweredBy, Decision, FileChangeKind, ImageMark, Question, SteerId, ThreadId, TurnEnding, TurnError, TurnId, Usage,
};

/// What an event takes beside its texts, in bytes, about.
const EVENT_BYTES: usize = 256;

/// One step, numbered without gaps within its session.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The session's number for it, from 1.
    pub seq: u64,
    /// Which turn it belongs to.
    pub turn: TurnId,
    /// What happened.
    pub kind: EventKind,
}

/// An event that was written down.
#[derive(Debug)]
pub struct Logged {
    /// What happened.
    pub event: Event,
    /// When.
    pub at: SystemTime,
    /// How a front shows it to observers, made by the first that needs it: there may be many.
    pub shown: OnceLock<Bytes>,
}

impl Logged {
    /// Written down now.
    pub fn now(event: Event) -> Arc<Self> {
        Self::at(SystemTime::now(), event)
    }

    /// Written down then.
    pub fn at(at: SystemTime, event: Event) -> Arc<Self> {
        Arc::new(Self { event, at, shown: OnceLock::new() })
    }
}

impl PartialEq for Logged {
    fn eq(&self, other: &Self) -> bool {
        (&self.event, self.at) == (&other.event, other.at)
    }
}

impl Deref for Logged {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

/// What can happen in a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// The turn cannot begin yet.
    Waiting(WaitReason),
    /// The agent has the input.
    Started {
        /// The thread that the turn belongs to.
        thread: ThreadId,
    },
    /// What the user says; the turn's first event.
    UserText(UserText),
    /// More of the answer.
    TextDelta(String),
    /// More of the visible thinking.
    ReasoningDelta(String),
    /// A whole message of the answer, whose pieces came before.
    AssistantText(String),
    /// A whole piece of visible thinking, whose pieces came before.
    Reasoning(String),
    /// The agent uses a tool.
    ToolUse {
        /// The agent's id of this call.
        id: String,
        /// The tool's name.
        name: String,
        /// Its arguments, as JSON text.
        input: String,
    },
    /// A tool answered.
    ToolResult {
        /// The call that it answers.
        id: String,
        /// Whether it failed.
        is_error: bool,
        /// What it said, as text.
        text: String,
    },
    /// Something that a subagent said or did; no part of the answer.
    Subagent {
        /// The tool call that the subagent works for.
        parent: String,
        /// What it said, where it said something.
        text: String,
    },
    /// The agent asks its model's service again.
    Retry {
        /// Which attempt failed, from 1.
        attempt: u32,
        /// The service's status, where it answered.
        status: Option<u16>,
    },
    /// A tool was not allowed.
    PermissionDenied {
        /// The tool's name.
        tool: String,
    },
    /// The agent was given more input for the running turn.
    Steered {
        /// Which input, for [`EventKind::SteerConsumed`].
        steer: SteerId,
        /// What is said.
        text: String,
    },
    /// The model has that input.
    SteerConsumed {
        /// Which.
        steer: SteerId,
    },
    /// The turn ends, and the model never had that input.
    SteerDropped {
        /// Which.
        steer: SteerId,
    },
    /// A person has typed it in the agent's own terminal: what the turn began with, or this input for it.
    Typed {
        /// Which input, of those that came while it ran.
        steer: Option<SteerId>,
    },
    /// A tool asks for leave, or the model for a word; the turn waits.
    PermissionAsked(Question),
    /// A question has its answer.
    PermissionAnswered {
        /// The question's id.
        question: String,
        /// The answer.
        decision: Decision,
        /// How it came about.
        by: AnsweredBy,
    },
    /// A tool changed a file.
    FileChange {
        /// The agent's id of the tool call.
        id: String,
        /// Which file, as the agent named it.
        path: String,
        /// What became of it.
        kind: FileChangeKind,
    },
    /// The agent did not know the session's thread any more: the turn begins a new one, which is told what is known of the
    /// conversation.
    ContextLost {
        /// The thread that is lost.
        from: ThreadId,
        /// The new one.
        to: ThreadId,
        /// Messages of the conversation that it is told.
        recalled: usize,
    },
    /// The final text differs from the deltas; the final text counts.
    TextMismatch,
    /// A line of the agent's own protocol, as it came; only while somebody asks for it.
    Raw(String),
    /// What the turn took; stands before the ending of a turn that was completed.
    Usage(Usage),
    /// The turn's one ending.
    Ended(TurnEnding),
}

impl EventKind {
    /// Whether it is a piece of a message that comes as a whole, too.
    pub fn is_delta(&self) -> bool {
        matches!(self, Self::TextDelta(_) | Self::ReasoningDelta(_))
    }

    /// What an event takes, in bytes, about.
    pub fn bytes(&self) -> usize {
        let text = match self {
            Self::UserText(said) => said.text.len() + said.images.len() * size_of::<ImageMark>(),
            Self::TextDelta(text)
            | Self::ReasoningDelta(text)
            | Self::AssistantText(text)
            | Self::Raw(text)
            | Self::Reasoning(text)
            | Self::Steered { text, .. } => text.len(),
            Self::ToolUse { id, name, input } => id.len() + name.len() + input.len(),
            Self::ToolResult { id, text, .. } => id.len() + text.len(),
            Self::Subagent { parent, text } => parent.len() + text.len(),
            Self::PermissionDenied { tool } => tool.len(),
            Self::PermissionAsked(question) => question.input.len(),
            Self::PermissionAnswered { decision: Decision::Deny { message }, .. } => message.len(),
            Self::PermissionAnswered { decision: Decision::Answers(answers), .. } => {
                answers.iter().map(|(question, answer)| question.len() + answer.len()).sum()
            }
            Self::FileChange { path, .. } => path.len(),
            Self::Ended(TurnEnding::Completed { text, reasoning, .. }) => text.len() + reasoning.len(),
            Self::Ended(TurnEnding::Failed(error)) => error.message.len(),
            Self::Ended(TurnEnding::Interrupted(_))
            | Self::Waiting(_)
            | Self::Started { .. }
            | Self::Retry { .. }
            | Self::ContextLost { .. }
            | Self::TextMismatch
            | Self::PermissionAnswered { .. }
            | Self::SteerConsumed { .. }
            | Self::SteerDropped { .. }
            | Self::Typed { .. }
            | Self::Usage(_) => 0,
        };
        // The shown form is about as long again.
        EVENT_BYTES + 2 * text
    }
}

/// What a user says to begin a turn, without the images themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserText {
    /// The words.
    pub text: String,
    /// What is told of the images, in their order.
    pub images: Vec<ImageMark>,
}

impl UserText {
    /// The words as they stand where images cannot: behind them a line for each image.
    pub fn in_words(&self) -> String {
        in_words(self.text.clone(), self.images.len())
    }
}

/// The same of so many images that are shown with these words.
pub fn in_words(mut words: String, images: usize) -> String {
    for _ in 0..images {
        if !words.is_empty() {
            words.push('\n');
        }
        words.push_str("[image]");
    }
    words
}

impl From<String> for UserText {
    fn from(text: String) -> Self {
        Self { text, images: Vec::new() }
    }
}

impl From<&str> for UserText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Why a turn cannot begin yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Earlier turns of its session come first.
    Queued,
    /// All processes are busy.
    Capacity,
    /// Its process starts.
    Starting,
}

/// How an attachment came by its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadOrigin {
    /// A new one, under an id chosen by us.
    New(ThreadId),
    /// One that the agent knows.
    Resume(ThreadId),
    /// A new one that knows what another knew.
    Fork {
        /// The other thread.
        from: ThreadId,
        /// The agent's id of the last message to keep; none keeps all.
        at: Option<String>,
        /// The new thread's id.
        into: ThreadId,
    },
}

impl ThreadOrigin {
    /// The thread that the attachment will carry.
    pub fn thread(&self) -> &ThreadId {
        match self {
            Self::New(thread) | Self::Resume(thread) | Self::Fork { into: thread, .. } => thread,
        }
    }
}

/// Why an attachment is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverEnd {
    /// It was told to end.
    Detached,
    /// It ended by itself, or could not begin.
    Failed(TurnError),
}
