//! From the merged keys to a [`Config`]: bounds are checked, names looked up, paths made absolute.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::diagnose::did_you_mean;
use super::layer::Layer;
use super::schema::{Agent, Call, Schema, Server, Sessions, Store};
use super::{
    AgentSettings, CallSettings, Config, ConfigError, Environment, Origin, Overrides, ServerSettings, SessionSettings,
    StoreSettings, backends, keys, paths,
};
use crate::protocol::{BackendId, BackendSpec, Limits, SessionKey, TenantId, WorkspaceRoot};

/// Shortest heartbeat. Below it, a stream would be mostly heartbeats.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);

/// Shortest wait of `[limits]` that ends in a failure. Below it, everything fails.
const LIMIT_MIN: Duration = Duration::from_millis(100);

/// What a claude process may take, in bytes: 115 to 350 MB were measured.
const PROCESS_BYTES: u64 = 350_000_000;

/// Assumed memory in bytes where it cannot be told: that of a small laptop.
const MEMORY_FALLBACK_BYTES: u64 = 8 << 30;

/// Highest default of `sessions.max_live`. More is for those who ask for it.
const MAX_LIVE_DEFAULT_MAX: u64 = 16;

/// Checks and completes what the layers say; they are asked where a wrong value stands.
pub(super) fn resolve(
    schema: Schema,
    overrides: &Overrides,
    environment: &Environment,
    layers: &[Layer],
) -> Result<Config, ConfigError> {
    let backends = backends::resolve(schema.backends, overrides.permission, environment, layers)?;
    let key_file = schema.server.key_file.as_ref().map(|path| paths::absolute(path, environment)).transpose();
    let key_file = key_file.map_err(|problem| invalid(layers, &["server", "key_file"], problem))?;
    let (keys, tenants) = keys::load(environment, key_file.as_deref(), &backends)?;
    let mut server = server(schema.server, environment, layers)?;
    server.listen.set_port(overrides.port.unwrap_or(server.listen.port()));
    if keys.is_empty() && !server.listen.ip().is_loopback() {
        return Err(ConfigError::OpenWithoutKey(server.listen));
    }
    let aliases = schema.aliases.into_iter().map(|(alias, target)| {
        let id = known_backend(&target, &["aliases", &alias], &backends, layers)?;
        Ok((alias, id))
    });
    let aliases = aliases.collect::<Result<_, ConfigError>>()?;
    Ok(Config {
        file: None,
        server,
        sessions: sessions(&schema.sessions, environment, layers)?,
        limits: limits(schema.limits, layers)?,
        store: store(&schema.store, environment, layers)?,
        state: paths::state(environment),
        default_backend: known_backend(&schema.default_backend, &["default_backend"], &backends, layers)?,
        agents: agents(schema.agents, &backends, environment, layers)?,
        backends,
        aliases,
        call: call(schema.call, layers)?,
        keys,
        tenants,
    })
}

/// The refusal of a value, with the last place that says something about its key.
pub(super) fn invalid(layers: &[Layer], path: &[&str], problem: impl Into<String>) -> ConfigError {
    let layer = layers.iter().rev().find(|layer| layer.has(path));
    ConfigError::Invalid {
        key: path.join("."),
        origin: layer.map_or(Origin::Default, |layer| layer.origin().clone()),
        problem: problem.into(),
    }
}

fn server(server: Server, environment: &Environment, layers: &[Layer]) -> Result<ServerSettings, ConfigError> {
    let listen = listen_address(&server.listen).ok_or_else(|| {
        let problem = "it is no address with a port; write one such as 127.0.0.1:7433, [::1]:7433 or localhost:7433";
        invalid(layers, &["server", "listen"], problem)
    })?;
    at_least(server.heartbeat, HEARTBEAT_MIN, &["server", "heartbeat"], layers)?;
    let hosts = server.allowed_hosts.iter().map(|text| {
        allowed_host(text).ok_or_else(|| {
            let problem = format!("`{text}` is no host; write each as name or name:port, without scheme, path or `*`");
            invalid(layers, &["server", "allowed_hosts"], problem)
        })
    });
    let workspace_roots = match server.workspace_roots {
        None => environment.home.iter().map(|home| WorkspaceRoot { path: home.clone(), hidden: false }).collect(),
        Some(roots) => roots
            .iter()
            .map(|root| Ok(WorkspaceRoot { path: paths::absolute(root, environment)?, hidden: true }))
            .collect::<Result<_, &str>>()
            .map_err(|problem| invalid(layers, &["server", "workspace_roots"], problem))?,
    };
    Ok(ServerSettings {
        listen,
        heartbeat: server.heartbeat,
        shutdown_grace: server.shutdown_grace,
        allowed_hosts: hosts.collect::<Result<_, _>>()?,
        workspace_roots,
    })
}

fn sessions(sessions: &Sessions, environment: &Environment, layers: &[Layer]) -> Result<SessionSettings, ConfigError> {
    let max_live = sessions.max_live.unwrap_or_else(|| max_live_default(environment.memory_bytes));
    within(sessions.queue_max, 1, 10_000, &["sessions", "queue_max"], layers)?;
    within(max_live, 1, 1_000, &["sessions", "max_live"], layers)?;
    within(sessions.records_max, 1, 10_000_000, &["sessions", "records_max"], layers)?;
    Ok(SessionSettings {
        idle_timeout: sessions.idle_timeout,
        unnamed_idle_timeout: sessions.unnamed_idle_timeout,
        queue_max: sessions.queue_max,
        max_live,
        disconnect_grace: sessions.disconnect_grace,
        linger: sessions.linger,
        lost_thread: sessions.lost_thread,
        records_max: sessions.records_max,
    })
}

/// The shortest time for which turns are kept: people come back for what an agent did within the hour.
const KEEP_MIN: Duration = Duration::from_hours(1);

fn store(store: &Store, environment: &Environment, layers: &[Layer]) -> Result<StoreSettings, ConfigError> {
    at_least(store.keep, KEEP_MIN, &["store", "keep"], layers)?;
    within(store.max_bytes, 16 << 20, 1 << 40, &["store", "max_bytes"], layers)?;
    let path = match &store.path {
        _ if store.ephemeral => None,
        Some(path) => {
            let path = paths::absolute(path, environment);
            Some(path.map_err(|problem| invalid(layers, &["store", "path"], problem))?)
        }
        None => {
            let state = paths::state(environment).ok_or_else(|| {
                let problem =
                    "HOME is not set, so it has no default; name a file, or have nothing kept (`--ephemeral`)";
                invalid(layers, &["store", "path"], problem)
            })?;
            Some(state.join("store/turnmux.db"))
        }
    };
    Ok(StoreSettings { path, keep: store.keep, max_bytes: store.max_bytes as u64 })
}

/// The longest wait for an answer: the hook by which a claude in a terminal asks is given up by it a little later.
const ANSWER_MAX: Duration = Duration::from_hours(1);

/// `capacity`, `stop_eof` and `stop_term` may be 0, which means not to wait at all.
fn limits(limits: Limits, layers: &[Layer]) -> Result<Limits, ConfigError> {
    let must_wait = [
        ("ready", Some(limits.ready)),
        ("first_event", Some(limits.first_event)),
        ("interrupt", Some(limits.interrupt)),
        ("command", Some(limits.command)),
        ("silence", limits.silence),
        ("turn", limits.turn),
        ("answer", Some(limits.answer)),
        ("reader_stall", Some(limits.reader_stall)),
    ];
    for (key, duration) in must_wait {
        at_least(duration.unwrap_or(Duration::MAX), LIMIT_MIN, &["limits", key], layers)?;
    }
    if limits.answer > ANSWER_MAX {
        let (value, max) = (humantime::format_duration(limits.answer), humantime::format_duration(ANSWER_MAX));
        return Err(invalid(layers, &["limits", "answer"], format!("it is {value}, and must be at most {max}")));
    }
    // The first line of a claude is some ten KiB long already.
    within(limits.line_bytes, 64 << 10, 1 << 30, &["limits", "line_bytes"], layers)?;
    within(limits.events_bytes, 1 << 20, 64 << 30, &["limits", "events_bytes"], layers)?;
    within(limits.body_bytes, 1 << 10, 1 << 30, &["limits", "body_bytes"], layers)?;
    Ok(limits)
}

/// Longest text around prompts, in bytes: it is part of every one of them.
const WRAPPING_BYTES_MAX: usize = 64 << 10;

fn call(call: Call, layers: &[Layer]) -> Result<CallSettings, ConfigError> {
    let problem = match call.wrapping.matches("{prompt}").count() {
        _ if call.wrapping.trim().is_empty() => None,
        _ if call.wrapping.len() > WRAPPING_BYTES_MAX => Some("it is longer than 64 KiB"),
        1 => None,
        _ => Some("{prompt} has to stand in it, once: the place of the prompt"),
    };
    match problem {
        Some(problem) => Err(invalid(layers, &["call", "wrapping"], problem)),
        None => Ok(CallSettings { wrapping: call.wrapping }),
    }
}

fn agents(
    agents: BTreeMap<String, Agent>,
    backends: &BTreeMap<BackendId, BackendSpec>,
    environment: &Environment,
    layers: &[Layer],
) -> Result<BTreeMap<String, AgentSettings>, ConfigError> {
    let resolve = |(id, agent): (String, Agent)| {
        let key = SessionKey::new(TenantId::local(), Some(&id), None);
        if !key.is_ok_and(|key| key.agent() == id) {
            let problem = "no request can name this agent: it is empty or too long, or has `::` or a control character";
            return Err(invalid(layers, &["agents", &id], problem));
        }
        let workspace = agent.workspace.map(|path| paths::absolute(&path, environment)).transpose();
        let workspace = workspace.map_err(|problem| invalid(layers, &["agents", &id, "workspace"], problem))?;
        let backend = agent.backend.map(|name| known_backend(&name, &["agents", &id, "backend"], backends, layers));
        let backend = backend.transpose()?;
        Ok((id, AgentSettings { workspace, backend }))
    };
    agents.into_iter().map(resolve).collect()
}

fn known_backend(
    name: &str,
    path: &[&str],
    backends: &BTreeMap<BackendId, BackendSpec>,
    layers: &[Layer],
) -> Result<BackendId, ConfigError> {
    let id = BackendId::new(name);
    if backends.contains_key(&id) {
        return Ok(id);
    }
    let names: Vec<_> = backends.keys().map(BackendId::as_str).collect();
    let guess = did_you_mean(name, names.iter().copied());
    Err(invalid(layers, path, format!("`{name}` is no backend, there are {}{guess}", names.join(", "))))
}

fn listen_address(text: &str) -> Option<SocketAddr> {
    match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)))
        }
        _ => text.parse().ok(),
    }
}

/// `name`, `name:port`, `[address]` or `[address]:port`, in lower case.
fn allowed_host(text: &str) -> Option<String> {
    let name_end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (name, port) = text.split_at(name_end);
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (is_name && is_port).then(|| text.to_ascii_lowercase())
}

/// Half of the memory, so that the agents' own children and the rest of the machine have the other half.
fn max_live_default(memory_bytes: Option<u64>) -> usize {
    let fitting = memory_bytes.unwrap_or(MEMORY_FALLBACK_BYTES) / 2 / PROCESS_BYTES;
    fitting.clamp(1, MAX_LIVE_DEFAULT_MAX) as usize
}

fn at_least(value: Duration, min: Duration, path: &[&str], layers: &[Layer]) -> Result<(), ConfigError> {
    if value >= min {
        return Ok(());
    }
    let (value, min) = (humantime::format_duration(value), humantime::format_duration(min));
    Err(invalid(layers, path, format!("it is {value}, and must be at least {min}")))
}

fn within(value: usize, min: usize, max: usize, path: &[&str], layers: &[Layer]) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(invalid(layers, path, format!("it is {value}, and must be between {min} and {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_memory_goes_to_processes() {
        assert_eq!(max_live_default(Some(512 << 20)), 1);
        assert_eq!(max_live_default(Some(8 << 30)), 12);
        assert_eq!(max_live_default(Some(64 << 30)), 16);
        assert_eq!(max_live_default(None), 12);
    }

    #[test]
    fn hosts_are_names_with_or_without_a_port() {
        for (text, host) in [
            ("Mux.Example.org", "mux.example.org"),
            ("mux.example.org:8443", "mux.example.org:8443"),
            ("[fd00::1]:80", "[fd00::1]:80"),
            ("[fd00::1]", "[fd00::1]"),
        ] {
            assert_eq!(allowed_host(text).as_deref(), Some(host));
        }
        for text in
            ["", ":80", "*", "*.example.org", "https://example.org", "a/b", "a:b", "a:1:2", "a,b", "fd00::1", "[x]"]
        {
            assert_eq!(allowed_host(text), None, "{text}");
        }
    }

    #[test]
    fn localhost_is_an_address() {
        assert_eq!(listen_address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(listen_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        for text in ["", "7433", "localhost", "example.org:80", "127.0.0.1", "127.0.0.1:99999"] {
            assert_eq!(listen_address(text), None, "{text}");
        }
    }
}
