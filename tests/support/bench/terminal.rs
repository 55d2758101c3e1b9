//! A claude in a terminal without turnmux: the same program, plugin and arguments, and somebody who answers its question about
//! channels in development the moment it is seen.

use std::ffi::OsString;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use memchr::memmem;
use tokio::time::{sleep_until, timeout};
use turnmux::channel::plugin;
use turnmux::process::{Fifo, LineReader, SpawnRequest, StopLadder, Supervisor, SupervisorConfig, TerminalSize};
use uuid::Uuid;

use super::clock;
use super::interrupts;
use super::programs::Scratch;
use super::sidecar::Door;

/// The terminal's size, the same as turnmux gives.
const SIZE: TerminalSize = TerminalSize { rows: 50, cols: 160 };
/// What the question's first option says; it is marked already.
const OPTION: &str = "I am using this for local development";
const ENTER: &[u8] = b"\r";
/// After this the answer is given again, while the question is still there: claude may lose keys.
const AGAIN: Duration = Duration::from_millis(50);
/// Longest line of claude's log that is looked at, in bytes.
const LOG_LINE_BYTES: usize = 64 << 10;
/// How long claude may take.
const READY_WAIT: Duration = Duration::from_mins(1);
/// From the hang-up to SIGTERM, and from there to SIGKILL.
const STOP: StopLadder = StopLadder { eof: Duration::from_secs(2), term: Duration::from_secs(5) };

/// Starts a claude, and gives when, and when its log said that it takes messages from the plugin. It is ended then.
pub(crate) fn registered(scratch: &Scratch, door: &Door) -> anyhow::Result<(u64, u64)> {
    let files = tempfile::tempdir()?;
    plugin::write_out(&files.path().join("plugin"), door.hub.address().port())?;
    door.runtime.block_on(run(scratch, door, files.path()))
}

async fn run(scratch: &Scratch, door: &Door, files: &Path) -> anyhow::Result<(u64, u64)> {
    let supervisor = Supervisor::start(SupervisorConfig::default())?;
    let log = Fifo::create(&files.join("log"))?;
    let member = door.enlist("bench::bare");
    let mut env = scratch.environment()?;
    let more =
        [("TERM", "xterm-256color"), ("VTE_VERSION", "7600"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")];
    env.extend(more.map(|(name, value)| (name.into(), value.into())));
    env.extend(door.variables(&member).map(|(name, value)| (name.into(), value.into())));
    env.push(("TURNMUX_BIN".into(), super::programs::built("turnmux")?.into()));
    let request = SpawnRequest {
        program: scratch.program().to_owned(),
        args: args(files, log.path()),
        env,
        directory: scratch.work(),
        terminal: Some(SIZE),
        label: "bench::bare".to_owned(),
    };

    let spawned_ns = clock::now_ns();
    let mut child = supervisor.spawn(request).await?;
    let pid = child.pid().unsigned_abs();
    interrupts::started(pid);
    let registered = async {
        let terminal = child.terminal.as_ref().context("it has no terminal")?;
        let mut log = LineReader::skipping(log, LOG_LINE_BYTES);
        let (rows, cols) = (NonZeroU16::new(SIZE.rows), NonZeroU16::new(SIZE.cols));
        let mut screen = vt100::Parser::new(rows.context("no rows")?, cols.context("no columns")?, 0);
        let mut painted = BytesMut::new();
        let mut again = None;
        loop {
            tokio::select! {
                line = log.next() => {
                    let line = line?.context("the log ended")?.bytes;
                    if memmem::find(&line, b"turnmux").is_some() && memmem::find(&line, b"Channel notifications ").is_some() {
                        let registered_ns = clock::now_ns();
                        anyhow::ensure!(memmem::find(&line, b"registered").is_some(), "{}", String::from_utf8_lossy(&line));
                        return Ok(registered_ns);
                    }
                    continue;
                }
                read = terminal.read(&mut painted) => {
                    if read? == 0 {
                        bail!("claude ended: {}", screen.screen().contents());
                    }
                    screen.process(&painted.split());
                }
                () = until(again) => {}
            }
            let asks = screen.screen().contents().contains(OPTION);
            if asks && again.is_none_or(|again| again <= Instant::now()) {
                terminal.write(ENTER).await?;
                again = Some(Instant::now() + AGAIN);
            } else if !asks {
                again = None;
            }
        }
    };
    let registered_ns = timeout(READY_WAIT, registered).await;
    drop(child.terminal.take());
    interrupts::ended(pid);
    child.stop(STOP).await;
    Ok((spawned_ns, registered_ns.context("claude did not take messages in time")??))
}

/// Those that turnmux gives claude, too.
fn args(files: &Path, log: &Path) -> Vec<OsString> {
    vec![
        "--plugin-dir".into(),
        files.join("plugin").into(),
        "--dangerously-load-development-channels".into(),
        plugin::CHANNEL.into(),
        "--allowedTools".into(),
        plugin::REPLY_TOOL.into(),
        "--debug-file".into(),
        log.into(),
        "--permission-mode".into(),
        "default".into(),
        "--session-id".into(),
        Uuid::new_v4().to_string().into(),
    ]
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
