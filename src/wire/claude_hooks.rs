//! What Claude Code's hooks are called with, and what they answer: one JSON object each way. As hooks of type
//! `http` post it with 2.1.197 and 2.1.329.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What happened.
#[derive(Debug, Deserialize)]
pub struct HookInput<'a> {
    /// Which hook.
    #[serde(borrow, rename = "hook_event_name")]
    pub name: Cow<'a, str>,
    /// claude's id of the conversation.
    #[serde(borrow)]
    pub session_id: Cow<'a, str>,
    /// Where the conversation is written down.
    #[serde(borrow, default)]
    pub transcript_path: Option<Cow<'a, str>>,
    /// The mode that is in force.
    #[serde(borrow, default)]
    pub permission_mode: Option<Cow<'a, str>>,
    /// Set when it happened inside a subagent.
    #[serde(borrow, default)]
    pub agent_id: Option<Cow<'a, str>>,

    /// `UserPromptSubmit`: the text, with the channel's tag around it.
    #[serde(borrow, default)]
    pub prompt: Option<Cow<'a, str>>,

    /// `MessageDisplay`: which message of the model.
    #[serde(borrow, default)]
    pub message_id: Option<Cow<'a, str>>,
    /// `MessageDisplay`: which piece of it, from 0.
    #[serde(default)]
    pub index: u32,
    /// `MessageDisplay`: whether it is the last one.
    #[serde(default, rename = "final")]
    pub is_final: bool,
    /// `MessageDisplay`: the piece.
    #[serde(borrow, default)]
    pub delta: Cow<'a, str>,

    /// Tool hooks: the tool.
    #[serde(borrow, default)]
    pub tool_name: Cow<'a, str>,
    /// Tool hooks: its arguments.
    #[serde(borrow, default)]
    pub tool_input: Option<&'a RawValue>,
    /// Tool hooks but `PermissionRequest`: the call.
    #[serde(borrow, default)]
    pub tool_use_id: Cow<'a, str>,
    /// `PostToolUse`: what the tool gave; an object or a text, as the tool likes.
    #[serde(borrow, default)]
    pub tool_response: Option<&'a RawValue>,

    /// `PostToolUseFailure`: what went wrong. `StopFailure`: a word for it, such as `rate_limit`.
    #[serde(borrow, default)]
    pub error: Cow<'a, str>,
    /// `Stop`, `StopFailure`: the last message's text, trimmed, or claude's words about the failure.
    #[serde(borrow, default)]
    pub last_assistant_message: Option<Cow<'a, str>>,
}

/// The answer to `PermissionRequest`.
#[derive(Debug, Serialize)]
pub struct PermissionOutput<'a> {
    /// Wrapped as claude wants it.
    #[serde(rename = "hookSpecificOutput")]
    pub output: PermissionDecision<'a>,
}

/// The decision of a `PermissionRequest` hook.
#[derive(Debug, Serialize)]
pub struct PermissionDecision<'a> {
    /// Always `PermissionRequest`.
    #[serde(rename = "hookEventName")]
    pub name: &'static str,
    /// Yes or no.
    pub decision: Decision<'a>,
}

/// May the tool run?
#[derive(Debug, Serialize)]
#[serde(tag = "behavior", rename_all = "lowercase")]
pub enum Decision<'a> {
    /// It may.
    Allow {
        /// With these arguments; none leaves them as they are.
        #[serde(rename = "updatedInput", skip_serializing_if = "Option::is_none")]
        updated_input: Option<&'a RawValue>,
    },
    /// It may not; the model is told why.
    Deny {
        /// A sentence for the model.
        message: &'a str,
    },
}

impl<'a> PermissionOutput<'a> {
    /// A decision, as claude takes it.
    pub fn new(decision: Decision<'a>) -> Self {
        Self { output: PermissionDecision { name: "PermissionRequest", decision } }
    }
}
