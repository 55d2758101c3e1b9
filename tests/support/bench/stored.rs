//! What the store costs a turn, how many turns it keeps a second, and how a daemon starts over a store that has much in it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use turnmux::protocol::{
    BackendId, Event, EventKind, FinishReason, Logged, SessionKey, TenantId, ThreadId, TurnEnding, TurnId, Usage,
};
use turnmux::store::{AcceptedTurn, EventStore, SessionRecord, SqliteOptions, SqliteStore, TurnRecord, Write};

use super::client::Client;
use super::clock;
use super::interrupts;
use super::memory::{mib, rss_kib};
use super::numbers::Times;
use super::own::{Parts, TEXT};
use super::programs::{Agent, Scratch};
use super::report::{Report, shown};
use super::servers::Daemon;

/// What the store may add to the median turn.
const ADDED_MAX: Duration = Duration::from_micros(500);
/// turnmux's own part of a turn with the store, median.
const OWN_MAX: Duration = Duration::from_micros(800);
/// Turns before those that count.
const WARM_UP: usize = 200;
/// How many clients ask at once, in turn.
const CLIENTS: [usize; 3] = [1, 16, 256];
/// Stack of a client's thread: it writes and reads.
const STACK_BYTES: usize = 256 << 10;
/// A store that has much in it.
const SESSIONS: usize = 10_000;
const TURNS_EACH: usize = 10;
const EVENTS_EACH: usize = 10;
const START_MAX: Duration = Duration::from_secs(1);
const RSS_KIB_MAX: u64 = 40_000_000 / 1024;

/// Turns of two daemons, which take turns: one keeps them, the other does not.
pub(crate) fn cost(kept: &Daemon, ephemeral: &Daemon, turns: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut with = Client::connect(&kept.address, "bench::stored", TEXT)?;
    let mut without = Client::connect(&ephemeral.address, "bench::stored", TEXT)?;
    let (mut stored, mut fleeting, mut parts) = (Times::default(), Times::default(), Parts::default());
    for turn in 0..WARM_UP + turns {
        for is_stored in [turn % 2 == 0, turn % 2 != 0] {
            let client = if is_stored { &mut with } else { &mut without };
            let seen = client.turn()?;
            let ended_ns = clock::now_ns();
            if turn < WARM_UP {
                continue;
            }
            if is_stored {
                stored.add(seen.sent_ns, ended_ns);
                parts.add(seen.sent_ns, seen, client.stamps()?);
            } else {
                fleeting.add(seen.sent_ns, ended_ns);
            }
        }
    }
    report.part("What the store costs a turn, one client, one turn after the other (stand-in agent)")?;
    report.row("whole turn, kept", &stored)?;
    report.row("whole turn, --ephemeral", &fleeting)?;
    report.row("turnmux's own part, kept", &parts.both)?;
    let median = |times: &Times| times.percentile(50.0).unwrap_or(Duration::MAX);
    let added = median(&stored).saturating_sub(median(&fleeting));
    report.limit("the store adds, medians", &shown(added), &format!("≤ {}", shown(ADDED_MAX)), added <= ADDED_MAX)?;
    report.time_limit("turnmux's own part with the store", &parts.both, 50.0, OWN_MAX)?;
    Ok(())
}

/// As many turns as go, of ever more clients, for so many seconds each.
pub(crate) fn throughput(seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::new(&Agent::StandIn)?;
    let most = CLIENTS.into_iter().max().unwrap_or(1);
    let daemon = Daemon::start_with(&scratch, "warn", most)?;
    report.part(&format!("Turns that are kept a second, {seconds} s each (stand-in agent)"))?;
    let mut each = f64::NAN;
    for clients in CLIENTS {
        let mut connected = Vec::new();
        for client in 0..clients {
            let mut client = Client::connect(&daemon.address, &format!("bench::kept-{client}"), TEXT)?;
            client.turn().with_context(|| scratch.complaints())?;
            connected.push(client);
        }
        let before = commits(&daemon)?;
        let (begin, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
        let threads = connected
            .into_iter()
            .map(|client| thread::Builder::new().stack_size(STACK_BYTES).spawn(move || turns_until(client, until)));
        let mut turns = 0;
        for thread in threads.collect::<Result<Vec<_>, _>>()? {
            let Ok(done) = thread.join() else { anyhow::bail!("a client's thread broke") };
            turns += done?;
        }
        let rate = turns as f64 / begin.elapsed().as_secs_f64();
        each = (commits(&daemon)? - before) as f64 / turns as f64;
        report.note(&format!("{clients} clients: {rate:.0} turns/s, {each:.2} commits for each"))?;
    }
    report.limit(&format!("commits for a turn, {most} clients"), &format!("{each:.2}"), "≤ 1", each <= 1.0)?;
    daemon.stop()
}

fn turns_until(mut client: Client, until: Instant) -> anyhow::Result<usize> {
    let mut turns = 0;
    while Instant::now() < until && !interrupts::stopping() {
        client.turn()?;
        turns += 1;
    }
    Ok(turns)
}

/// How many times the daemon's store has written to the disk.
fn commits(daemon: &Daemon) -> anyhow::Result<u64> {
    let mut socket = TcpStream::connect(&daemon.address)?;
    write!(socket, "GET /health HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", daemon.address)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).context("no answer")?;
    let health: serde_json::Value = serde_json::from_str(body)?;
    health["store"]["commits"].as_u64().with_context(|| format!("/health has no store.commits: {body}"))
}

/// The start of a daemon over a store with a million events.
pub(crate) fn start(report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::new(&Agent::StandIn)?;
    let path = scratch.work().join("large.db");
    fill(&path)?;
    let begin = Instant::now();
    let daemon = Daemon::start_over(&scratch, &path)?;
    let took = begin.elapsed();
    let mut client = Client::connect(&daemon.address, "agent-1::chat", TEXT)?;
    client.turn().with_context(|| scratch.complaints())?;
    let rss = rss_kib(daemon.pid())?;
    report.part(&format!(
        "A store with {SESSIONS} sessions and {} events, {}",
        SESSIONS * TURNS_EACH * EVENTS_EACH,
        mib(std::fs::metadata(&path)?.len() / 1024)
    ))?;
    let value = shown(took);
    report.limit("from the start of the daemon to its answering", &value, "≤ 1 s", took <= START_MAX)?;
    report.limit(
        "RSS after a turn in one of them",
        &mib(rss),
        &format!("≤ {}", mib(RSS_KIB_MAX)),
        rss <= RSS_KIB_MAX,
    )?;
    daemon.stop()
}

/// As sessions fill it: turns with their texts and endings.
fn fill(path: &std::path::Path) -> anyhow::Result<()> {
    let store = SqliteStore::open(path, SqliteOptions::default())?;
    let mut progress = store.progress();
    for session in 0..SESSIONS {
        ensure!(!interrupts::stopping(), "interrupted");
        let key = SessionKey::new(TenantId::local(), Some(&format!("agent-{session}")), Some("chat"))?;
        let number = store.write(session_of(&key));
        // It holds a bounded number of writes.
        while progress.borrow_and_update().kept + 256 < number {
            thread::yield_now();
        }
    }
    store.close(Duration::from_mins(1))?;
    Ok(())
}

fn session_of(key: &SessionKey) -> Vec<Write> {
    let backend = BackendId::new("stand-in");
    let mut seq = 0;
    let record = SessionRecord::first(key, backend.clone(), "claude-stream", "/".into());
    let last = (TURNS_EACH * EVENTS_EACH) as u64;
    let mut writes = vec![Write::Session(Box::new(SessionRecord { seq: last, reserved: last, ..record }))];
    for _ in 0..TURNS_EACH {
        let (turn, thread) = (TurnId::generate(), ThreadId::generate());
        let record = TurnRecord::accepted(turn, key.clone(), backend.clone(), thread.clone(), seq + 1);
        writes.push(Write::Accepted(Box::new(AcceptedTurn { turn: record, name: None, rerun: None })));
        let mut kinds =
            vec![EventKind::UserText("What is the capital of France?".into()), EventKind::Started { thread }];
        for part in 0..EVENTS_EACH - kinds.len() - 1 {
            // Alternating, for pieces of one message are kept as one.
            let text = format!("part {part} of an answer of a sentence or two");
            kinds.push(if part % 2 == 0 { EventKind::AssistantText(text) } else { EventKind::Reasoning(text) });
        }
        kinds.push(EventKind::Ended(TurnEnding::Completed {
            text: "an answer of a sentence or two".into(),
            reasoning: String::new(),
            finish: FinishReason::Stop,
            usage: Usage::default(),
        }));
        for kind in kinds {
            seq += 1;
            let logged: Arc<Logged> = Logged::now(Event { seq, turn, kind });
            writes.push(Write::Event(logged));
        }
    }
    writes
}
