//! The real OpenClaw in front of the real claude, which a loopback model answers: a warm turn through a gateway and turnmux,
//! beside turnmux by itself, beside claude over its own stdio, and beside another gateway whose own claude backend has the
//! same claude and model. They take turns in batches, each of them first once. A tap between the gateway and turnmux tells
//! apart what is OpenClaw's own: the same turn, seen from its client and from turnmux.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::Counts;
use super::client::{Client, Seen};
use super::clock;
use super::direct::Direct;
use super::memory::{descendants, mib, rss_kib};
use super::numbers::Times;
use super::openclaw::{Gateway, OpenClaw};
use super::programs::{Agent, Scratch};
use super::report::{Report, shown};
use super::servers::{Daemon, Model};
use super::tap::Tap;

/// What turnmux may add to the median turn of bare claude.
const ADDED_MAX: Duration = Duration::from_millis(5);
/// What all of them ask for, by the name that it has everywhere.
const MODEL: &str = "claude-opus-4-6";
/// What is asked.
const TEXT: &str = "hello there";
/// The session whose turns are warm.
const SESSION: &str = "bench";
/// Turns of it before those that count.
const WARM_UP: usize = 5;
/// Batches: each of the four ways is the first in one of them, or in as many as any other.
const ROUNDS: usize = 4;

/// One way to claude: what its turns took.
#[derive(Debug, Default)]
struct Way {
    first: Times,
    whole: Times,
}

impl Way {
    fn add(&mut self, seen: Seen, ended_ns: u64) {
        self.first.add(seen.sent_ns, seen.first_ns);
        self.whole.add(seen.sent_ns, ended_ns);
    }
}

/// What was measured.
#[derive(Debug, Default)]
struct Measured {
    bare: Way,
    turnmux: Way,
    /// Seen from the gateway's client.
    through: Way,
    /// The same turns, seen from turnmux.
    inside: Way,
    /// The difference: OpenClaw's own.
    own: Way,
    builtin: Way,
}

/// The four ways, ready to be asked.
struct Ways<'a> {
    scratch: &'a Scratch,
    direct: Direct,
    daemon: Client,
    tap: &'a Tap,
    through: (&'a OpenClaw, &'a Gateway),
    builtin: (&'a OpenClaw, &'a Gateway),
}

/// As many turns as `counts` says, with the OpenClaw in this folder.
pub(crate) fn measure(claude: &Path, openclaw: &Path, counts: Counts, report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let agent = Agent::Claude { program: claude.to_owned(), model: model.url.clone() };
    let scratch = Scratch::new(&agent)?;
    std::fs::write(scratch.config(), format!("[backends.claude-code]\nmodel = \"{MODEL}\"\n"))?;
    let daemon = Daemon::start(&scratch)?;
    let tap = Tap::before(&daemon.address)?;
    let with_turnmux = OpenClaw::with_turnmux(openclaw, &agent, &tap.address)?;
    let with_builtin = OpenClaw::with_builtin(openclaw, &agent, MODEL)?;
    // One after the other: a start computes for ten seconds.
    let through = with_turnmux.gateway()?;
    let builtin = with_builtin.gateway()?;

    report.part("A turn through the OpenClaw gateway, the real claude against a loopback model")?;
    for (what, openclaw, gateway, daemon) in [
        ("gateway, turnmux", &with_turnmux, &through, Some(&daemon)),
        ("gateway, its own claude backend", &with_builtin, &builtin, None),
    ] {
        let very_first = first_turns(openclaw, gateway, "begin", 1)?;
        let memory = memory(gateway, daemon)?;
        let first = first_turns(openclaw, gateway, "guest", counts.gateway_sessions)?;
        report.note(&format!("{what}: memory (RSS) after its first turn: {memory}"))?;
        report.row("first turn since its start: first token", &very_first.first)?;
        report.row("first turn since its start: whole turn", &very_first.whole)?;
        report.row("first turn of a session: first token", &first.first)?;
        report.row("first turn of a session: whole turn", &first.whole)?;
    }

    let direct = Direct::start_with(&scratch, TEXT, &["--model", MODEL])?;
    let own = Client::connect(&daemon.address, "bench::gateway", TEXT)?;
    let mut ways = Ways {
        scratch: &scratch,
        direct,
        daemon: own,
        tap: &tap,
        through: (&with_turnmux, &through),
        builtin: (&with_builtin, &builtin),
    };
    let mut measured = Measured::default();
    ways.all(WARM_UP, 0, &mut Measured::default())?;
    for round in 0..ROUNDS {
        ways.all(counts.gateway_turns / ROUNDS, round, &mut measured)?;
    }
    ways.direct.stop()?;
    show(&measured, report)?;
    through.stop()?;
    builtin.stop()?;
    daemon.stop()?;
    model.stop()
}

impl Ways<'_> {
    /// A batch of each, beginning with another one each round.
    fn all(&mut self, turns: usize, round: usize, measured: &mut Measured) -> anyhow::Result<()> {
        for way in 0..4 {
            match (way + round) % 4 {
                0 => self.bare(turns, &mut measured.bare)?,
                1 => self.turnmux(turns, &mut measured.turnmux)?,
                2 => self.through(turns, measured)?,
                _ => self.builtin(turns, &mut measured.builtin)?,
            }
        }
        Ok(())
    }

    fn bare(&mut self, turns: usize, bare: &mut Way) -> anyhow::Result<()> {
        for _ in 0..turns {
            let seen = self.direct.turn(self.scratch)?;
            bare.add(seen, clock::now_ns());
        }
        Ok(())
    }

    fn turnmux(&mut self, turns: usize, turnmux: &mut Way) -> anyhow::Result<()> {
        for _ in 0..turns {
            let seen = self.daemon.turn().context(self.scratch.complaints())?;
            turnmux.add(seen, clock::now_ns());
        }
        Ok(())
    }

    fn through(&mut self, turns: usize, measured: &mut Measured) -> anyhow::Result<()> {
        let (openclaw, gateway) = self.through;
        // A gateway closes connections that rest for seconds, as this one does between batches.
        let mut client = gateway.client(SESSION, TEXT)?;
        for _ in 0..turns {
            self.tap.forget();
            let seen = client.turn().with_context(|| openclaw.complaints())?;
            let ended_ns = clock::now_ns();
            let inside = self.tap.passed()?;
            measured.through.add(seen, ended_ns);
            measured.inside.add(inside.seen, inside.ended_ns);
            let whole_ns = (ended_ns - seen.sent_ns).saturating_sub(inside.ended_ns - inside.seen.sent_ns);
            let first_ns = (seen.first_ns - seen.sent_ns).saturating_sub(inside.seen.first_ns - inside.seen.sent_ns);
            measured.own.whole.add_ns(whole_ns);
            measured.own.first.add_ns(first_ns);
        }
        Ok(())
    }

    fn builtin(&mut self, turns: usize, builtin: &mut Way) -> anyhow::Result<()> {
        let (openclaw, gateway) = self.builtin;
        let mut client = gateway.client(SESSION, TEXT)?;
        for _ in 0..turns {
            let seen = client.turn().with_context(|| openclaw.complaints())?;
            builtin.add(seen, clock::now_ns());
        }
        Ok(())
    }
}

/// The first turns of so many sessions.
fn first_turns(openclaw: &OpenClaw, gateway: &Gateway, name: &str, sessions: usize) -> anyhow::Result<Way> {
    let mut way = Way::default();
    for session in 0..sessions {
        let seen = gateway.client(&format!("{name}-{session}"), TEXT)?.turn().with_context(|| openclaw.complaints())?;
        way.add(seen, clock::now_ns());
    }
    Ok(way)
}

fn show(measured: &Measured, report: &mut Report) -> anyhow::Result<()> {
    let Measured { bare, turnmux, through, inside, own, builtin } = measured;
    for (what, way) in [
        ("claude's own stdio", bare),
        ("turnmux", turnmux),
        ("gateway, turnmux", through),
        ("  of that: turnmux and claude", inside),
        ("  of that: OpenClaw's own", own),
        ("gateway, its own claude backend", builtin),
    ] {
        report.row(&format!("warm, {what}: first token"), &way.first)?;
        report.row(&format!("warm, {what}: whole turn"), &way.whole)?;
    }
    let median = |times: &Times| times.percentile(50.0).unwrap_or(Duration::MAX);
    for (what, times, bare) in [
        ("turnmux adds to bare claude's first token, p50", &turnmux.first, &bare.first),
        ("turnmux adds to bare claude's turn, p50", &turnmux.whole, &bare.whole),
        ("the same behind the gateway, first token, p50", &inside.first, &bare.first),
        ("the same behind the gateway, turn, p50", &inside.whole, &bare.whole),
    ] {
        let added = median(times).saturating_sub(median(bare));
        report.limit(what, &shown(added), &format!("≤ {}", shown(ADDED_MAX)), added <= ADDED_MAX)?;
    }
    Ok(())
}

/// What a gateway holds, with all that it has started, and turnmux, with all its agents.
fn memory(gateway: &Gateway, daemon: Option<&Daemon>) -> anyhow::Result<String> {
    let with = |pid: u32| -> anyhow::Result<(u64, u64)> {
        // One may end meanwhile.
        let below = descendants(pid)?.into_iter().filter_map(|pid| rss_kib(pid).ok()).sum();
        Ok((rss_kib(pid)?, below))
    };
    let (own_kib, below_kib) = with(gateway.pid())?;
    let text = format!("the gateway {}, its processes {}", mib(own_kib), mib(below_kib));
    let Some(daemon) = daemon else { return Ok(text) };
    let (own_kib, below_kib) = with(daemon.pid())?;
    Ok(format!("{text}, turnmux {}, its processes {}", mib(own_kib), mib(below_kib)))
}
