//! A thousand turns a second over 64 sessions, on a fixed schedule. A turn whose connection is still busy is sent late, and
//! its time counts from when it was due: a daemon that falls behind cannot hide it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::client::Client;
use super::clock;
use super::interrupts;
use super::numbers::Times;
use super::own::{Parts, TEXT};
use super::report::Report;
use super::servers::Daemon;

const SESSIONS: u64 = 64;
const TURNS_PER_S: u64 = 1_000;
const P99_MAX: Duration = Duration::from_millis(5);
/// A turn that is sent that much after it was due counts as late.
const LATE_NS: u64 = 1_000_000;
/// Turns of each session before the schedule begins: they start its process.
const WARM_UP: usize = 3;
/// From the last warm-up to the first turn that is due, in nanoseconds.
const HEAD_START_NS: u64 = 200_000_000;
/// Stack of a session's thread: it writes and reads.
const STACK_BYTES: usize = 256 << 10;

/// What became of the turns of one session, or of all.
#[derive(Debug, Default)]
struct Outcome {
    parts: Parts,
    waited: Times,
    late: usize,
    failed: Vec<String>,
}

/// Runs the schedule for so many seconds.
pub(crate) fn measure(daemon: &Daemon, seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for session in 0..SESSIONS {
        let mut client = Client::connect(&daemon.address, &format!("bench::load-{session}"), TEXT)?;
        for _ in 0..WARM_UP {
            client.turn().with_context(|| format!("session {session} does not start"))?;
        }
        clients.push(client);
    }

    let begin_ns = clock::now_ns() + HEAD_START_NS;
    let mut threads = Vec::new();
    for (session, client) in (0..SESSIONS).zip(clients) {
        let run = move || keep(client, begin_ns, (session..seconds * TURNS_PER_S).step_by(SESSIONS as usize));
        threads.push(thread::Builder::new().stack_size(STACK_BYTES).spawn(run)?);
    }
    let mut all = Outcome::default();
    for thread in threads {
        let Ok(one) = thread.join() else { anyhow::bail!("a session's thread broke") };
        all.parts.request.append(&one.parts.request);
        all.parts.answer.append(&one.parts.answer);
        all.parts.both.append(&one.parts.both);
        all.waited.append(&one.waited);
        all.late += one.late;
        all.failed.extend(one.failed);
    }
    show(&all, seconds, report)
}

/// Keeps one session's part of the schedule: the turns of these numbers, each due at its millisecond.
fn keep(mut client: Client, begin_ns: u64, turns: impl Iterator<Item = u64>) -> Outcome {
    let mut outcome = Outcome::default();
    for turn in turns {
        let due_ns = begin_ns + turn * (1_000_000_000 / TURNS_PER_S);
        park_until(due_ns);
        if interrupts::stopping() {
            break;
        }
        match client.turn().and_then(|seen| Ok((seen, client.stamps()?))) {
            Ok((seen, stamps)) => {
                outcome.parts.add(due_ns, seen, stamps);
                outcome.waited.add(due_ns, seen.sent_ns);
                outcome.late += usize::from(seen.sent_ns > due_ns + LATE_NS);
            }
            Err(error) => outcome.failed.push(format!("{error:#}")),
        }
    }
    outcome
}

fn park_until(due_ns: u64) {
    let deadline = Instant::now() + Duration::from_nanos(due_ns.saturating_sub(clock::now_ns()));
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        // It may wake early, for no reason.
        thread::park_timeout(left);
    }
}

fn show(all: &Outcome, seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    let wanted = (seconds * TURNS_PER_S) as usize;
    report.part(&format!("{TURNS_PER_S} turns a second for {seconds} s, {SESSIONS} sessions (stand-in agent)"))?;
    report.row("due → sent by the client", &all.waited)?;
    report.row("due → agent has read it", &all.parts.request)?;
    report.row("agent's first delta → client has read it", &all.parts.answer)?;
    report.row("both", &all.parts.both)?;
    let late = all.late;
    report.note(&format!("sent more than 1 ms late: {late} of {wanted} (counted from when they were due)"))?;
    if let Some(failure) = all.failed.first() {
        report.note(&format!("the first failure: {failure}"))?;
    }
    report.limit("failed turns", &all.failed.len().to_string(), "0", all.failed.is_empty())?;
    report.time_limit("turnmux's own part at that load", &all.parts.both, 99.0, P99_MAX)?;
    Ok(())
}
