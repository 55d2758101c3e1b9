//! What the configuration says of a coding agent, in the form that drivers take it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::BackendId;

/// Variables with keys to the daemon. An agent must never inherit them: it could call the daemon in its caller's name.
pub const SECRET_VARIABLES: [&str; 2] = ["TURNMUX_API_KEY", "AGENT_GATEWAY_KEY"];

/// One configured coding agent CLI.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendSpec {
    /// The name that requests give as `model`.
    pub id: BackendId,
    /// Which protocol is spoken with it, such as `claude-stream`.
    pub driver: String,
    /// The program: a path, or a name to be found on PATH.
    pub command: String,
    /// Arguments that are put behind those of the driver.
    pub args: Vec<String>,
    /// Variables set over (or, with [`EnvPolicy::Strict`], instead of) the daemon's own environment.
    pub env: BTreeMap<String, String>,
    /// Which of the daemon's own variables the agent gets.
    pub env_policy: EnvPolicy,
    /// The agent's name for the language model; none leaves the choice to the agent.
    pub model: Option<String>,
    /// Where the agent runs when neither the request nor the caller's agent says so.
    pub workspace: Option<PathBuf>,
    /// What the agent may do unasked.
    pub permission: Permission,
    /// Text put behind the agent's own system prompt.
    pub system_prompt: Option<String>,
    /// How hard the agent's model is to think, in the agent's own words.
    pub effort: Option<String>,
    /// Whether the agent may read commands and file mentions out of what clients send.
    pub commands: CommandPolicy,
}

impl BackendSpec {
    /// A backend of which nothing else is said: the defaults of the configuration.
    pub fn new(id: BackendId, driver: &str, command: impl Into<String>) -> Self {
        Self {
            id,
            driver: driver.to_owned(),
            command: command.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            env_policy: EnvPolicy::Inherit,
            model: None,
            workspace: None,
            permission: Permission::Ask,
            system_prompt: None,
            effort: None,
            commands: CommandPolicy::Literal,
        }
    }
}

impl fmt::Debug for BackendSpec {
    /// Leaves out the variables and the arguments, for they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, driver, command, model, permission, .. } = self;
        f.debug_struct("BackendSpec")
            .field("id", id)
            .field("driver", driver)
            .field("command", command)
            .field("model", model)
            .field("permission", permission)
            .finish_non_exhaustive()
    }
}

/// What an agent may do unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Every action that needs leave is asked for, and denied while nobody can answer.
    #[default]
    Ask,
    /// Files in the workspace may be changed; the rest is asked for.
    AcceptEdits,
    /// What needs leave is denied.
    Deny,
    /// Everything is allowed. Only ever by configuration or flag.
    Bypass,
}

/// A text that names no [`Permission`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission; use ask, accept_edits, deny or bypass")]
pub struct PermissionParseError(String);

impl Permission {
    /// Whether it lets an agent do more unasked, or have more by asking.
    pub fn is_laxer_than(self, other: Self) -> bool {
        let rank = |permission: Self| match permission {
            Self::Deny => 0,
            Self::Ask => 1,
            Self::AcceptEdits => 2,
            Self::Bypass => 3,
        };
        rank(self) > rank(other)
    }
}

impl FromStr for Permission {
    type Err = PermissionParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ask" => Ok(Self::Ask),
            "accept_edits" => Ok(Self::AcceptEdits),
            "deny" => Ok(Self::Deny),
            "bypass" => Ok(Self::Bypass),
            _ => Err(PermissionParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ask => "ask",
            Self::AcceptEdits => "accept_edits",
            Self::Deny => "deny",
            Self::Bypass => "bypass",
        })
    }
}

/// Which of the daemon's own environment variables an agent gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvPolicy {
    /// All but turnmux's own secrets: people's git and gh must work.
    #[default]
    Inherit,
    /// Only what a program needs to run at all, and what the backend's `env` names.
    Strict,
}

/// Whether the agent may read commands and file mentions out of what clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandPolicy {
    /// Client text is text: `/clear` and `@file` reach the model as written.
    #[default]
    Literal,
    /// The agent interprets what it is sent, as for a person at its prompt.
    Allow,
}
