//! What we say: lines to claude.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

/// One line to claude.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Input<'a> {
    /// A turn's input.
    User {
        /// The message.
        message: UserMessage<'a>,
        /// Comes back in `command_lifecycle`.
        uuid: uuid::Uuid,
        /// The text was not typed at a prompt: no slash commands, no file mentions (2.1.300 and later).
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        text_not_typed: bool,
    },
    /// A request.
    ControlRequest {
        /// Comes back in the answer.
        request_id: String,
        /// What we want.
        request: Request<'a>,
    },
    /// An answer.
    ControlResponse {
        /// The answer.
        response: Response<'a>,
    },
}

/// The message of a user line.
#[derive(Debug, Serialize)]
pub struct UserMessage<'a> {
    /// Always `user`.
    pub role: &'static str,
    /// What is said.
    pub content: Vec<InputBlock<'a>>,
}

/// A part of a user line's message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InputBlock<'a> {
    /// Words.
    Text {
        /// The text.
        text: &'a str,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: ImageSource<'a>,
    },
}

/// Where an image is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ImageSource<'a> {
    /// Right here.
    Base64 {
        /// Its media type, such as `image/png`.
        media_type: &'a str,
        /// The image as base64.
        data: &'a str,
    },
}

/// What we can ask of claude.
#[derive(Debug, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum Request<'a> {
    /// Session settings; only the first one counts.
    Initialize {
        /// Put behind claude's own system prompt.
        #[serde(rename = "appendSystemPrompt", skip_serializing_if = "Option::is_none")]
        append_system_prompt: Option<&'a str>,
    },
    /// Stop the running turn.
    Interrupt,
    /// Take back a message that waits.
    CancelAsyncMessage {
        /// The uuid that we gave it.
        message_uuid: uuid::Uuid,
    },
    /// Another model; none is claude's default.
    SetModel {
        /// An alias or a full name.
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<&'a str>,
    },
    /// Another permission mode.
    SetPermissionMode {
        /// claude's name for it.
        mode: &'a str,
    },
    /// Other servers of tools, in place of those that were given so before. Those of claude's own settings stay.
    McpSetServers {
        /// By name.
        servers: BTreeMap<&'a str, McpServerIn<'a>>,
    },
}

/// A server of tools.
#[derive(Serialize)]
pub struct McpServerIn<'a> {
    /// `http` or `sse`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is.
    pub url: &'a str,
    /// What is sent along.
    pub headers: &'a BTreeMap<String, String>,
    /// Its tools are in the prompt at once; else the model of newer releases has to look for them.
    #[serde(rename = "alwaysLoad", skip_serializing_if = "std::ops::Not::not")]
    pub always_load: bool,
    /// How long a call may take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u128>,
}

impl fmt::Debug for McpServerIn<'_> {
    /// Leaves out what may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServerIn").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Our answer to a request of claude's.
#[derive(Debug, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum Response<'a> {
    /// It was understood.
    Success {
        /// Which request.
        request_id: &'a str,
        /// The answer.
        response: PermissionAnswer<'a>,
    },
    /// It was not.
    Error {
        /// Which request.
        request_id: &'a str,
        /// Why not.
        error: &'a str,
    },
}

/// The answer to `can_use_tool`.
#[derive(Debug, Serialize)]
#[serde(tag = "behavior", rename_all = "snake_case")]
pub enum PermissionAnswer<'a> {
    /// It may run.
    Allow {
        /// With these arguments.
        #[serde(rename = "updatedInput")]
        updated_input: &'a RawValue,
    },
    /// It may not.
    Deny {
        /// Why, for the model.
        message: &'a str,
    },
}
