//! The start of a claude in a terminal: over turnmux, from the request that needs it to its readiness, and without, from
//! its start to the same line of its log. The two take turns, each first half of the time.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::client::Client;
use super::numbers::{Times, ratio};
use super::programs::{Agent, Scratch};
use super::report::Report;
use super::servers::{Daemon, Model};
use super::sidecar::Door;
use super::terminal;

/// What turnmux may add to the median start.
const RATIO_MAX: f64 = 1.3;
/// What is asked.
const TEXT: &str = "hello there";
/// The lines of the daemon's log that are looked for.
const STARTED: &str = "started an agent";
const READY: &str = "the agent is ready";

/// `runs` starts each way.
pub(crate) fn measure(claude: &Path, door: &Door, runs: usize, report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let scratch = Scratch::with_channels(&Agent::Claude { program: claude.to_owned(), model: model.url.clone() })?;
    // Once each, for what is not in the machine's memory yet.
    let (mut through, mut without, mut rest) = (Times::default(), Times::default(), Times::default());
    for run in 0..=runs {
        for turnmux in [run % 2 == 0, run % 2 != 0] {
            let counts = run > 0;
            if turnmux {
                let times = start(&scratch, run)?;
                if counts {
                    through.add_ns(times.whole.as_nanos() as u64);
                    rest.add_ns(times.of_the_process.as_nanos() as u64);
                }
            } else {
                let (spawned_ns, registered_ns) = terminal::registered(&scratch, door)?;
                if counts {
                    without.add(spawned_ns, registered_ns);
                }
            }
        }
    }
    model.stop()?;

    report.part("The start of the real claude in a terminal, until its channel takes messages")?;
    report.row("over turnmux, from the request", &through)?;
    report.row("of that, from the start of the process", &rest)?;
    report.row("claude by itself, its question answered at once", &without)?;
    let added = ratio(&through, &without);
    let limit = format!("≤ {RATIO_MAX}");
    report.limit("turnmux ÷ claude by itself, medians", &format!("{added:.3}"), &limit, added <= RATIO_MAX)?;
    Ok(())
}

struct Start {
    /// From the request.
    whole: Duration,
    /// From the daemon's word that the process was started.
    of_the_process: Duration,
}

/// A session's first turn. Its daemon is for this alone: when that has stopped, no claude is left that would be in the way of
/// the next one. The daemon's log says when claude was ready.
fn start(scratch: &Scratch, run: usize) -> anyhow::Result<Start> {
    let session = format!("bench::start-{run}");
    let daemon = Daemon::start_with_log(scratch, "turnmux=debug")?;
    let mut client = Client::connect(&daemon.address, &session, TEXT)?;
    let sent = SystemTime::now();
    client.turn().with_context(|| scratch.complaints())?;
    drop(client);
    daemon.stop()?;
    let log = scratch.log();
    let at = |what: &str| logged(&log, &session, what).with_context(|| format!("the log has no {what:?} of {session}"));
    let (started, ready) = (at(STARTED)?, at(READY)?);
    Ok(Start { whole: ready.duration_since(sent)?, of_the_process: ready.duration_since(started)? })
}

/// When the daemon logged this about the session.
fn logged(log: &str, session: &str, what: &str) -> Option<SystemTime> {
    let session = format!("session=\"{session}\"");
    let line = log.lines().find(|line| line.contains(what) && line.contains(&session))?;
    humantime::parse_rfc3339_weak(line.split_whitespace().next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_session() {
        let log = "2026-01-02T03:04:05.5Z DEBUG x: the agent is ready session=\"a::1\"\n\
                   2026-01-02T03:04:06.5Z DEBUG x: the agent is ready session=\"a::2\"\n";
        let at = |session| logged(log, session, READY);
        assert_eq!(at("a::2").unwrap().duration_since(at("a::1").unwrap()).unwrap(), Duration::from_secs(1));
        assert_eq!(at("a::3"), None);
    }
}
