//! What the daemon holds in memory: idle, and with sessions.

use anyhow::Context as _;

use super::client::Client;
use super::own::TEXT;
use super::report::Report;
use super::servers::Daemon;

/// Limit of the idle daemon, in KiB.
const IDLE_KIB_MAX: u64 = 15 * 1024;
/// Sessions, each with a process that waits.
const SESSIONS: u64 = 16;

/// Measures a daemon that has not served anything yet.
pub(crate) fn measure(daemon: &Daemon, report: &mut Report) -> anyhow::Result<()> {
    let idle = rss_kib(daemon.pid())?;
    for session in 0..SESSIONS {
        Client::connect(&daemon.address, &format!("bench::memory-{session}"), TEXT)?.turn()?;
    }
    let with_sessions = rss_kib(daemon.pid())?;
    let each = with_sessions.saturating_sub(idle) / SESSIONS;
    report.note("\nMemory of the daemon (RSS)")?;
    report.note(&format!("with {SESSIONS} idle sessions: {}, {each} KiB for each", mib(with_sessions)))?;
    report.limit("idle", &mib(idle), &format!("≤ {}", mib(IDLE_KIB_MAX)), idle <= IDLE_KIB_MAX)?;
    Ok(())
}

/// The resident set of a process, in KiB.
pub(crate) fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    status_kib(pid, "VmRSS:")
}

/// What of that is the process's own, in KiB: the rest is files, such as the program, that others map, too.
pub(crate) fn own_kib(pid: u32) -> anyhow::Result<u64> {
    status_kib(pid, "RssAnon:")
}

fn status_kib(pid: u32, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.with_context(|| format!("{path} has no {name}"))
}

/// The processes whose parent that is.
pub(crate) fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let entries = std::fs::read_dir("/proc").context("cannot read /proc")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let line = format!("\nPPid:\t{parent}\n");
    let status = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Ok(pids.filter(|pid| status(pid).contains(&line)).collect())
}

/// Those, theirs, and so on.
pub(crate) fn descendants(parent: u32) -> anyhow::Result<Vec<u32>> {
    let mut all = children(parent)?;
    let mut at = 0;
    while at < all.len() {
        all.extend(children(all[at])?);
        at += 1;
    }
    Ok(all)
}

/// KiB for people.
pub(crate) fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}
