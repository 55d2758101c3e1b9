//! An event in the API: the `data` of `GET …/events`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::respond::ApiError;
use crate::dispatch::Logged;
use crate::protocol::{Decision, EventKind, ImageMark, TurnEnding, Usage, UserText, WaitReason};

/// One event.
#[derive(Serialize)]
pub(in crate::api) struct EventOut<'a> {
    /// The session's number for it; no number is left out.
    seq: u64,
    turn: String,
    /// Milliseconds since 1970.
    at: u64,
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(flatten)]
    kind: KindOut<'a>,
}

/// What happened; which of these it is, its name says.
#[derive(Serialize)]
#[serde(untagged)]
enum KindOut<'a> {
    TurnWaiting {
        reason: WaitReason,
    },
    TurnStarted {
        thread: &'a str,
    },
    UserText {
        text: &'a str,
        #[serde(skip_serializing_if = "<[ImageOut]>::is_empty")]
        images: Vec<ImageOut>,
    },
    TextDelta {
        text: &'a str,
    },
    ReasoningDelta {
        text: &'a str,
    },
    /// A whole message.
    AssistantText {
        text: &'a str,
    },
    /// A whole piece of thinking.
    Reasoning {
        text: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        id: &'a str,
        is_error: bool,
        text: &'a str,
    },
    Subagent {
        parent: &'a str,
        text: &'a str,
    },
    Retry {
        attempt: u32,
        status: Option<u16>,
    },
    PermissionDenied {
        tool: &'a str,
    },
    PermissionAsked {
        request: &'a str,
        tool: &'a str,
        input: Input<'a>,
    },
    PermissionAnswered {
        request: &'a str,
        decision: DecisionOut<'a>,
        by: &'static str,
    },
    Steered {
        steer: String,
        text: &'a str,
    },
    SteerConsumed {
        steer: String,
    },
    /// The turn has ended without it.
    SteerDropped {
        steer: String,
    },
    /// A person has typed it in the agent's own terminal.
    Typed {
        #[serde(skip_serializing_if = "Option::is_none")]
        steer: Option<String>,
    },
    FileChange {
        id: &'a str,
        path: &'a str,
        change: &'static str,
    },
    /// The agent did not know its thread any more; the new one was told so many messages.
    ContextLost {
        from: &'a str,
        to: &'a str,
        recalled: usize,
    },
    TextMismatch {},
    /// A line of the agent's own protocol.
    Raw {
        line: &'a str,
    },
    Usage(UsageOut),
    TurnCompleted {
        text: &'a str,
        finish_reason: crate::protocol::FinishReason,
    },
    TurnInterrupted {
        cause: &'static str,
        reason: String,
    },
    /// The turn has failed.
    Error {
        code: String,
        message: &'a str,
    },
}

/// A tool's arguments: as JSON, or as the text that they are.
#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

/// What was decided.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum DecisionOut<'a> {
    Allow,
    AllowSession,
    Deny,
    #[serde(untagged)]
    Answers {
        answers: &'a BTreeMap<String, String>,
    },
}

/// What a turn took.
#[derive(Serialize)]
pub(super) struct UsageOut {
    input_tokens: u64,
    cache_creation_tokens: u64,
    cache_read_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

/// An image that the user has shown; the image itself is nowhere in the API.
#[derive(Debug, Serialize)]
pub(super) struct ImageOut {
    media_type: &'static str,
    bytes: usize,
}

impl ImageOut {
    /// Those of a turn's input.
    pub(super) fn all(said: &UserText) -> Vec<Self> {
        let one = |mark: &ImageMark| Self { media_type: mark.media_type.media_type(), bytes: mark.bytes };
        said.images.iter().map(one).collect()
    }
}

impl<'a> Input<'a> {
    fn of(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

impl<'a> EventOut<'a> {
    /// The event as it is shown.
    pub(in crate::api) fn of(logged: &'a Logged) -> Self {
        let event = &logged.event;
        let kind = KindOut::of(&event.kind);
        let (turn, at) = (event.turn.to_string(), millis(logged.at));
        Self { seq: event.seq, turn, at, name: kind.name(), kind }
    }

    /// The event's name, its `type`.
    pub(in crate::api) fn name(&self) -> &'static str {
        self.name
    }
}

impl<'a> KindOut<'a> {
    fn of(kind: &'a EventKind) -> Self {
        match kind {
            EventKind::Waiting(reason) => Self::TurnWaiting { reason: *reason },
            EventKind::Started { thread } => Self::TurnStarted { thread: thread.as_str() },
            EventKind::UserText(said) => Self::UserText { text: &said.text, images: ImageOut::all(said) },
            EventKind::TextDelta(text) => Self::TextDelta { text },
            EventKind::ReasoningDelta(text) => Self::ReasoningDelta { text },
            EventKind::AssistantText(text) => Self::AssistantText { text },
            EventKind::Reasoning(text) => Self::Reasoning { text },
            EventKind::ToolUse { id, name, input } => Self::ToolUse { id, name, input: Input::of(input) },
            EventKind::ToolResult { id, is_error, text } => Self::ToolResult { id, is_error: *is_error, text },
            EventKind::Subagent { parent, text } => Self::Subagent { parent, text },
            EventKind::Retry { attempt, status } => Self::Retry { attempt: *attempt, status: *status },
            EventKind::PermissionDenied { tool } => Self::PermissionDenied { tool },
            EventKind::PermissionAsked(question) => {
                Self::PermissionAsked { request: &question.id, tool: &question.tool, input: Input::of(&question.input) }
            }
            EventKind::PermissionAnswered { question, decision, by } => {
                let decision = match decision {
                    Decision::Allow => DecisionOut::Allow,
                    Decision::AllowSession => DecisionOut::AllowSession,
                    Decision::Deny { .. } => DecisionOut::Deny,
                    Decision::Answers(answers) => DecisionOut::Answers { answers },
                };
                Self::PermissionAnswered { request: question, decision, by: by.as_str() }
            }
            EventKind::Steered { steer, text } => Self::Steered { steer: steer.to_string(), text },
            EventKind::SteerConsumed { steer } => Self::SteerConsumed { steer: steer.to_string() },
            EventKind::SteerDropped { steer } => Self::SteerDropped { steer: steer.to_string() },
            EventKind::Typed { steer } => Self::Typed { steer: steer.map(|steer| steer.to_string()) },
            EventKind::FileChange { id, path, kind } => Self::FileChange { id, path, change: kind.as_str() },
            EventKind::ContextLost { from, to, recalled } => {
                Self::ContextLost { from: from.as_str(), to: to.as_str(), recalled: *recalled }
            }
            EventKind::TextMismatch => Self::TextMismatch {},
            EventKind::Raw(line) => Self::Raw { line },
            EventKind::Usage(usage) => Self::Usage(usage.into()),
            EventKind::Ended(TurnEnding::Completed { text, finish, .. }) => {
                Self::TurnCompleted { text, finish_reason: *finish }
            }
            EventKind::Ended(TurnEnding::Interrupted(cause)) => {
                Self::TurnInterrupted { cause: cause.name(), reason: cause.to_string() }
            }
            EventKind::Ended(ending @ TurnEnding::Failed(error)) => {
                let code = ApiError::of_ending(ending).map(|error| error.body().error.code.to_owned());
                Self::Error { code: code.unwrap_or_default(), message: &error.message }
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::TurnWaiting { .. } => "turn_waiting",
            Self::TurnStarted { .. } => "turn_started",
            Self::UserText { .. } => "user_text",
            Self::TextDelta { .. } => "text_delta",
            Self::ReasoningDelta { .. } => "reasoning_delta",
            Self::AssistantText { .. } => "assistant_text",
            Self::Reasoning { .. } => "reasoning",
            Self::ToolUse { .. } => "tool_use",
            Self::ToolResult { .. } => "tool_result",
            Self::Subagent { .. } => "subagent",
            Self::Retry { .. } => "retry",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::PermissionAsked { .. } => "permission_asked",
            Self::PermissionAnswered { .. } => "permission_answered",
            Self::Steered { .. } => "steered",
            Self::SteerConsumed { .. } => "steer_consumed",
            Self::SteerDropped { .. } => "steer_dropped",
            Self::Typed { .. } => "typed",
            Self::FileChange { .. } => "file_change",
            Self::ContextLost { .. } => "context_lost",
            Self::Raw { .. } => "raw",
            Self::TextMismatch {} => "text_mismatch",
            Self::Usage(_) => "usage",
            Self::TurnCompleted { .. } => "turn_completed",
            Self::TurnInterrupted { .. } => "turn_interrupted",
            Self::Error { .. } => "error",
        }
    }
}

impl From<&Usage> for UsageOut {
    fn from(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            cache_creation_tokens: usage.cache_creation_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            output_tokens: usage.output_tokens,
            cost_usd: usage.cost_usd,
        }
    }
}

/// The event as a server-sent event; made once, however many watch.
pub(super) fn shown(logged: &Logged) -> Bytes {
    let show = || {
        let event = EventOut::of(logged);
        let mut out = format!("id: {}\nevent: {}\ndata: ", logged.seq, event.name()).into_bytes();
        // Our own types into memory cannot fail.
        let written = serde_json::to_writer(&mut out, &event);
        debug_assert!(written.is_ok());
        out.extend_from_slice(b"\n\n");
        out.into()
    };
    logged.shown.get_or_init(show).clone()
}

/// A moment in milliseconds since 1970.
pub(super) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
