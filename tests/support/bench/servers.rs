//! The two servers of a measurement: `turnmux serve` and the loopback model.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::Signal;

use super::programs::{Program, Scratch, built};

/// As many processes as the load has sessions.
const MAX_LIVE: usize = 64;

/// A `turnmux serve` on a free port.
#[derive(Debug)]
pub(crate) struct Daemon {
    program: Program,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Daemon {
    /// Starts one and waits until it listens.
    pub(crate) fn start(scratch: &Scratch) -> anyhow::Result<Self> {
        Self::start_with(scratch, "info", MAX_LIVE)
    }

    /// The same, with this in `TURNMUX_LOG`.
    pub(crate) fn start_with_log(scratch: &Scratch, level: &str) -> anyhow::Result<Self> {
        Self::start_with(scratch, level, MAX_LIVE)
    }

    /// The same, with so many processes at most.
    pub(crate) fn start_with(scratch: &Scratch, level: &str, max_live: usize) -> anyhow::Result<Self> {
        Self::start_so(scratch, level, max_live, &[])
    }

    /// The same, which keeps nothing.
    pub(crate) fn start_ephemeral(scratch: &Scratch) -> anyhow::Result<Self> {
        Self::start_so(scratch, "info", MAX_LIVE, &["--ephemeral".as_ref()])
    }

    /// The same, over this store.
    pub(crate) fn start_over(scratch: &Scratch, store: &Path) -> anyhow::Result<Self> {
        Self::start_so(scratch, "info", MAX_LIVE, &["--store".as_ref(), store.as_os_str()])
    }

    fn start_so(scratch: &Scratch, level: &str, max_live: usize, more: &[&OsStr]) -> anyhow::Result<Self> {
        let mut command = scratch.command(&built("turnmux")?)?;
        // A file of its own: whoever runs this may have one in their home or on TURNMUX_CONFIG.
        let max_live = max_live.to_string();
        command.args(["serve", "--port", "0", "--max-live", &max_live, "--config", "../turnmux.toml"]).args(more);
        command.env("TURNMUX_LOG", level).env("TURNMUX_LOG_FORMAT", "human");
        let mut program = Program::start(command)?;
        let line = program.first_line()?;
        let address = line.strip_prefix("turnmux listening on http://").map(str::to_owned);
        let address = address.with_context(|| format!("turnmux did not start:\n{}", scratch.complaints()))?;
        Ok(Self { program, address })
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Ends it, and says when that did not work.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.program.end(Some(Signal::SIGTERM))
    }
}

/// The loopback model, as a process of its own.
#[derive(Debug)]
pub(crate) struct Model {
    program: Program,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
}

impl Model {
    /// Starts one and waits until it listens. It ends with the bench, however that ends.
    #[expect(clippy::disallowed_methods, reason = "the bench is a program of its own, which starts what it measures")]
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(built("examples/loopback-model")?);
        command.arg("--until-stdin-closes").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = Program::start(command)?;
        let line = program.first_line()?;
        let url = line.strip_prefix("listening on ").context("the loopback model did not start")?.to_owned();
        Ok(Self { program, url })
    }

    /// Ends it.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.program.end(Some(Signal::SIGTERM))
    }
}
