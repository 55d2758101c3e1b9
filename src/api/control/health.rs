//! `GET /health`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::api::respond::{Body, json};
use crate::api::router::Api;

#[derive(Serialize)]
struct Health {
    /// Tells turnmux from whatever else may have the port.
    name: &'static str,
    /// True while the daemon takes turns and its default backend could run.
    ok: bool,
    version: &'static str,
    process: Process,
    /// Processes that live, or are about to.
    processes: usize,
    /// Open connections.
    conns: usize,
    /// Sessions that are known.
    sessions: usize,
    /// Turns that wait.
    queued: usize,
    store: Store,
    /// Where the plugins inside agents connect, where any backend uses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<SocketAddr>,
    backends: BTreeMap<String, Backend>,
}

/// Names the daemon's process to whoever is to stop it: both together are no other's.
#[derive(Serialize)]
struct Process {
    pid: i32,
    /// In ticks since the machine started.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<u64>,
}

#[derive(Serialize)]
struct Store {
    ready: bool,
    /// How many times it has written to the disk since the daemon started.
    commits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Backend {
    driver: String,
    /// Which way the driver took, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How things stand. Always 200 while the daemon answers: whether an agent is installed is in the body.
pub(in crate::api) fn health(api: &Api) -> Response<Body> {
    let counts = api.dispatch.counts();
    let (default, backends) = api.dispatch.all_backends();
    let backends: BTreeMap<String, Backend> = backends
        .into_iter()
        .map(|view| {
            let backend =
                Backend { driver: view.driver, note: view.note, ready: view.trouble.is_none(), reason: view.trouble };
            (view.id.to_string(), backend)
        })
        .collect();
    let reason = counts.trouble.map(|trouble| trouble.to_string());
    let store = Store { ready: reason.is_none(), commits: counts.commits, reason };
    let ok = store.ready && backends.get(default.as_str()).is_some_and(|backend| backend.ready);
    let (pid, start) = api.config.process;
    let health = Health {
        name: "turnmux",
        ok,
        version: env!("CARGO_PKG_VERSION"),
        process: Process { pid, start },
        processes: counts.processes,
        conns: api.conns(),
        sessions: counts.sessions,
        queued: counts.queued,
        store,
        channel: api.config.channel,
        backends,
    };
    json(StatusCode::OK, &health)
}
