//! turnmux's own part of a turn: from the client's request to the agent's reading of it, and from the agent's first delta to
//! the client's reading of that. What the agent thinks in between is its own. One client, one turn after the other; beside
//! it the same for the agent's bare stdio, which is what pipes and wake-ups cost by themselves.

use std::time::Duration;

use anyhow::Context as _;

use super::client::{self, Client, Seen, Stamps};
use super::direct::Direct;
use super::numbers::{Times, ratio};
use super::programs::Scratch;
use super::report::{Report, shown};
use super::servers::Daemon;

/// What the stand-in is asked: its stamps, and then an answer of some deltas.
pub(crate) const TEXT: &str = "::stamps\n::say  and an answer of a sentence or two, which goes out in some deltas.";
const P50_MAX: Duration = Duration::from_micros(200);
const P99_MAX: Duration = Duration::from_millis(1);
/// Turns before those that count.
const WARM_UP: usize = 200;

/// The two parts of a turn that are not the agent's.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Client to agent.
    pub(crate) request: Times,
    /// Agent to client.
    pub(crate) answer: Times,
    /// Both.
    pub(crate) both: Times,
}

impl Parts {
    /// Adds a turn whose request was due at `from_ns`.
    pub(crate) fn add(&mut self, from_ns: u64, seen: Seen, stamps: Stamps) {
        self.request.add(from_ns, stamps.read_ns);
        self.answer.add(stamps.written_ns, seen.first_ns);
        let both = stamps.read_ns.saturating_sub(from_ns) + seen.first_ns.saturating_sub(stamps.written_ns);
        self.both.add_ns(both);
    }
}

/// Measures `turns` turns.
pub(crate) fn measure(daemon: &Daemon, scratch: &Scratch, turns: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut client = Client::connect(&daemon.address, "bench::own", TEXT)?;
    let mut parts = Parts::default();
    for turn in 0..WARM_UP + turns {
        let seen = client.turn().context(scratch.complaints())?;
        if turn >= WARM_UP {
            parts.add(seen.sent_ns, seen, client.stamps()?);
        }
    }

    let mut direct = Direct::start(scratch, TEXT)?;
    let mut bare = Parts::default();
    for turn in 0..WARM_UP + turns {
        let seen = direct.turn(scratch)?;
        if turn >= WARM_UP {
            bare.add(seen.sent_ns, seen, client::stamps(&direct.first_text()?)?);
        }
    }
    direct.stop()?;

    report.part("turnmux's own part of a turn, one client, one turn after the other (stand-in agent)")?;
    report.row("request → agent has read it", &parts.request)?;
    report.row("agent's first delta → client has read it", &parts.answer)?;
    report.row("both", &parts.both)?;
    report.row("both, over the agent's bare stdio", &bare.both)?;
    report.note(&format!("turnmux ÷ bare stdio, medians: {:.1}", ratio(&parts.both, &bare.both)))?;
    // What is measured from outside has the wake-ups of the agent and of the client in it, which are not turnmux's: bare
    // stdio has the same two. Percentiles in the tail cannot be subtracted, so there the whole counts.
    let median = |times: &Times| times.percentile(50.0).unwrap_or(Duration::MAX);
    let own = median(&parts.both).saturating_sub(median(&bare.both));
    let what = "turnmux's own part, p50 (both, less both over bare stdio)";
    report.limit(what, &shown(own), &format!("≤ {}", shown(P50_MAX)), own <= P50_MAX)?;
    report.time_limit("turnmux's own part", &parts.both, 99.0, P99_MAX)?;
    Ok(())
}
