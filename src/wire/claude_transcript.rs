//! The file in which Claude Code writes a conversation down (`~/.claude/projects/<folder>/<session>.jsonl`), as far as it
//! tells of turns; as written by 2.1.197 and 2.1.329. One JSON object a line. Subagents have files of their own; the lines
//! that older releases mixed in are marked `isSidechain`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::claude::{Block, ResultUsage};

/// One line.
#[derive(Debug)]
pub enum Line<'a> {
    /// A finished content block of a message of the model, or a message that claude made up.
    Assistant(AssistantLine<'a>),
    /// What the model was told: a prompt, a tool's answer, or that it was interrupted.
    User(UserLine<'a>),
    /// What became of a prompt that waited.
    QueueOperation(QueueLine<'a>),
    /// A prompt that was merged into the running turn.
    QueuedCommand(QueuedCommand<'a>),
    /// A turn has ended. 2.1.329 leaves it out where the turn failed, and both where it was interrupted.
    TurnDuration(DurationLine),
    /// Anything else.
    Other,
}

impl<'a> Line<'a> {
    /// Reads a line in two steps, its type and then what that type has, for lines may hold raw JSON, and long ones.
    ///
    /// # Errors
    /// When the line is no JSON object with a `type`, or lacks what its type must have.
    pub fn parse(line: &'a [u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default)]
            subtype: Option<Cow<'a, str>>,
            #[serde(default, rename = "isSidechain")]
            is_sidechain: bool,
            #[serde(borrow, default)]
            attachment: Option<&'a RawValue>,
        }
        let head: Head<'_> = serde_json::from_slice(line)?;
        if head.is_sidechain {
            return Ok(Self::Other);
        }
        Ok(match (&*head.kind, head.subtype.as_deref().unwrap_or_default(), head.attachment) {
            ("assistant", ..) => Self::Assistant(serde_json::from_slice(line)?),
            ("user", ..) => Self::User(serde_json::from_slice(line)?),
            ("queue-operation", ..) => Self::QueueOperation(serde_json::from_slice(line)?),
            ("system", "turn_duration", _) => Self::TurnDuration(serde_json::from_slice(line)?),
            ("attachment", _, Some(attachment)) => Self::attached(attachment)?,
            _ => Self::Other,
        })
    }

    fn attached(attachment: &'a RawValue) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow, rename = "type", default)]
            kind: Cow<'a, str>,
        }
        let head: Head<'_> = serde_json::from_str(attachment.get())?;
        Ok(if head.kind == "queued_command" {
            Self::QueuedCommand(serde_json::from_str(attachment.get())?)
        } else {
            Self::Other
        })
    }
}

/// An `assistant` line.
#[derive(Debug, Deserialize)]
pub struct AssistantLine<'a> {
    /// The message, with one of its blocks.
    #[serde(borrow)]
    pub message: AssistantMessage<'a>,
    /// Whether it tells of a failure; then `error` says which.
    #[serde(default, rename = "isApiErrorMessage")]
    pub is_api_error: bool,
    /// A word for what went wrong: `authentication_failed`, `rate_limit`, `server_error`, `max_output_tokens` …
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
    /// What else is known of it, in words.
    #[serde(borrow, default, rename = "errorDetails")]
    pub error_details: Option<Cow<'a, str>>,
    /// The status of the model's service, where that answered with an error.
    #[serde(default, rename = "apiErrorStatus")]
    pub api_error_status: Option<u16>,
}

/// A message of the model.
#[derive(Debug, Deserialize)]
pub struct AssistantMessage<'a> {
    /// Its id; every line of one message has the same.
    #[serde(borrow, default)]
    pub id: Cow<'a, str>,
    /// `<synthetic>` when claude itself made the message up, to show an error for example.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    /// Why the model stopped; the same in every line of the message.
    #[serde(borrow, default)]
    pub stop_reason: Option<Cow<'a, str>>,
    /// What the message took.
    #[serde(default)]
    pub usage: Option<ResultUsage>,
    /// Its blocks: one a line.
    #[serde(borrow, default)]
    pub content: Vec<Block<'a>>,
}

/// A `user` line.
#[derive(Debug, Deserialize)]
pub struct UserLine<'a> {
    /// What was said.
    #[serde(borrow)]
    pub message: UserMessage<'a>,
}

/// What the model was told.
#[derive(Debug, Deserialize)]
pub struct UserMessage<'a> {
    /// A text or blocks.
    #[serde(borrow)]
    pub content: &'a RawValue,
}

impl<'a> UserMessage<'a> {
    /// The first block where there is just one: all of claude's own remarks are such. None for a text.
    pub fn only_block(&self) -> Option<Block<'a>> {
        // Another number of blocks is an error here, and no affair of this.
        let [block]: [Block<'a>; 1] = serde_json::from_str(self.content.get()).ok()?;
        Some(block)
    }
}

/// A `queue-operation` line.
#[derive(Debug, Deserialize)]
pub struct QueueLine<'a> {
    /// `enqueue`: it waits. `dequeue`: a turn takes it; several may be taken by one turn. `remove`: the running turn took it,
    /// or somebody took it back.
    #[serde(borrow)]
    pub operation: Cow<'a, str>,
    /// The prompt; not in `dequeue`, and in `remove` only of 2.1.329.
    #[serde(borrow, default)]
    pub content: Option<Cow<'a, str>>,
}

/// A `queued_command` attachment.
#[derive(Debug, Deserialize)]
pub struct QueuedCommand<'a> {
    /// The prompt: a text, or blocks.
    #[serde(borrow, default)]
    pub prompt: Option<&'a RawValue>,
}

/// A `system/turn_duration` line.
#[derive(Debug, Deserialize)]
pub struct DurationLine {
    /// How long the turn took, in milliseconds.
    #[serde(default, rename = "durationMs")]
    pub duration_ms: u64,
}
