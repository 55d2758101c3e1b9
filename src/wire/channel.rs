//! The frames between turnmux and the plugin inside an agent: JSON objects, one a WebSocket text message, on `/bridge`.
//!
//! Anybody may write such a plugin, so this is the reference. Two revisions are spoken; the plugin names its own in `hello`:
//!
//! | revision | what it has |
//! | --- | --- |
//! | 1 | `hello`, `hello_ack`, `inbound`, `reply`, `ping`, `pong`; no `token`: refused unless the token stands in the URL |
//! | 2 | all of this page. Frames with a `seq` are acknowledged, and sent again after a reconnect until they are |
//!
//! ```text
//!  plugin                                             turnmux
//!  hello {session, pid, token, protocol, received} ─▶
//!                                                  ◀─ hello_ack {protocol, received}
//!                                                  ◀─ inbound {seq, content, meta}
//!  ack {seq}                                       ─▶
//!  reply {seq, content, final}                     ─▶
//!                                                  ◀─ ack {seq}
//!  hook {id, event}                                ─▶
//!                                                  ◀─ hook_result {id, output}
//!  permission_request {seq, request_id, tool_name …}─▶
//!                                                  ◀─ permission {seq, request_id, behavior}
//!  ping {}  ─▶ ◀─ pong {}                      either way
//! ```
//!
//! `seq` counts from 1 in each direction, over all connections of one agent process. `received` is the highest `seq` of the
//! other side that was seen; what is above it is sent again, and a frame at or below it is dropped as known.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The newest revision of the frames.
pub const PROTOCOL: u32 = 2;

/// Close code: the first frame was no `hello`, or none came in time.
pub const CLOSE_EXPECTED_HELLO: u16 = 4001;
/// Close code: another connection with the same token took over.
pub const CLOSE_REPLACED: u16 = 4002;
/// Close code: no agent process was given this token, or the one that was has ended.
pub const CLOSE_BAD_TOKEN: u16 = 4003;
/// Close code: a frame that is no text, or no frame of this page.
pub const CLOSE_BAD_FRAME: u16 = 4004;
/// Close code: a frame over the limit.
pub const CLOSE_TOO_BIG: u16 = 4008;

/// A frame from the plugin.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPlugin<'a> {
    /// The first frame of every connection.
    Hello(Hello<'a>),
    /// Text for the user, which the agent said by its `reply` tool.
    Reply(Reply<'a>),
    /// What a hook of the agent was called with; for agents that cannot POST it to `/hooks` themselves.
    Hook(Hook<'a>),
    /// The agent asks whether a tool may run.
    PermissionRequest(PermissionRequest<'a>),
    /// A frame of turnmux has arrived.
    Ack(Ack),
    /// Are you there?
    Ping {},
    /// I am.
    Pong {},
}

/// A frame to the plugin.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPlugin<'a> {
    /// The connection is taken.
    HelloAck(HelloAck),
    /// A message for the agent.
    Inbound(Inbound<'a>),
    /// The answer to `permission_request`.
    Permission(Permission<'a>),
    /// What the hook is to answer.
    HookResult(HookResult<'a>),
    /// A frame of the plugin has arrived.
    Ack(Ack),
    /// Are you there?
    Ping {},
    /// I am.
    Pong {},
}

impl<'a> FromPlugin<'a> {
    /// Reads a frame: its type, and then what that type has.
    ///
    /// # Errors
    /// When it is no JSON object, of no known type, or lacks what its type must have.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        Ok(match &*kind(text)? {
            "hello" => Self::Hello(serde_json::from_str(text)?),
            "reply" => Self::Reply(serde_json::from_str(text)?),
            "hook" => Self::Hook(serde_json::from_str(text)?),
            "permission_request" => Self::PermissionRequest(serde_json::from_str(text)?),
            "ack" => Self::Ack(serde_json::from_str(text)?),
            "ping" => Self::Ping {},
            "pong" => Self::Pong {},
            other => return Err(unknown(other)),
        })
    }
}

impl<'a> ToPlugin<'a> {
    /// Reads a frame, as a plugin does.
    ///
    /// # Errors
    /// Those of [`FromPlugin::parse`].
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        Ok(match &*kind(text)? {
            "hello_ack" => Self::HelloAck(serde_json::from_str(text)?),
            "inbound" => Self::Inbound(serde_json::from_str(text)?),
            "permission" => Self::Permission(serde_json::from_str(text)?),
            "hook_result" => Self::HookResult(serde_json::from_str(text)?),
            "ack" => Self::Ack(serde_json::from_str(text)?),
            "ping" => Self::Ping {},
            "pong" => Self::Pong {},
            other => return Err(unknown(other)),
        })
    }
}

/// Who connects.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The plugin's process.
    #[serde(default)]
    pub pid: u32,
    /// The session's key, for logs; which session it is the token says.
    #[serde(borrow, alias = "openclaw_session", default)]
    pub session: Cow<'a, str>,
    /// The secret that the agent's process was started with.
    #[serde(borrow, default)]
    pub token: Cow<'a, str>,
    /// The plugin's revision.
    #[serde(default = "first_protocol")]
    pub protocol: u32,
    /// Highest `seq` of turnmux that the plugin has seen.
    #[serde(default)]
    pub received: u64,
}

/// The connection is taken.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct HelloAck {
    /// The revision that is spoken from here on: the lower of both.
    pub protocol: u32,
    /// Highest `seq` of the plugin that turnmux has seen.
    pub received: u64,
}

/// A message for the agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inbound<'a> {
    /// Left out in revision 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What is said.
    #[serde(borrow)]
    pub content: Cow<'a, str>,
    /// What stands beside it: `chat_id`, `message_id`, `ts`. Names match `[A-Za-z_][A-Za-z0-9_]*`.
    #[serde(borrow)]
    pub meta: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// What the agent said by its `reply` tool.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply<'a> {
    /// Left out in revision 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What is said. Empty with `final`: nothing more comes.
    #[serde(borrow, default)]
    pub content: Cow<'a, str>,
    /// Whether this is the last of the turn. Missing means that it is.
    #[serde(default = "yes", rename = "final")]
    pub is_final: bool,
}

/// What a hook was called with.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hook<'a> {
    /// The plugin's number for this call, named in the result.
    pub id: u64,
    /// The hook's input as the agent gave it.
    #[serde(borrow)]
    pub event: &'a RawValue,
}

/// What a hook is to answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct HookResult<'a> {
    /// Which call.
    pub id: u64,
    /// The hook's output as the agent takes it.
    #[serde(borrow)]
    pub output: &'a RawValue,
}

/// The agent asks whether a tool may run, by `notifications/claude/channel/permission_request`.
#[derive(Debug, Serialize, Deserialize)]
pub struct PermissionRequest<'a> {
    /// Left out in revision 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The agent's id of the question.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// The tool that wants to run.
    #[serde(borrow)]
    pub tool_name: Cow<'a, str>,
    /// What it is for, in the agent's words.
    #[serde(borrow, default)]
    pub description: Cow<'a, str>,
    /// The beginning of its arguments.
    #[serde(borrow, default)]
    pub input_preview: Cow<'a, str>,
}

/// The answer to a permission request, for `notifications/claude/channel/permission`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Permission<'a> {
    /// Left out in revision 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Which question.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// The answer.
    pub behavior: Behavior,
}

/// May the tool run?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behavior {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

/// A frame has arrived.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ack {
    /// Its number.
    pub seq: u64,
}

fn kind(text: &str) -> serde_json::Result<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_str::<Head<'_>>(text).map(|head| head.kind)
}

fn unknown(kind: &str) -> serde_json::Error {
    serde::de::Error::custom(format_args!("there is no frame of type `{kind}`"))
}

fn first_protocol() -> u32 {
    1
}

fn yes() -> bool {
    true
}
