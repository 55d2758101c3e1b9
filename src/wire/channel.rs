//! The frames between turnmux and the plugin inside an agent: JSON objects, one a WebSocket text message, on `GET /bridge`
//! of the channel's listener, which is on loopback and takes no browser pages (no `Origin` header may be there).
//!
//! Anybody may write such a plugin, so this is the reference. Two revisions are spoken; the plugin names its own in `hello`:
//!
//! | revision | what it has |
//! | --- | --- |
//! | 1 | `hello`, `hello_ack`, `inbound`, `reply`, `ping`, `pong`; no `token` in `hello`: it stands in the URL, `/bridge?token=…` |
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
//! # Numbers
//!
//! * `seq` counts up from 1 in each direction, over all connections that are made with one token: one agent process.
//! * `ack {seq}` says that this frame and all before it have arrived. Several frames may be acknowledged at once.
//! * `received`, in `hello` and `hello_ack`, is the highest `seq` of the other side that has arrived. What is above it is
//!   sent again, in order and under the same number; a frame at or below it is dropped as known, and acknowledged again.
//! * A plugin that is started anew under the same token says `received: 0` and counts on from the `received` of `hello_ack`.
//! * Frames without a `seq` end with their connection. So a `hook` whose connection breaks is answered no more.
//!
//! # Connections
//!
//! * `hello` comes first, within seconds, and once. A second connection with the same token takes the place of the first.
//! * Who hears nothing for a while sends `ping`; the answer is `pong`. Any frame is a sign of life. A connection on which a
//!   `ping` has met nothing is closed. Pings of the WebSocket itself are answered as well.
//! * A frame of a type that is not on this page is skipped, and acknowledged if it has a `seq`; so are members of frames.
//!   What is no text, no JSON object or lacks something closes the connection.
//! * A connection may come back for a while after it was cut; then the agent counts as lost, and its token is void.
//!
//! | close code | meaning | come back? |
//! | --- | --- | --- |
//! | 1000 | the session has let go of the agent | no |
//! | 1001 | turnmux is stopping | no |
//! | 4001 | the first frame was no `hello`, or none came in time | yes |
//! | 4002 | another connection with the same token took over | no |
//! | 4003 | no agent has this token, or it has ended | no |
//! | 4004 | a frame that is not as this page says | yes |
//! | 4005 | a `ping` was not answered | yes |
//! | 4008 | a frame over the limit (4 MiB) | yes, without that frame |

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
/// Close code: a frame that is no text, no JSON object, or lacks what its type must have.
pub const CLOSE_BAD_FRAME: u16 = 4004;
/// Close code: a `ping` was not answered.
pub const CLOSE_SILENT: u16 = 4005;
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
    /// What a newer peer says; to be skipped.
    #[serde(skip_serializing)]
    Unknown(Unknown<'a>),
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
    /// What a newer peer says; to be skipped.
    #[serde(skip_serializing)]
    Unknown(Unknown<'a>),
}

impl<'a> FromPlugin<'a> {
    /// Reads a frame: its type, and then what that type has.
    ///
    /// # Errors
    /// When it is no JSON object, has no type, or lacks what its type must have.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        let kind = kind(text)?;
        Ok(match &*kind {
            "hello" => Self::Hello(serde_json::from_str(text)?),
            "reply" => Self::Reply(serde_json::from_str(text)?),
            "hook" => Self::Hook(serde_json::from_str(text)?),
            "permission_request" => Self::PermissionRequest(serde_json::from_str(text)?),
            "ack" => Self::Ack(serde_json::from_str(text)?),
            "ping" => Self::Ping {},
            "pong" => Self::Pong {},
            _ => Self::Unknown(Unknown { seq: seq(text), kind }),
        })
    }
}

impl<'a> ToPlugin<'a> {
    /// Reads a frame, as a plugin does.
    ///
    /// # Errors
    /// Those of [`FromPlugin::parse`].
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        let kind = kind(text)?;
        Ok(match &*kind {
            "hello_ack" => Self::HelloAck(serde_json::from_str(text)?),
            "inbound" => Self::Inbound(serde_json::from_str(text)?),
            "permission" => Self::Permission(serde_json::from_str(text)?),
            "hook_result" => Self::HookResult(serde_json::from_str(text)?),
            "ack" => Self::Ack(serde_json::from_str(text)?),
            "ping" => Self::Ping {},
            "pong" => Self::Pong {},
            _ => Self::Unknown(Unknown { seq: seq(text), kind }),
        })
    }
}

/// Who connects.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The plugin's process.
    #[serde(default)]
    pub pid: u32,
    /// The session's key, for people who read along; which session it is the token says.
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
    /// The plugin's number for this call, named in the result; unique on its connection.
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

/// A frame has arrived, and all before it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ack {
    /// Its number.
    pub seq: u64,
}

/// A frame that this page does not have.
#[derive(Debug)]
pub struct Unknown<'a> {
    /// Its type.
    pub kind: Cow<'a, str>,
    /// Its number, if it has one: it is acknowledged like any other.
    pub seq: Option<u64>,
}

fn kind(text: &str) -> serde_json::Result<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    // serde would take a list for a struct, field by field.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(serde::de::Error::custom("a frame is a JSON object"));
    }
    serde_json::from_str::<Head<'_>>(text).map(|head| head.kind)
}

/// The number of a frame of which nothing else is known.
fn seq(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: Option<u64>,
    }
    serde_json::from_str::<Numbered>(text).ok()?.seq
}

fn first_protocol() -> u32 {
    1
}

fn yes() -> bool {
    true
}
