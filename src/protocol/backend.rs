//! What the configuration says of a coding agent, in the form that drivers take it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::BackendId;

/// Variables with keys to the daemon. An agent must never inherit them: it could call the daemon in its caller's name.
pub const SECRET_VARIABLES: [&str; 2] = ["TURNMUX_API_KEY", "AGENT_GATEWAY_KEY"];

/// Signs that would make an agent believe that it was started by another claude.
const NESTED: [&str; 2] = ["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"];

/// What a service manager has told the daemon, and nobody else.
const SERVICE: [&str; 6] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// All that begins so is turnmux's own.
const OWN_PREFIX: &str = "TURNMUX_";

/// What a program needs to run at all: all that is left of the daemon's environment under [`EnvPolicy::Strict`].
const STRICT: [&str; 15] = [
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TMPDIR",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

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

    /// The agent's whole environment: of turnmux's own (`own`) what the policy lets through, and the backend's over it.
    pub fn environment(&self, own: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
        let given = |name: &OsStr| {
            let name = &*name.to_string_lossy();
            match self.env_policy {
                EnvPolicy::Inherit => {
                    let withheld = [&SECRET_VARIABLES[..], &NESTED, &SERVICE];
                    !withheld.iter().any(|names| names.contains(&name)) && !name.starts_with(OWN_PREFIX)
                }
                EnvPolicy::Strict => STRICT.contains(&name),
            }
        };
        let mut env: BTreeMap<OsString, OsString> = own.filter(|(name, _)| given(name)).collect();
        env.extend(self.env.iter().map(|(name, value)| (name.into(), value.into())));
        env
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(env_policy: EnvPolicy) -> BackendSpec {
        BackendSpec {
            env: [("EXTRA".to_owned(), "1".to_owned())].into(),
            env_policy,
            ..BackendSpec::new(BackendId::new("claude-code"), "claude-stream", "claude")
        }
    }

    fn names(policy: EnvPolicy) -> Vec<String> {
        let own = ["PATH", "HOME", "GH_TOKEN", "TURNMUX_API_KEY", "AGENT_GATEWAY_KEY", "CLAUDECODE", "NOTIFY_SOCKET"];
        let own = own.iter().map(|name| (OsString::from(name), OsString::from("x")));
        spec(policy).environment(own).into_keys().map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn agents_get_the_environment_without_the_keys_to_turnmux() {
        assert_eq!(names(EnvPolicy::Inherit), ["EXTRA", "GH_TOKEN", "HOME", "PATH"]);
        assert_eq!(names(EnvPolicy::Strict), ["EXTRA", "HOME", "PATH"]);
    }
}
