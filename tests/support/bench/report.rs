//! What is printed: tables of times, and a line for each limit.

use std::fs;
use std::io::{self, Write as _};
use std::time::Duration;

use super::numbers::Times;

/// Prints as it goes, and remembers what failed.
#[derive(Debug)]
pub(crate) struct Report {
    out: io::Stdout,
    failed: usize,
    limits: usize,
    /// CPU time when the last part ended.
    since: CpuTime,
}

/// CPU time of the whole machine since it started, in the kernel's ticks.
#[derive(Debug, Clone, Copy, Default)]
struct CpuTime {
    all: u64,
    /// What a virtual machine's host gave to others while there was work to do.
    stolen: u64,
}

impl Report {
    /// Starts with what the machine is and how busy: numbers of a busy machine say little.
    pub(crate) fn new() -> io::Result<Self> {
        let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown");
        let mut out = io::stdout();
        writeln!(out, "{cpus} CPUs, load before the run {load}")?;
        Ok(Self { out, failed: 0, limits: 0, since: CpuTime::now() })
    }

    /// Begins the table of a part that was just measured. Times mean little where the host stole much of it.
    pub(crate) fn part(&mut self, title: &str) -> io::Result<()> {
        let now = CpuTime::now();
        let before = std::mem::replace(&mut self.since, now);
        let ticks = now.all.saturating_sub(before.all).max(1);
        let stolen = 100 * now.stolen.saturating_sub(before.stolen) / ticks;
        let title = format!("{title}\n({stolen} % of the CPU time was stolen by the host meanwhile)");
        writeln!(self.out, "\n{title}\n{:<44}{:>7}{:>11}{:>11}{:>11}{:>11}", "", "n", "p50", "p95", "p99", "max")
    }

    /// One row of times.
    pub(crate) fn row(&mut self, what: &str, times: &Times) -> io::Result<()> {
        let cell = |time: Option<Duration>| time.map_or_else(|| "–".to_owned(), shown);
        let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percent| cell(times.percentile(percent)));
        let (n, max) = (times.len(), cell(times.max()));
        writeln!(self.out, "{what:<44}{n:>7}{p50:>11}{p95:>11}{p99:>11}{max:>11}")
    }

    /// A sentence.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A limit, and whether it was kept.
    pub(crate) fn limit(&mut self, what: &str, value: &str, limit: &str, kept: bool) -> io::Result<()> {
        self.limits += 1;
        self.failed += usize::from(!kept);
        let verdict = if kept { "PASS" } else { "FAIL" };
        writeln!(self.out, "{verdict}  {what}: {value} (limit {limit})")
    }

    /// A limit for one percentile.
    pub(crate) fn time_limit(&mut self, what: &str, times: &Times, percent: f64, limit: Duration) -> io::Result<()> {
        let time = times.percentile(percent).unwrap_or(Duration::MAX);
        self.limit(&format!("{what}, p{percent:.0}"), &shown(time), &format!("≤ {}", shown(limit)), time <= limit)
    }

    /// The last line. True when every limit was kept.
    pub(crate) fn verdict(self) -> anyhow::Result<bool> {
        let Self { mut out, failed, limits, .. } = self;
        writeln!(out, "\n{} of {limits} limits kept", limits - failed)?;
        Ok(failed == 0)
    }
}

impl CpuTime {
    /// From the first line of `/proc/stat`; nothing where there is none.
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = stat.split_whitespace().skip(1).map_while(|ticks| ticks.parse().ok()).collect();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }
}

/// A time with the unit that fits it.
pub(crate) fn shown(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        ..1_000.0 => format!("{us:.0} µs"),
        ..100_000.0 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.0} ms", us / 1e3),
    }
}
