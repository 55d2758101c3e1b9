//! The channel, with the stand-in in the place of a claude in its terminal: what a session of it takes of memory, and turnmux's own
//! part of a turn. That is from the client's request to the plugin's reading of the frame, and from a hook that tells of text
//! to the client's reading of that. The two hops inside of claude (to the plugin's server and from it) are not in it.

use std::time::Duration;

use anyhow::Context as _;

use super::client::Client;
use super::memory::{mib, rss_kib};
use super::own::{Parts, TEXT};
use super::programs::{Agent, Scratch};
use super::report::Report;
use super::servers::Daemon;

/// Limit of both ways together.
const P50_MAX: Duration = Duration::from_millis(1);
/// Limit of what a session takes beside claude itself, in KiB: the terminal, its screen, and the plugin's server.
const SESSION_KIB_MAX: u64 = 8 * 1024;
/// Sessions whose memory is measured, each with a process that waits.
const SESSIONS: u64 = 8;
/// Turns before those that count.
const WARM_UP: usize = 50;

/// Measures `turns` turns. `sidecar_kib` is what the plugin's server takes.
pub(crate) fn measure(turns: usize, sidecar_kib: u64, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::with_channels(&Agent::StandIn)?;
    let daemon = Daemon::start(&scratch)?;

    // First, as what turns leave behind is not what a session holds.
    let idle = rss_kib(daemon.pid())?;
    for session in 0..SESSIONS {
        let mut client = Client::connect(&daemon.address, &format!("bench::terminal-{session}"), TEXT)?;
        client.turn().with_context(|| scratch.complaints())?;
    }
    let each = rss_kib(daemon.pid())?.saturating_sub(idle) / SESSIONS;

    let mut client = Client::connect(&daemon.address, "bench::channel", TEXT)?;
    let mut parts = Parts::default();
    for turn in 0..WARM_UP + turns {
        let seen = client.turn().with_context(|| scratch.complaints())?;
        if turn >= WARM_UP {
            parts.add(seen.sent_ns, seen, client.stamps()?);
        }
    }
    drop(client);
    daemon.stop()?;

    report
        .part("turnmux's own part of a turn over a channel, one client, one turn after the other (stand-in agent)")?;
    report.row("request → plugin has read the frame", &parts.request)?;
    report.row("hook with text → client has read it", &parts.answer)?;
    report.row("both", &parts.both)?;
    report.time_limit("turnmux's own part over a channel", &parts.both, 50.0, P50_MAX)?;
    report.note(&format!("the daemon's memory for each of {SESSIONS} channel sessions: {each} KiB"))?;
    let all = each + sidecar_kib;
    let what = "memory of a channel session: terminal, screen and plugin's server";
    report.limit(what, &mib(all), &format!("≤ {}", mib(SESSION_KIB_MAX)), all <= SESSION_KIB_MAX)?;
    Ok(())
}
