//! Every key that the configuration may have, with its default. A key that does not stand here is refused.
//!
//! The structs are deserialised from each layer alone (to check it) and from the merged layers (to use them). Their docs are
//! what `turnmux init` writes (`template.rs`): each key's names its default in backticks, or `none` or `empty`; where the
//! default is no value that could be written down, an `Example` follows it.

use std::collections::BTreeMap;
use std::time::Duration;

use figment::value::magic::RelativePathBuf;
use serde::Deserialize;

use super::values::{duration, duration_or_off, size, variables};
use crate::protocol::{CommandPolicy, EnvPolicy, Limits, LostThread, Permission};

/// The whole file.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Schema {
    /// `[server]`: how requests come in.
    pub(super) server: Server,
    /// `[sessions]`: how sessions and their processes live.
    pub(super) sessions: Sessions,
    /// `[limits]`: how long each wait may last.
    #[serde(with = "LimitKeys")]
    pub(super) limits: Limits,
    /// The backend of requests that name no `model`. Default: `claude-code`.
    pub(super) default_backend: String,
    /// `[store]`: what outlives the daemon, and where.
    pub(super) store: Store,
    /// `[backends.<id>]`: the coding agents. `claude-code`, `claude-code-opus`, `claude-code-sonnet` and
    /// `claude-channel` are built in.
    pub(super) backends: BTreeMap<String, Backend>,
    /// `[agents.<id>]`: what is set for the agents of callers. Default: nothing.
    pub(super) agents: BTreeMap<String, Agent>,
    /// `[call]`: what holds for `turnmux call`.
    pub(super) call: Call,
    /// `[aliases]`: model names that clients hard-code, each with the backend that it stands for. Default: none. Example:
    /// `"gpt-4o" = "claude-code"`.
    pub(super) aliases: BTreeMap<String, String>,
}

impl Default for Schema {
    fn default() -> Self {
        Self {
            server: Server::default(),
            sessions: Sessions::default(),
            limits: Limits::default(),
            store: Store::default(),
            default_backend: "claude-code".to_owned(),
            backends: BTreeMap::new(),
            agents: BTreeMap::new(),
            call: Call::default(),
            aliases: BTreeMap::new(),
        }
    }
}

/// `[call]`
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Call {
    /// The text around every prompt of `turnmux call`, which stands where `{prompt}` does; empty is none. Default: that there is
    /// nobody to answer questions. Example: `In one sentence: {prompt}`.
    pub(super) wrapping: String,
}

impl Default for Call {
    fn default() -> Self {
        let wrapping = "You are asked by a program or a shell, not in a conversation: nobody can answer a question of yours. \
                        Decide for yourself what is not said, do what is asked to its end, and give the result without a \
                        preamble: your answer is printed as it is.\n\n{prompt}";
        Self { wrapping: wrapping.to_owned() }
    }
}

/// `[server]`
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Server {
    /// Address and port of the HTTP server, such as `127.0.0.1:7433` or `localhost:7433`. Default: `127.0.0.1:7433`.
    pub(super) listen: String,
    /// How long a stream may be silent before a heartbeat is sent; at least `100ms`. Default: `15s`.
    #[serde(deserialize_with = "duration")]
    pub(super) heartbeat: Duration,
    /// How long running turns may go on after the first signal to stop. Default: `10s`.
    #[serde(deserialize_with = "duration")]
    pub(super) shutdown_grace: Duration,
    /// Hosts (`name` or `name:port`) that may stand in `Host` and `Origin` beside loopback, for tunnels. Default: none.
    pub(super) allowed_hosts: Vec<String>,
    /// Folders in which a request may choose its workspace; an empty list is none. Default: the home directory, hidden
    /// folders excepted. Example: `["~/"]`.
    pub(super) workspace_roots: Option<Vec<RelativePathBuf>>,
    /// A file of API keys with names (`[keys.<name>] key = "…"`) and what each may use, readable by its owner only. Default:
    /// none. Example: `keys.toml`.
    pub(super) key_file: Option<RelativePathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7433".to_owned(),
            heartbeat: Duration::from_secs(15),
            shutdown_grace: Duration::from_secs(10),
            allowed_hosts: Vec::new(),
            workspace_roots: None,
            key_file: None,
        }
    }
}

/// `[sessions]`
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Sessions {
    /// How long a process waits for its session's next turn. Default: `10m`.
    #[serde(deserialize_with = "duration")]
    pub(super) idle_timeout: Duration,
    /// The same for a session that nobody named, so that hardly anybody comes back to it. Default: `30s`.
    #[serde(deserialize_with = "duration")]
    pub(super) unnamed_idle_timeout: Duration,
    /// How many turns may wait in one session; 1 to 10000. Default: `16`.
    pub(super) queue_max: usize,
    /// How many processes may live at the same time; 1 to 1000. Default: half of the memory in steps of 350 MB, at most 16.
    /// Example: `8`.
    pub(super) max_live: Option<usize>,
    /// How long a turn goes on after its reader left without a word. Default: `0s`.
    #[serde(deserialize_with = "duration")]
    pub(super) disconnect_grace: Duration,
    /// The same for a turn whose client may come back for its answer; 0 for clients that never do. Default: `10s`.
    #[serde(deserialize_with = "duration")]
    pub(super) linger: Duration,
    /// When an agent does not know its session's thread any more: `continue` with a new one, which is told what was kept of the
    /// conversation, or `fail` the turn. Default: `continue`.
    pub(super) lost_thread: LostThread,
    /// How many sessions are remembered; 1 to 10000000. Default: `100000`.
    pub(super) records_max: usize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_mins(10),
            unnamed_idle_timeout: Duration::from_secs(30),
            queue_max: 16,
            max_live: None,
            disconnect_grace: Duration::ZERO,
            linger: Duration::from_secs(10),
            lost_thread: LostThread::Continue,
            records_max: 100_000,
        }
    }
}

/// `[store]`
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Store {
    /// The database of sessions, turns and events, on a local disk; a path like a backend's `workspace`. Default:
    /// `$XDG_STATE_HOME/turnmux/store/turnmux.db`, or the same below `~/.local/state`. Example: `~/turnmux.db`.
    pub(super) path: Option<RelativePathBuf>,
    /// Whether all of that ends with the daemon instead. Default: `false`.
    pub(super) ephemeral: bool,
    /// How long turns are kept after their end; at least `1h`. Default: `90days`.
    #[serde(deserialize_with = "duration")]
    pub(super) keep: Duration,
    /// How large the database may become before the oldest turns go: bytes, or a size; 16 MiB to 1 TiB. Default: `2GiB`.
    #[serde(deserialize_with = "size")]
    pub(super) max_bytes: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self { path: None, ephemeral: false, keep: Duration::from_hours(90 * 24), max_bytes: 2 << 30 }
    }
}

/// `[limits]`: one key for each field of [`Limits`]; the defaults are those of `Limits::default()`.
#[derive(Deserialize)]
#[serde(remote = "Limits", default = "Limits::default", deny_unknown_fields, expecting = "a table")]
struct LimitKeys {
    /// From starting a process to its readiness. Default: `60s`.
    #[serde(deserialize_with = "duration")]
    ready: Duration,
    /// From giving a turn to the agent to its first sign of life. Default: `120s`.
    #[serde(deserialize_with = "duration")]
    first_event: Duration,
    /// From an interrupt to the end of its turn; then the process is ended. Default: `10s`.
    #[serde(deserialize_with = "duration")]
    interrupt: Duration,
    /// From a control command to its acknowledgement. Default: `30s`.
    #[serde(deserialize_with = "duration")]
    command: Duration,
    /// Without any event inside a turn; `0`, `off` or `none` is no limit. Default: `off`.
    #[serde(deserialize_with = "duration_or_off")]
    silence: Option<Duration>,
    /// A whole turn; `0`, `off` or `none` is no limit. Default: `off`.
    #[serde(deserialize_with = "duration_or_off")]
    turn: Option<Duration>,
    /// A turn's wait for a process while `sessions.max_live` others are busy. Default: `10m`.
    #[serde(deserialize_with = "duration")]
    capacity: Duration,
    /// A question's wait for its answer while somebody listens who can give it; at most `1h`. Default: `5m`.
    #[serde(deserialize_with = "duration")]
    answer: Duration,
    /// A reader that takes nothing; then the turn goes on without it. Default: `60s`.
    #[serde(deserialize_with = "duration")]
    reader_stall: Duration,
    /// From closing an agent's stdin to SIGTERM. Default: `2s`.
    #[serde(deserialize_with = "duration")]
    stop_eof: Duration,
    /// From SIGTERM to SIGKILL. Default: `5s`.
    #[serde(deserialize_with = "duration")]
    stop_term: Duration,
    /// One line of an agent's output: bytes, or a size such as `64MiB`; 64 KiB to 1 GiB. Default: `64MiB`.
    #[serde(deserialize_with = "size")]
    line_bytes: usize,
    /// One request body: bytes, or a size such as `64MiB`; 1 KiB to 1 GiB. Default: `64MiB`.
    #[serde(deserialize_with = "size")]
    body_bytes: usize,
    /// Events of all sessions that stand ready in memory for those who watch, about (with `store.ephemeral`: all that is kept):
    /// bytes, or a size; 1 MiB to 64 GiB. Default: `32MiB`.
    #[serde(deserialize_with = "size")]
    events_bytes: usize,
}

/// `[backends.<id>]`. Where a default is named, it is that of a backend which inherits nothing (see `backends.rs`).
#[derive(Deserialize, Default, Clone)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Backend {
    /// How the agent is spoken with: `claude-stream` (over stdio), `claude-channel` (in a terminal, by a plugin and hooks; the
    /// account needs channels) or `claude` (a channel where there are some, else stdio). Default: `claude-stream`; that of
    /// the built-in `claude-channel` is its name.
    pub(super) driver: Option<String>,
    /// The program: a name to be found on PATH, or a path like `workspace`. Default: `claude`.
    pub(super) command: Option<RelativePathBuf>,
    /// Arguments that are put behind those of the driver. Default: none.
    pub(super) args: Option<Vec<String>>,
    /// Variables that are set for the agent. The string `strict` or `inherit` instead of a table is short for
    /// `env_policy`. Default: none.
    #[serde(deserialize_with = "variables")]
    pub(super) env: BTreeMap<String, String>,
    /// `inherit`: the daemon's own environment less turnmux's secrets; `strict`: only what a program needs to run at
    /// all; `env` comes on top of either. Default: `inherit`.
    pub(super) env_policy: Option<EnvPolicy>,
    /// The agent's name for the language model; empty leaves the choice to the agent. Default: empty.
    pub(super) model: Option<String>,
    /// Where the agent runs when neither the request nor the caller's agent says so. `~/` is the home directory; other
    /// relative paths begin at the file's folder (from a variable: at the working directory). Default: none. Example:
    /// `~/project`.
    pub(super) workspace: Option<RelativePathBuf>,
    /// What the agent may do unasked: `ask`, `accept_edits`, `deny` or `bypass`. Default: `ask`.
    pub(super) permission: Option<Permission>,
    /// Text put behind the agent's own system prompt. Default: empty.
    pub(super) system_prompt: Option<String>,
    /// How hard the model is to think, in the agent's own words; empty leaves the choice to the agent. Default: empty.
    pub(super) effort: Option<String>,
    /// `literal`: client text is text; `allow`: the agent reads commands and file mentions out of it, except over a channel,
    /// where it is always text. Default: `literal`.
    pub(super) commands: Option<CommandPolicy>,
}

/// `[agents.<id>]`
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Agent {
    /// Where the agent's sessions run; a path like a backend's. Default: the backend's. Example: `~/ops`.
    pub(super) workspace: Option<RelativePathBuf>,
    /// The backend of the agent's requests that name no `model`. Default: that of the whole daemon. Example:
    /// `claude-code-opus`.
    pub(super) backend: Option<String>,
}
