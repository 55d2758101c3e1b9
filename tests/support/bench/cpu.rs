//! The CPU time that another process has taken.

use std::time::Duration;

use anyhow::Context as _;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// A process's clock, which goes while it runs, in user space and in the kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuClock(ClockId);

impl CpuClock {
    /// The clock of a process that is there.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()));
        clock.map(Self).with_context(|| format!("process {pid} has no clock"))
    }

    /// What it has taken so far.
    pub(crate) fn now(self) -> anyhow::Result<Duration> {
        Ok(self.0.now().context("the process has ended")?.into())
    }
}
