//! The first token of a warm turn of the real claude, which a loopback model answers: over turnmux, and from the same kind
//! of process over its own stdio. The two take turns, each first half of the time. Beside them, a `claude -p` for each
//! question, which is what one has without turnmux.

use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;

use super::client::Client;
use super::clock;
use super::direct::{self, Direct};
use super::numbers::{Times, ratio};
use super::programs::{Agent, Program, Scratch};
use super::report::Report;
use super::servers::{Daemon, Model};

/// What turnmux may add to the median first token.
const RATIO_MAX: f64 = 1.1;
/// How many times as long a process per question has to take.
const PRINT_RATIO_MIN: f64 = 12.0;
/// How many times the processes are started anew: two claudes that do the same differ by a tenth.
const PAIRS: usize = 8;
/// Turns before those that count.
const WARM_UP: usize = 5;
/// What is asked.
const TEXT: &str = "hello there";

/// `turns` each way, `runs` of `claude -p`.
pub(crate) fn measure(claude: &Path, turns: usize, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let scratch = Scratch::new(&Agent::Claude { program: claude.to_owned(), model: model.url.clone() })?;
    let (mut through, mut without) = (Times::default(), Times::default());
    for number in 0..PAIRS {
        pair(&scratch, number, turns / PAIRS, &mut through, &mut without)?;
    }

    let mut print = Times::default();
    for _ in 0..runs {
        let (spawned_ns, first_ns) = print_once(&scratch)?;
        print.add(spawned_ns, first_ns);
    }
    model.stop()?;

    report.part("First token, the real claude against a loopback model")?;
    report.row("warm turn over turnmux, streamed HTTP", &through)?;
    report.row("warm turn over claude's own stdio", &without)?;
    report.row("claude -p, from its start", &print)?;
    let added = ratio(&through, &without);
    let limit = format!("≤ {RATIO_MAX}");
    report.limit("turnmux ÷ claude's own stdio, medians", &format!("{added:.3}"), &limit, added <= RATIO_MAX)?;
    let saved = ratio(&print, &through);
    let limit = format!("≥ {PRINT_RATIO_MIN}");
    report.limit("claude -p ÷ turnmux, medians", &format!("{saved:.1}"), &limit, saved >= PRINT_RATIO_MIN)?;
    Ok(())
}

/// One process of each kind, which take turns, in a conversation that is new to both: what was said before is sent to the
/// model again with each turn.
fn pair(
    scratch: &Scratch,
    number: usize,
    turns: usize,
    through: &mut Times,
    without: &mut Times,
) -> anyhow::Result<()> {
    let daemon = Daemon::start(scratch)?;
    let mut client = Client::connect(&daemon.address, &format!("bench::warm-{number}"), TEXT)?;
    let mut direct = Direct::start(scratch, TEXT)?;
    for _ in 0..WARM_UP {
        client.turn().context(scratch.complaints())?;
        direct.turn(scratch)?;
    }
    for turn in 0..turns {
        for turnmux in [turn % 2 == 0, turn % 2 != 0] {
            let (seen, times) = if turnmux {
                (client.turn().context(scratch.complaints())?, &mut *through)
            } else {
                (direct.turn(scratch)?, &mut *without)
            };
            times.add(seen.sent_ns, seen.first_ns);
        }
    }
    drop(client);
    direct.stop()?;
    daemon.stop()
}

/// A process for one question: when it was started, and when its first text had come.
pub(crate) fn print_once(scratch: &Scratch) -> anyhow::Result<(u64, u64)> {
    let mut command = scratch.command(scratch.program())?;
    command.args(["-p", "--output-format", "stream-json", "--include-partial-messages", "--verbose"]);
    command.stdin(Stdio::piped());
    let spawned_ns = clock::now_ns();
    let mut program = Program::start(command)?;
    program.stdin()?.write_all(TEXT.as_bytes())?;
    let mut lines = BufReader::new(program.stdout()?);
    let ended = || format!("claude -p ended early:\n{}", scratch.complaints());
    direct::until(&mut lines, b"\"text_delta\"")?.with_context(ended)?;
    let first_ns = clock::now_ns();
    direct::until(&mut lines, b"\"type\":\"result\"")?.with_context(ended)?;
    program.end(None)?;
    Ok((spawned_ns, first_ns))
}
