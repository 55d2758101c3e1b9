//! `turnmux call` on a warm daemon: the whole process, from its start to the first byte of the answer, beside `claude -p` from
//! its start to its first token. The real claude, which a loopback model answers. And many calls in a row, which leave
//! nothing behind.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::clock;
use super::memory::{children, mib, own_kib, rss_kib};
use super::numbers::{Times, ratio};
use super::programs::{Agent, Program, Scratch, built};
use super::report::Report;
use super::servers::{Daemon, Model};
use super::warm::print_once;

/// How many times as long a process per question has to take, where the context stays, …
const KEPT_RATIO_MIN: f64 = 12.0;
/// … and where every call begins with an empty one.
const CLEAN_RATIO_MIN: f64 = 8.0;
/// From the start of the program to its first byte.
const FIRST_BYTE_MAX: Duration = Duration::from_millis(50);
/// Calls in a row, after which nothing may have grown.
const IN_A_ROW: usize = 50;
/// What the daemon may hold more after them, in KiB: its journal of events fills up to a bound.
const GROWTH_KIB_MAX: u64 = 2 * 1024;
/// Calls before those that count.
const WARM_UP: usize = 5;
/// What is asked.
const TEXT: &str = "hello there";

/// `calls` each way, `runs` of `claude -p`.
pub(crate) fn measure(claude: &Path, calls: usize, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let scratch = Scratch::new(&Agent::Claude { program: claude.to_owned(), model: model.url.clone() })?;
    let mut print = Times::default();
    for _ in 0..runs {
        let (spawned_ns, first_ns) = print_once(&scratch)?;
        print.add(spawned_ns, first_ns);
    }
    let daemon = Daemon::start(&scratch)?;
    let session = many(&scratch, &daemon, &["--session", "bench::call"], calls)?;
    let kept = many(&scratch, &daemon, &["--no-clear"], calls)?;
    // It sees what the others have left, and clears after itself.
    call(&scratch, &daemon, &[])?;
    let clean = many(&scratch, &daemon, &[], calls)?;

    let before = Held::by(&daemon)?;
    for _ in 0..IN_A_ROW {
        let (_, answer) = call(&scratch, &daemon, &[])?;
        ensure!(answer.contains("[turn 1]"), "a call saw an earlier one: {answer}");
    }
    let after = Held::by(&daemon)?;
    daemon.stop()?;
    model.stop()?;

    report.part("turnmux call, the whole program, to its first byte; the real claude against a loopback model")?;
    report.row("turnmux call --session", &session)?;
    report.row("turnmux call --no-clear", &kept)?;
    report.row("turnmux call, an empty context each time", &clean)?;
    report.row("claude -p, from its start", &print)?;
    for (what, times, min) in [
        ("claude -p ÷ call --session, medians", &session, KEPT_RATIO_MIN),
        ("claude -p ÷ call --no-clear, medians", &kept, KEPT_RATIO_MIN),
        ("claude -p ÷ call, medians", &clean, CLEAN_RATIO_MIN),
    ] {
        let saved = ratio(&print, times);
        report.limit(what, &format!("{saved:.1}"), &format!("≥ {min}"), saved >= min)?;
    }
    report.time_limit("turnmux call --session", &session, 50.0, FIRST_BYTE_MAX)?;
    let agents = format!("{} → {}", mib(before.agents_kib), mib(after.agents_kib));
    report.note(&format!("{IN_A_ROW} calls in a row: the agents' memory (RSS) {agents}"))?;
    let processes = format!("{} → {}", before.processes, after.processes);
    report.limit("processes after them", &processes, "no more", after.processes <= before.processes)?;
    let grown = after.own_kib.saturating_sub(before.own_kib);
    let limit = format!("≤ {}", mib(GROWTH_KIB_MAX));
    report.limit("the daemon's memory has grown by", &mib(grown), &limit, grown <= GROWTH_KIB_MAX)?;
    Ok(())
}

fn many(scratch: &Scratch, daemon: &Daemon, more: &[&str], calls: usize) -> anyhow::Result<Times> {
    let mut times = Times::default();
    for at in 0..WARM_UP + calls {
        let ((spawned_ns, first_ns), _) = call(scratch, daemon, more)?;
        if at >= WARM_UP {
            times.add(spawned_ns, first_ns);
        }
    }
    Ok(times)
}

/// One call: when it was started, when its first byte had come, and all that it said.
fn call(scratch: &Scratch, daemon: &Daemon, more: &[&str]) -> anyhow::Result<((u64, u64), String)> {
    let mut command = scratch.command(&built("turnmux")?)?;
    command.args(["call", "--raw-prompt", TEXT]).args(more).env("TURNMUX_URL", format!("http://{}", daemon.address));
    // Inside the folders where agents may work.
    command.current_dir(scratch.home()).stdin(Stdio::null());
    let spawned_ns = clock::now_ns();
    let mut program = Program::start(command)?;
    let mut stdout = program.stdout()?;
    let mut answer = vec![0];
    let first = stdout.read_exact(&mut answer);
    let first_ns = clock::now_ns();
    first.with_context(|| format!("turnmux call said nothing:\n{}", scratch.complaints()))?;
    stdout.read_to_end(&mut answer)?;
    program.end(None)?;
    Ok(((spawned_ns, first_ns), String::from_utf8(answer)?))
}

/// What a daemon and its agents hold.
struct Held {
    processes: usize,
    own_kib: u64,
    agents_kib: u64,
}

impl Held {
    fn by(daemon: &Daemon) -> anyhow::Result<Self> {
        let agents = children(daemon.pid())?;
        // One may end meanwhile.
        let agents_kib = agents.iter().filter_map(|pid| rss_kib(*pid).ok()).sum();
        Ok(Self { processes: agents.len(), own_kib: own_kib(daemon.pid())?, agents_kib })
    }
}
