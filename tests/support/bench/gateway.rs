//! The real OpenClaw in front of the real claude, which a loopback model answers: a warm turn through a gateway and turnmux,
//! beside turnmux by itself, beside claude over its own stdio, and beside another gateway whose own claude backend has the
//! same claude and model. They take turns in batches.
//!
//! A gateway computes while claude does, and so everything takes longer behind it. Whose the time is tell a tap between the
//! gateway and turnmux, and a claude that is watched: the same turn, seen from three places.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::Counts;
use super::client::Client;
use super::clock;
use super::direct::Direct;
use super::memory::{descendants, mib, rss_kib};
use super::numbers::Times;
use super::openclaw::{Gateway, OpenClaw};
use super::programs::{Agent, Scratch};
use super::report::{Report, shown};
use super::servers::{Daemon, Model};
use super::tap::{Passed, Tap};
use super::watched::Watched;

/// What turnmux may add to the median turn of bare claude.
const ADDED_MAX: Duration = Duration::from_millis(5);
/// What all of them ask for, by the name that it has everywhere.
const MODEL: &str = "claude-opus-4-6";
/// What is asked.
const TEXT: &str = "hello there";
/// The session whose turns are warm.
const SESSION: &str = "bench";
/// Turns before those that count, each time.
const WARM_UP: usize = 4;
/// Batches of each way, which begin with another one each time.
const ROUNDS: usize = 4;

/// What turns took, or a part of them.
#[derive(Debug, Default)]
struct Way {
    first: Times,
    whole: Times,
}

/// What was measured.
#[derive(Debug, Default)]
struct Measured {
    through_start: Start,
    builtin_start: Start,
    bare: Way,
    turnmux: Turnmux,
    through: Through,
    builtin: Builtin,
}

/// Turns over turnmux alone, and whose their time was.
#[derive(Debug, Default)]
struct Turnmux {
    all: Way,
    claude: Way,
    own: Way,
}

/// How a gateway begins.
#[derive(Debug, Default)]
struct Start {
    /// Its very first turn, which loads much of it, and what it holds then.
    very_first: Way,
    memory: String,
    /// First turns of sessions after that.
    first: Way,
}

/// Turns through a gateway and turnmux, and whose their time was.
#[derive(Debug, Default)]
struct Through {
    all: Way,
    claude: Way,
    turnmux: Way,
    openclaw: Way,
}

/// Turns through a gateway whose claude is its own.
#[derive(Debug, Default)]
struct Builtin {
    all: Way,
    claude: Way,
    openclaw: Way,
}

impl Way {
    fn add(&mut self, turn: Passed) {
        self.first.add(turn.seen.sent_ns, turn.seen.first_ns);
        self.whole.add(turn.seen.sent_ns, turn.ended_ns);
    }

    /// Adds what of a turn is not of what is inside it.
    fn add_less(&mut self, turn: Passed, inside: Passed) {
        let first_ns = |turn: Passed| turn.seen.first_ns.saturating_sub(turn.seen.sent_ns);
        let whole_ns = |turn: Passed| turn.ended_ns.saturating_sub(turn.seen.sent_ns);
        self.first.add_ns(first_ns(turn).saturating_sub(first_ns(inside)));
        self.whole.add_ns(whole_ns(turn).saturating_sub(whole_ns(inside)));
    }
}

/// All ways, ready to be asked.
struct Ways<'a> {
    scratch: &'a Scratch,
    watched: &'a Watched,
    daemon: &'a Daemon,
    tap: &'a Tap,
    through: (&'a OpenClaw, &'a Gateway),
    builtin: (&'a OpenClaw, &'a Gateway),
}

/// As many turns as `counts` says, with the OpenClaw in this folder.
pub(crate) fn measure(claude: &Path, openclaw: &Path, counts: Counts, report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let watched = Watched::new(claude)?;
    let agent = Agent::Claude { program: watched.program(), model: model.url.clone() };
    let scratch = Scratch::new(&agent)?;
    std::fs::write(scratch.config(), format!("[backends.claude-code]\nmodel = \"{MODEL}\"\n"))?;
    let daemon = Daemon::start(&scratch)?;
    let tap = Tap::before(&daemon.address)?;
    let with_turnmux = OpenClaw::with_turnmux(openclaw, &agent, &tap.address)?;
    let with_builtin = OpenClaw::with_builtin(openclaw, &agent, MODEL)?;
    // One after the other: a start computes for ten seconds.
    let through = with_turnmux.gateway()?;
    let through_start = Start::of(&with_turnmux, &through, Some(&daemon), counts.gateway_sessions)?;
    let builtin = with_builtin.gateway()?;
    let builtin_start = Start::of(&with_builtin, &builtin, None, counts.gateway_sessions)?;
    let mut measured = Measured { through_start, builtin_start, ..Measured::default() };

    let ways = Ways {
        scratch: &scratch,
        watched: &watched,
        daemon: &daemon,
        tap: &tap,
        through: (&with_turnmux, &through),
        builtin: (&with_builtin, &builtin),
    };
    for round in 0..ROUNDS {
        ways.all(counts.gateway_turns / ROUNDS, round, &mut measured)?;
    }
    show(&measured, report)?;
    through.stop()?;
    builtin.stop()?;
    daemon.stop()?;
    model.stop()
}

impl Start {
    fn of(openclaw: &OpenClaw, gateway: &Gateway, daemon: Option<&Daemon>, sessions: usize) -> anyhow::Result<Self> {
        let first_turn = |session: String, way: &mut Way| -> anyhow::Result<()> {
            let mut client = gateway.client(&session, TEXT)?;
            way.add(whole(&mut client).with_context(|| openclaw.complaints())?);
            Ok(())
        };
        let (mut very_first, mut first) = (Way::default(), Way::default());
        first_turn("begin".into(), &mut very_first)?;
        let memory = memory(gateway, daemon)?;
        for session in 0..sessions {
            first_turn(format!("guest-{session}"), &mut first)?;
        }
        Ok(Self { very_first, memory, first })
    }
}

impl Ways<'_> {
    /// A batch of each, beginning with another one each round.
    fn all(&self, turns: usize, round: usize, measured: &mut Measured) -> anyhow::Result<()> {
        for way in 0..3 {
            match (way + round) % 3 {
                0 => self.without_openclaw(turns, round, measured)?,
                1 => self.through(turns, &mut measured.through)?,
                _ => self.builtin(turns, &mut measured.builtin)?,
            }
        }
        Ok(())
    }

    /// The difference between these two is small: they take turns one by one, and each round has processes of its own, for
    /// two claudes that do the same differ by more.
    fn without_openclaw(&self, turns: usize, round: usize, measured: &mut Measured) -> anyhow::Result<()> {
        let mut direct = Direct::start_with(self.scratch, TEXT, &["--model", MODEL])?;
        let mut client = Client::connect(&self.daemon.address, &format!("bench::gateway-{round}"), TEXT)?;
        for _ in 0..WARM_UP {
            direct.turn(self.scratch)?;
            client.turn().context(self.scratch.complaints())?;
        }
        for turn in 0..turns {
            for turnmux in [turn % 2 == 0, turn % 2 != 0] {
                if turnmux {
                    let turn = whole(&mut client).context(self.scratch.complaints())?;
                    let claude = self.watched.turn(turn.seen.sent_ns, turn.ended_ns)?;
                    measured.turnmux.all.add(turn);
                    measured.turnmux.claude.add(claude);
                    measured.turnmux.own.add_less(turn, claude);
                } else {
                    let seen = direct.turn(self.scratch)?;
                    measured.bare.add(Passed { seen, ended_ns: clock::now_ns() });
                }
            }
        }
        direct.stop()
    }

    fn through(&self, turns: usize, through: &mut Through) -> anyhow::Result<()> {
        let (openclaw, gateway) = self.through;
        // A gateway closes connections that rest for seconds, as this one does between batches.
        let mut client = gateway.client(SESSION, TEXT)?;
        for _ in 0..WARM_UP {
            client.turn().with_context(|| openclaw.complaints())?;
        }
        for _ in 0..turns {
            self.tap.forget();
            let turn = whole(&mut client).with_context(|| openclaw.complaints())?;
            let inside = self.tap.passed()?;
            let claude = self.watched.turn(inside.seen.sent_ns, inside.ended_ns)?;
            through.all.add(turn);
            through.claude.add(claude);
            through.turnmux.add_less(inside, claude);
            through.openclaw.add_less(turn, inside);
        }
        Ok(())
    }

    fn builtin(&self, turns: usize, builtin: &mut Builtin) -> anyhow::Result<()> {
        let (openclaw, gateway) = self.builtin;
        let mut client = gateway.client(SESSION, TEXT)?;
        for _ in 0..WARM_UP {
            client.turn().with_context(|| openclaw.complaints())?;
        }
        for _ in 0..turns {
            let turn = whole(&mut client).with_context(|| openclaw.complaints())?;
            let claude = self.watched.turn(turn.seen.sent_ns, turn.ended_ns)?;
            builtin.all.add(turn);
            builtin.claude.add(claude);
            builtin.openclaw.add_less(turn, claude);
        }
        Ok(())
    }
}

/// One turn.
fn whole(client: &mut Client) -> anyhow::Result<Passed> {
    let seen = client.turn()?;
    Ok(Passed { seen, ended_ns: clock::now_ns() })
}

fn show(measured: &Measured, report: &mut Report) -> anyhow::Result<()> {
    let Measured { through_start, builtin_start, bare, turnmux, through, builtin } = measured;
    report.part("A turn through the OpenClaw gateway, the real claude against a loopback model")?;
    for (what, way) in [
        ("gateway, turnmux, its very first", &through_start.very_first),
        ("gateway, own backend, its very first", &builtin_start.very_first),
        ("gateway, turnmux, new session", &through_start.first),
        ("gateway, own backend, new session", &builtin_start.first),
        ("claude's own stdio", bare),
        ("turnmux", &turnmux.all),
        ("  of that claude", &turnmux.claude),
        ("  of that turnmux", &turnmux.own),
        ("gateway, turnmux", &through.all),
        ("  of that claude", &through.claude),
        ("  of that turnmux", &through.turnmux),
        ("  of that OpenClaw", &through.openclaw),
        ("gateway, own backend", &builtin.all),
        ("  of that claude", &builtin.claude),
        ("  of that OpenClaw", &builtin.openclaw),
    ] {
        report.row(&format!("{what}: 1st token"), &way.first)?;
        report.row(&format!("{what}: whole"), &way.whole)?;
    }
    for (what, start) in [("turnmux", through_start), ("its own backend", builtin_start)] {
        report.note(&format!("memory (RSS) after the very first turn, {what}: {}", start.memory))?;
    }
    let median = |times: &Times| times.percentile(50.0).unwrap_or(Duration::MAX);
    for (what, through, without) in
        [("first token", &turnmux.all.first, &bare.first), ("turn", &turnmux.all.whole, &bare.whole)]
    {
        let added = median(through).saturating_sub(median(without));
        let what = format!("turnmux adds to bare claude's {what}, p50");
        report.limit(&what, &shown(added), &format!("≤ {}", shown(ADDED_MAX)), added <= ADDED_MAX)?;
    }
    report.time_limit("turnmux's part behind the gateway, first token", &through.turnmux.first, 50.0, ADDED_MAX)?;
    report.time_limit("turnmux's part behind the gateway, whole turn", &through.turnmux.whole, 50.0, ADDED_MAX)?;
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
