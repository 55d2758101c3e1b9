//! Claude Code's stream-json protocol over stdio (`-p --input-format stream-json --output-format stream-json --verbose
//! --include-partial-messages`), as measured on 2.1.197 and 2.1.329. One JSON object a line each way.

mod input;
mod piece;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use input::{ImageSource, Input, InputBlock, McpServerIn, PermissionAnswer, Request, Response, UserMessage};

/// One line from claude.
#[derive(Debug)]
pub enum Output<'a> {
    /// A turn begins.
    Init(InitLine<'a>),
    /// The model's service is asked again.
    ApiRetry(RetryLine),
    /// A task was begun that need not end with its turn.
    TaskStarted,
    /// A background task ended: claude begins a turn of its own to look at it.
    TaskNotification,
    /// A raw event of the Messages API.
    StreamEvent(StreamLine<'a>),
    /// A whole message of the model, or a part of one: one line for each finished content block.
    Assistant(MessageLine<'a>),
    /// Tool results.
    User(MessageLine<'a>),
    /// The end of a turn.
    Result(ResultLine<'a>),
    /// A request to us: permission for a tool, a hook, an MCP message.
    ControlRequest(ControlRequestLine<'a>),
    /// The answer to a request of ours.
    ControlResponse(ControlResponseLine<'a>),
    /// What became of a message of ours, by its uuid (2.1.300 and later).
    CommandLifecycle(LifecycleLine<'a>),
    /// How much of the account's allowance is used.
    RateLimitEvent(RateLimitLine<'a>),
    /// Anything else.
    Other,
}

/// How claude writes the other lines that come in great numbers.
const STREAM_EVENT: &[u8] = br#"{"type":"stream_event","#;

impl<'a> Output<'a> {
    /// Reads a line in two steps, its type and then what that type has: serde's own tagged enums would copy every line
    /// into a tree first, and can't hold raw JSON.
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
        }
        if let Some(piece) = piece::read(line) {
            return Ok(Self::StreamEvent(piece));
        }
        if line.starts_with(STREAM_EVENT) {
            return Ok(Self::StreamEvent(serde_json::from_slice(line)?));
        }
        let head: Head<'_> = serde_json::from_slice(line)?;
        Ok(match (&*head.kind, head.subtype.as_deref().unwrap_or_default()) {
            ("stream_event", _) => Self::StreamEvent(serde_json::from_slice(line)?),
            ("assistant", _) => Self::Assistant(serde_json::from_slice(line)?),
            ("user", _) => Self::User(serde_json::from_slice(line)?),
            ("result", _) => Self::Result(serde_json::from_slice(line)?),
            ("system", "init") => Self::Init(serde_json::from_slice(line)?),
            ("system", "api_retry") => Self::ApiRetry(serde_json::from_slice(line)?),
            ("system", "task_started") => Self::TaskStarted,
            ("system", "task_notification") => Self::TaskNotification,
            ("control_request", _) => Self::ControlRequest(serde_json::from_slice(line)?),
            ("control_response", _) => Self::ControlResponse(serde_json::from_slice(line)?),
            ("command_lifecycle", _) => Self::CommandLifecycle(serde_json::from_slice(line)?),
            ("rate_limit_event", _) => Self::RateLimitEvent(serde_json::from_slice(line)?),
            _ => Self::Other,
        })
    }
}

/// A `system/init` line, which opens every turn.
#[derive(Debug, Deserialize)]
pub struct InitLine<'a> {
    /// The thread.
    #[serde(borrow)]
    pub session_id: Cow<'a, str>,
    /// The permission mode in force.
    #[serde(borrow, rename = "permissionMode", default)]
    pub permission_mode: Option<Cow<'a, str>>,
}

/// A `system/api_retry` line.
#[derive(Debug, Deserialize)]
pub struct RetryLine {
    /// Which attempt failed, from 1.
    #[serde(default)]
    pub attempt: u32,
    /// The status it failed with.
    #[serde(default)]
    pub error_status: Option<u16>,
}

/// A `stream_event` line.
#[derive(Debug, PartialEq, Deserialize)]
pub struct StreamLine<'a> {
    /// The event.
    #[serde(borrow)]
    pub event: StreamEvent<'a>,
    /// Set when a subagent speaks.
    #[serde(borrow, default)]
    pub parent_tool_use_id: Option<Cow<'a, str>>,
}

/// An event of the Messages API stream, as far as it matters here: which fields it has is for its `kind` to say. There may be
/// hundreds a second, and serde would copy an enum with a tag inside into a tree first.
#[derive(Debug, PartialEq, Deserialize)]
pub struct StreamEvent<'a> {
    /// `message_start`, `content_block_delta`, `message_delta` …
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Of a `content_block_delta`: by what the block grows. Of a `message_delta`: what is known of the message at its end.
    #[serde(borrow, default)]
    pub delta: Delta<'a>,
}

/// What is new.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub struct Delta<'a> {
    /// `text_delta`, `thinking_delta` …; nothing at a message's end.
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Of a `text_delta`.
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
    /// Of a `thinking_delta`.
    #[serde(borrow, default)]
    pub thinking: Cow<'a, str>,
    /// How the message ended: `end_turn`, `tool_use`, `max_tokens` …
    #[serde(borrow, default)]
    pub stop_reason: Option<Cow<'a, str>>,
}

/// An `assistant` or `user` line.
#[derive(Debug, Deserialize)]
pub struct MessageLine<'a> {
    /// The message.
    #[serde(borrow)]
    pub message: Message<'a>,
    /// What went wrong, on a message that claude made up to say so: `max_output_tokens`, `rate_limit` …
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
    /// Set when a subagent speaks.
    #[serde(borrow, default)]
    pub parent_tool_use_id: Option<Cow<'a, str>>,
    /// claude's id of the message; of a replay, the one that we gave it.
    #[serde(borrow, default)]
    pub uuid: Option<Cow<'a, str>>,
    /// True when a `user` line says that claude took a message of ours (`--replay-user-messages`).
    #[serde(default, rename = "isReplay")]
    pub is_replay: bool,
    /// What the tool itself says, beside its answer to the model: each tool has an object of its own.
    #[serde(borrow, default)]
    pub tool_use_result: Option<&'a RawValue>,
}

/// A message of the Messages API.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// `<synthetic>` when claude itself made the message up, to show an error for example.
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    /// What it holds: a text, or blocks.
    #[serde(borrow)]
    pub content: &'a RawValue,
}

impl<'a> Message<'a> {
    /// The blocks; none where the content is a text alone, which only claude's own remarks are.
    ///
    /// # Errors
    /// When the content is a list of something else.
    pub fn blocks(&self) -> serde_json::Result<Vec<Block<'a>>> {
        if self.content.get().starts_with('[') { serde_json::from_str(self.content.get()) } else { Ok(Vec::new()) }
    }
}

/// A content block: which fields it has is for its `kind` to say.
#[derive(Debug, Deserialize)]
pub struct Block<'a> {
    /// `text`, `thinking`, `tool_use`, `tool_result` …
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Of a `text` block.
    #[serde(borrow, default)]
    pub text: Option<Cow<'a, str>>,
    /// Of a `thinking` block.
    #[serde(borrow, default)]
    pub thinking: Option<Cow<'a, str>>,
    /// Of a `tool_use` block: the call.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// Of a `tool_use` block: the tool.
    #[serde(borrow, default)]
    pub name: Option<Cow<'a, str>>,
    /// Of a `tool_use` block: the arguments.
    #[serde(borrow, default)]
    pub input: Option<&'a RawValue>,
    /// Of a `tool_result` block: the call that it answers.
    #[serde(borrow, default)]
    pub tool_use_id: Option<Cow<'a, str>>,
    /// Of a `tool_result` block: whether the tool failed.
    #[serde(default)]
    pub is_error: Option<bool>,
    /// Of a `tool_result` block: the answer, a text or blocks.
    #[serde(borrow, default)]
    pub content: Option<&'a RawValue>,
}

/// A tool's answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ToolContent<'a> {
    /// Text alone.
    #[serde(borrow)]
    Text(Cow<'a, str>),
    /// Blocks, of which the texts matter here.
    #[serde(borrow)]
    Blocks(Vec<ToolBlock<'a>>),
}

/// A block of a tool's answer.
#[derive(Debug, Deserialize)]
pub struct ToolBlock<'a> {
    /// The text, where it has one.
    #[serde(borrow, default)]
    pub text: Option<Cow<'a, str>>,
}

/// A `result` line.
#[derive(Debug, Deserialize)]
pub struct ResultLine<'a> {
    /// `success`, `error_during_execution`, `error_max_turns` …; `success` also for errors of the model's service.
    #[serde(borrow, default)]
    pub subtype: Cow<'a, str>,
    /// Whether it went wrong.
    #[serde(default)]
    pub is_error: bool,
    /// The last message's text, or the error's.
    #[serde(borrow, default)]
    pub result: Option<Cow<'a, str>>,
    /// Why the model stopped.
    #[serde(borrow, default)]
    pub stop_reason: Option<Cow<'a, str>>,
    /// The status of the model's service, where that failed.
    #[serde(default)]
    pub api_error_status: Option<u16>,
    /// What went wrong, by line.
    #[serde(borrow, default)]
    pub errors: Vec<Cow<'a, str>>,
    /// What the turn took, over all its model calls.
    #[serde(default)]
    pub usage: ResultUsage,
    /// What the process has cost so far, in US dollars.
    #[serde(default)]
    pub total_cost_usd: Option<f64>,
    /// The thread.
    #[serde(borrow, default)]
    pub session_id: Cow<'a, str>,
    /// Tools that were not allowed.
    #[serde(borrow, default)]
    pub permission_denials: Vec<Denial<'a>>,
}

/// A tool that was not allowed.
#[derive(Debug, Deserialize)]
pub struct Denial<'a> {
    /// The tool.
    #[serde(borrow, default)]
    pub tool_name: Cow<'a, str>,
}

/// Tokens of a turn.
#[derive(Debug, Default, Deserialize)]
pub struct ResultUsage {
    /// Neither read from nor written to the cache.
    #[serde(default)]
    pub input_tokens: u64,
    /// Written to the cache.
    #[serde(default)]
    pub cache_creation_input_tokens: u64,
    /// Read from the cache.
    #[serde(default)]
    pub cache_read_input_tokens: u64,
    /// Written by the model.
    #[serde(default)]
    pub output_tokens: u64,
}

/// A `control_request` line.
#[derive(Debug, Deserialize)]
pub struct ControlRequestLine<'a> {
    /// To be named in the answer.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// The request.
    #[serde(borrow)]
    pub request: ControlRequest<'a>,
}

/// What claude asks of us.
#[derive(Debug, Deserialize)]
pub struct ControlRequest<'a> {
    /// `can_use_tool` asks whether a tool may run. All others are to be refused, for claude waits for an answer.
    #[serde(borrow)]
    pub subtype: Cow<'a, str>,
    /// The tool.
    #[serde(borrow, default)]
    pub tool_name: Option<Cow<'a, str>>,
    /// The tool's arguments.
    #[serde(borrow, default)]
    pub input: Option<&'a RawValue>,
}

/// A `control_response` line.
#[derive(Debug, Deserialize)]
pub struct ControlResponseLine<'a> {
    /// The answer.
    #[serde(borrow)]
    pub response: ControlResponse<'a>,
}

/// The answer to a request of ours.
#[derive(Debug, Deserialize)]
pub struct ControlResponse<'a> {
    /// Which request.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// `success` or `error`.
    #[serde(borrow)]
    pub subtype: Cow<'a, str>,
    /// Why it was refused.
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
    /// What it says, where that is of interest.
    #[serde(borrow, default)]
    pub response: Option<&'a RawValue>,
}

/// The answer to [`Request::CancelAsyncMessage`].
#[derive(Debug, Deserialize)]
pub struct Cancelled {
    /// False when claude has the message no more: it took it before.
    #[serde(default)]
    pub cancelled: bool,
}

/// The answer to [`Request::McpSetServers`], which comes when all of them were tried.
#[derive(Debug, Default, Deserialize)]
pub struct McpSet<'a> {
    /// What is wrong, by server.
    #[serde(borrow, default)]
    pub errors: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// A `command_lifecycle` line.
#[derive(Debug, Deserialize)]
pub struct LifecycleLine<'a> {
    /// The uuid that we gave the message.
    #[serde(borrow)]
    pub command_uuid: Cow<'a, str>,
    /// `queued`, `started`, `completed` …
    #[serde(borrow)]
    pub state: Cow<'a, str>,
}

/// A `rate_limit_event` line.
#[derive(Debug, Deserialize)]
pub struct RateLimitLine<'a> {
    /// How things stand.
    #[serde(borrow, default)]
    pub rate_limit_info: Option<RateLimitInfo<'a>>,
}

/// How much of the allowance is used.
#[derive(Debug, Deserialize)]
pub struct RateLimitInfo<'a> {
    /// `allowed`, `allowed_warning`, `rejected`.
    #[serde(borrow, default)]
    pub status: Cow<'a, str>,
    /// When it starts anew, in seconds since 1970.
    #[serde(rename = "resetsAt", default)]
    pub resets_at: Option<f64>,
}
