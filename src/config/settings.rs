//! The configuration as the rest of turnmux takes it: typed, checked, with nothing left to look up.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::ApiKey;
use crate::protocol::{BackendId, BackendSpec, Limits, LostThread, Tenants, WorkspaceRoot};

/// Everything that is configured. What each key means and its default stand in `schema.rs`.
#[derive(Clone)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// How requests come in.
    pub server: ServerSettings,
    /// How sessions and their processes live.
    pub sessions: SessionSettings,
    /// How long each wait may last.
    pub limits: Limits,
    /// What outlives the daemon.
    pub store: StoreSettings,
    /// The folder for what is true of this machine's daemons; none without a home.
    pub state: Option<PathBuf>,
    /// The backend of requests that name none; always a key of `backends`.
    pub default_backend: BackendId,
    /// The coding agents, the built-in ones included; never empty.
    pub backends: BTreeMap<BackendId, BackendSpec>,
    /// What is set for the agents of callers, by their id.
    pub agents: BTreeMap<String, AgentSettings>,
    /// Model names that clients hard-code; each points at a key of `backends`.
    pub aliases: BTreeMap<String, BackendId>,
    /// What holds for `turnmux call`.
    pub call: CallSettings,
    /// The API keys; empty only if the daemon listens on loopback.
    pub keys: Vec<ApiKey>,
    /// What each tenant of the key file may use; no other has bounds of its own.
    pub tenants: Tenants,
}

impl Config {
    /// Where a daemon writes its log that was started in the background; none without a home.
    pub fn background_log(&self) -> Option<PathBuf> {
        Some(self.state.as_ref()?.join("turnmux.log"))
    }
}

impl fmt::Debug for Config {
    /// Leaves out what the backends are, for their variables may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            server,
            sessions,
            limits,
            store,
            state,
            default_backend,
            backends,
            agents,
            aliases,
            call,
            keys,
            tenants,
        } = self;
        f.debug_struct("Config")
            .field("file", file)
            .field("server", server)
            .field("sessions", sessions)
            .field("limits", limits)
            .field("store", store)
            .field("state", state)
            .field("default_backend", default_backend)
            .field("backends", &backends.keys())
            .field("agents", agents)
            .field("aliases", aliases)
            .field("call", call)
            .field("keys", keys)
            .field("tenants", tenants)
            .finish()
    }
}

/// How requests come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where HTTP is spoken. Anything but loopback comes with at least one API key.
    pub listen: SocketAddr,
    /// How long a stream may be silent before a heartbeat is sent; at least 100 ms.
    pub heartbeat: Duration,
    /// How long running turns may go on after the first signal to stop.
    pub shutdown_grace: Duration,
    /// Hosts that may stand in `Host` and `Origin` beside loopback: `name` (any port) or `name:port`, in lower case.
    pub allowed_hosts: Vec<String>,
    /// Where workspaces that a request names may lie; empty means that no request may name one.
    pub workspace_roots: Vec<WorkspaceRoot>,
}

/// How sessions and their processes live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// How long a process waits for its session's next turn.
    pub idle_timeout: Duration,
    /// The same for a session that nobody named.
    pub unnamed_idle_timeout: Duration,
    /// How many turns may wait in one session; 1 to 10,000.
    pub queue_max: usize,
    /// How many processes may live at the same time; 1 to 1,000.
    pub max_live: usize,
    /// How long a turn goes on after its reader left without a word.
    pub disconnect_grace: Duration,
    /// The same for a turn whose client may come back for its answer; 0 for clients that never do.
    pub linger: Duration,
    /// What becomes of a session whose agent does not know its thread any more.
    pub lost_thread: LostThread,
    /// How many sessions are remembered; at least 1.
    pub records_max: usize,
}

/// What outlives the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where; none only if nothing does.
    pub path: Option<PathBuf>,
    /// How long turns are kept after their end.
    pub keep: Duration,
    /// How large the database may become, in bytes.
    pub max_bytes: u64,
}

/// What holds for `turnmux call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSettings {
    /// The text around every prompt, with `{prompt}` in it once; blank is none.
    pub wrapping: String,
}

/// What is set for one agent of the callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    /// Where its sessions run, absolute.
    pub workspace: Option<PathBuf>,
    /// Its backend where a request names none; always a key of `Config::backends`.
    pub backend: Option<BackendId>,
}
