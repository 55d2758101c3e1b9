//! Measures turnmux, in one run: the ratios are of numbers that were taken minutes apart on one machine. `scripts/bench`
//! builds everything and starts this.
//!
//! | part | what is compared | limits |
//! | --- | --- | --- |
//! | [`warm`] | the first token of a warm turn of the real claude: over turnmux, over its own stdio, and of `claude -p` | ratios |
//! | [`own`] | turnmux's own part of a turn, one turn after the other, with nothing kept | p50, p99 |
//! | [`load`] | the same at a thousand turns a second | p99 |
//! | [`stored`] | what the store adds to a turn, turns that are kept a second, the start over a large store | p50, ratio, RSS |
//! | [`relay`] | the CPU time of a relayed delta, beside that of a minimal hyper server that writes the same bytes | ratio |
//! | [`observers`] | a turn that 64 observers watch, beside one that nobody watches | throughput |
//! | [`streams`] | deltas of a thousand streams at once | p99 |
//! | [`call`] | `turnmux call` as a whole program, beside `claude -p`; many of them in a row | ratios, p50, RSS |
//! | [`interrupt`] | the end of an interrupted turn of the real claude: over turnmux, and over its own stdio | difference |
//! | [`gateway`] | a warm turn through the real OpenClaw: over turnmux, and over its own claude backend; bare claude | difference |
//! | [`memory`] | what the daemon holds: idle, and for each session | RSS |
//! | [`sidecar`] | the plugin's server inside a claude in a terminal | p50, RSS |
//! | [`channel`] | turnmux's own part of a turn over a channel, and the memory of such a session | p50, RSS |
//! | [`channel_start`] | the start of the real claude in a terminal: over turnmux, and by itself | ratio |
//!
//! Every process that is started here is ended here, by its pid: when its part is over, on an error, and on a signal.

mod call;
mod channel;
mod channel_start;
mod client;
#[path = "../stand_in/clock.rs"]
mod clock;
mod cpu;
mod direct;
mod gateway;
mod interrupt;
mod interrupts;
mod load;
mod memory;
mod numbers;
mod observers;
mod openclaw;
mod own;
mod plain;
mod programs;
mod relay;
mod report;
mod servers;
mod sidecar;
mod stored;
mod streams;
mod tap;
mod terminal;
mod warm;
mod watched;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use programs::{Agent, Scratch};
use report::Report;
use servers::Daemon;
use sidecar::Door;

/// Measures turnmux and says whether it keeps its limits.
#[derive(Debug, Parser)]
struct Arguments {
    /// The real claude; without it the parts that need it are left out.
    #[arg(long)]
    claude: Option<PathBuf>,
    /// The folder of `scripts/fetch-openclaw`; without it the part that needs it is left out.
    #[arg(long)]
    openclaw: Option<PathBuf>,
    /// Fewer turns: to see that everything works, not to judge by.
    #[arg(long)]
    quick: bool,
    /// Only these parts, by name, such as `relay,streams`; the others are left out.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Be the minimal server that turnmux is compared with, which writes the pieces of this file.
    #[arg(long, hide = true)]
    plain_pieces: Option<PathBuf>,
    /// Its pause before each piece.
    #[arg(long, hide = true, default_value_t = 0)]
    plain_pause_ms: u64,
    /// Be an agent that is watched: note its turns in this file.
    #[arg(long, hide = true)]
    watch: Option<PathBuf>,
    /// That agent and its arguments.
    #[arg(last = true, hide = true)]
    program: Vec<OsString>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Turns of the real claude, each way.
    warm_turns: usize,
    /// Runs of `claude -p`.
    print_runs: usize,
    /// Calls from the command line, each way.
    calls: usize,
    /// Turns of the stand-in, one after the other.
    own_turns: usize,
    /// Seconds of a thousand turns each.
    load_s: u64,
    /// Turns with the store, and as many without.
    stored_turns: usize,
    /// Seconds of as many turns as go, for each number of clients.
    kept_s: u64,
    /// Rounds of the streams whose CPU time is compared, each way.
    relay_rounds: usize,
    /// Turns that observers watch, and as many that nobody watches.
    observed_turns: usize,
    /// Seconds of a thousand streams.
    streams_s: u64,
    /// Turns of the real claude that are interrupted, each way.
    interrupted_turns: usize,
    /// Starts of the plugin's server.
    sidecar_runs: usize,
    /// Turns of the stand-in over a channel, one after the other.
    channel_turns: usize,
    /// Starts of the real claude in a terminal, each way.
    start_runs: usize,
    /// Warm turns through OpenClaw, each way.
    gateway_turns: usize,
    /// First turns of sessions through OpenClaw, each way.
    gateway_sessions: usize,
}

const FULL: Counts = Counts {
    warm_turns: 240,
    print_runs: 10,
    calls: 30,
    own_turns: 3_000,
    load_s: 20,
    stored_turns: 2_000,
    kept_s: 10,
    relay_rounds: 16,
    observed_turns: 41,
    streams_s: 30,
    interrupted_turns: 40,
    sidecar_runs: 50,
    channel_turns: 1_000,
    start_runs: 7,
    gateway_turns: 80,
    gateway_sessions: 5,
};
const QUICK: Counts = Counts {
    warm_turns: 16,
    print_runs: 3,
    calls: 6,
    own_turns: 300,
    load_s: 3,
    stored_turns: 300,
    kept_s: 2,
    relay_rounds: 2,
    observed_turns: 5,
    streams_s: 5,
    interrupted_turns: 6,
    sidecar_runs: 10,
    channel_turns: 100,
    start_runs: 2,
    gateway_turns: 8,
    gateway_sessions: 2,
};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(pieces) = &arguments.plain_pieces {
        return plain::serve(pieces, Duration::from_millis(arguments.plain_pause_ms)).map(|()| true);
    }
    if let Some(notes) = &arguments.watch {
        return watched::be(notes, &arguments.program);
    }
    interrupts::watch()?;
    let counts = if arguments.quick { QUICK } else { FULL };
    let wanted = |part: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
    let mut report = Report::new()?;
    stand_in_parts(counts, &wanted, &mut report)?;
    if wanted("streams") {
        streams::measure(counts.streams_s, &mut report)?;
    }
    let door = Door::open()?;
    if wanted("sidecar") || wanted("channel") {
        let sidecar_kib = sidecar::measure(&door, counts.sidecar_runs, &mut report)?;
        channel::measure(counts.channel_turns, sidecar_kib, &mut report)?;
    }
    let Some(claude) = &arguments.claude else {
        report.note("no --claude: the turns of the real claude were left out")?;
        return report.verdict();
    };
    if wanted("warm") {
        warm::measure(claude, counts.warm_turns, counts.print_runs, &mut report)?;
    }
    if wanted("call") {
        call::measure(claude, counts.calls, counts.print_runs, &mut report)?;
    }
    if wanted("interrupt") {
        interrupt::measure(claude, counts.interrupted_turns, &mut report)?;
    }
    if wanted("channel_start") {
        channel_start::measure(claude, &door, counts.start_runs, &mut report)?;
    }
    match &arguments.openclaw {
        Some(openclaw) if wanted("gateway") => gateway::measure(claude, openclaw, counts, &mut report)?,
        Some(_) => {}
        None => report.note("no --openclaw: the turns through OpenClaw were left out")?,
    }
    report.verdict()
}

/// Memory first: what the load leaves behind is not what an idle daemon holds.
fn stand_in_parts(counts: Counts, wanted: &dyn Fn(&str) -> bool, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::new(&Agent::StandIn)?;
    let daemon = Daemon::start(&scratch)?;
    if wanted("memory") {
        memory::measure(&daemon, report)?;
    }
    let ephemeral = Daemon::start_ephemeral(&scratch)?;
    if wanted("own") {
        own::measure(&ephemeral, &scratch, counts.own_turns, report)?;
    }
    if wanted("stored") {
        stored::cost(&daemon, &ephemeral, counts.stored_turns, report)?;
        stored::throughput(counts.kept_s, report)?;
        stored::start(report)?;
    }
    ephemeral.stop()?;
    if wanted("load") {
        load::measure(&daemon, counts.load_s, report)?;
    }
    if wanted("relay") {
        relay::measure(&daemon, &scratch, counts.relay_rounds, report)?;
    }
    if wanted("observers") {
        observers::measure(&daemon, counts.observed_turns, report)?;
    }
    daemon.stop()
}
