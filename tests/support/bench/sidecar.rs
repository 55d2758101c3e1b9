//! `turnmux channel`, the server that claude starts for the plugin: how soon it answers, for claude waits for that, and what
//! it takes of memory at work.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use turnmux::channel::sidecar::VARIABLES;
use turnmux::channel::{ChannelEvent, Hub, HubConfig, Member};

use super::clock;
use super::memory::{mib, own_kib, rss_kib};
use super::numbers::Times;
use super::programs::{Program, built};
use super::report::Report;

const KIB_MAX: u64 = 6_000_000 / 1024;
const ANSWER_MAX: Duration = Duration::from_millis(10);
/// How long the server may take to connect, or to carry a message.
const EVENT_WAIT: Duration = Duration::from_secs(10);

/// What the plugin's servers connect to, as in the daemon.
pub(crate) struct Door {
    pub(crate) runtime: Runtime,
    pub(crate) hub: Hub,
}

impl Door {
    /// Opens one on a free port of loopback.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (hub, listener) = runtime.block_on(Hub::bind(address, HubConfig::default()))?;
        runtime.spawn(listener.run(std::future::pending()));
        Ok(Self { runtime, hub })
    }

    /// Makes room for one server.
    pub(crate) fn enlist(&self, session: &str) -> Member {
        let _context = self.runtime.enter();
        self.hub.enlist(session)
    }

    /// What a server's environment says.
    pub(crate) fn variables(&self, member: &Member) -> [(&'static str, String); 3] {
        let [url, token, session] = VARIABLES;
        let bridge = format!("ws://{}/bridge", self.hub.address());
        [(url, bridge), (token, member.token.expose().to_owned()), (session, member.session().to_owned())]
    }
}

/// Starts `runs` servers, one after the other. Gives the most memory that one of them took, in KiB.
pub(crate) fn measure(door: &Door, runs: usize, report: &mut Report) -> anyhow::Result<u64> {
    let (mut answered, mut most_kib, mut own_kib) = (Times::default(), 0, 0);
    for _ in 0..runs {
        let (rss, own) = once(door, &mut answered)?;
        (most_kib, own_kib) = (most_kib.max(rss), own_kib.max(own));
    }
    report.part("turnmux channel, the plugin's server inside claude")?;
    report.row("start → initialize is answered", &answered)?;
    report.time_limit("initialize is answered", &answered, 50.0, ANSWER_MAX)?;
    report
        .note(&format!("its own memory: {own_kib} KiB; the rest of its RSS is the program, which all of them share"))?;
    report.limit("its memory (RSS)", &mib(most_kib), &format!("≤ {}", mib(KIB_MAX)), most_kib <= KIB_MAX)?;
    Ok(most_kib)
}

/// What the server says next to the daemon.
fn next(door: &Door, member: &mut Member) -> anyhow::Result<ChannelEvent> {
    let event = door.runtime.block_on(async { timeout(EVENT_WAIT, member.events.recv()).await });
    event.context("the plugin's server says nothing")?.context("the plugin's server is lost")
}

/// One server, from its start until it has carried a message each way. Gives its RSS and what of it is its own, in KiB.
#[expect(clippy::disallowed_methods, reason = "the bench is a program of its own, which starts what it measures")]
fn once(door: &Door, answered: &mut Times) -> anyhow::Result<(u64, u64)> {
    let mut member = door.enlist("bench::sidecar");
    let mut command = Command::new(built("turnmux")?);
    command.arg("channel").env_clear().envs(door.variables(&member));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"},
    }});

    let spawned_ns = clock::now_ns();
    let mut program = Program::start(command)?;
    let (mut stdin, mut stdout) = (program.stdin()?, BufReader::new(program.stdout()?));
    writeln!(stdin, "{initialize}")?;
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    answered.add(spawned_ns, clock::now_ns());
    anyhow::ensure!(line.contains("\"result\""), "the plugin's server answered {line:?}");

    writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
    let event = next(door, &mut member)?;
    anyhow::ensure!(matches!(event, ChannelEvent::Connected { .. }), "the plugin's server did not connect: {event:?}");

    // A message in and a reply out, as in a session at work.
    member.push("a question".to_owned(), BTreeMap::new())?;
    line.clear();
    stdout.read_line(&mut line)?;
    anyhow::ensure!(line.contains("a question"), "the plugin's server said {line:?}");
    let reply = json!({"name": "reply", "arguments": {"text": "an answer"}});
    writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": reply}))?;
    let event = next(door, &mut member)?;
    anyhow::ensure!(matches!(event, ChannelEvent::Reply { .. }), "the plugin's server did not reply: {event:?}");
    line.clear();
    stdout.read_line(&mut line)?;
    let kib = (rss_kib(program.pid())?, own_kib(program.pid())?);
    drop(stdin);
    program.end(None)?;
    Ok(kib)
}
