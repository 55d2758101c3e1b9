//! What goes wrong on purpose, in bytes and processes.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, SigSet, Signal},
    unistd::{Pid, setsid},
};

use super::{args::SLEEPER, output::Output};

/// How long a process that is left alone lives: longer than any test, and not for ever, so that a test that died leaves
/// nothing behind for good.
pub(super) const LEFT_ALONE_MAX: Duration = Duration::from_mins(10);
/// Bytes written at a time.
const BLOCK: [u8; 8192] = [b'x'; 8192];

/// Lines that no reader of the protocol expects.
pub(super) fn noise(output: &mut Output) -> io::Result<()> {
    output.bare(format_args!("this is no JSON: {{\"type\":"))?;
    output.bare(format_args!(""))?;
    output.bare(format_args!("[1,2,3]"))?;
    output.bare(format_args!("null"))?;
    output.line(format_args!("\"type\":\"unknown_type\",\"payload\":{{\"deep\":[1,2]}}"))?;
    output.line(format_args!("\"type\":\"system\",\"subtype\":\"unknown_subtype\""))?;
    output.line(format_args!("\"type\":\"stream_event\",\"event\":{{\"type\":\"unknown_event\"}}"))?;
    output.flush()
}

/// One complete line of an unknown type, `bytes` long without its newline.
pub(super) fn long_line(output: &mut Output, bytes: usize) -> io::Result<()> {
    let (head, tail) = (br#"{"type":"unknown_type","filler":""#, br#""}"#);
    output.raw(head)?;
    fill(bytes.saturating_sub(head.len() + tail.len()), |block| output.raw(block))?;
    output.raw(tail)?;
    output.raw(b"\n")
}

/// The beginning of a line, `bytes` long, and no end.
pub(super) fn endless_line(output: &mut Output, bytes: usize) -> io::Result<()> {
    let head = br#"{"type":"assistant","filler":""#;
    output.raw(head)?;
    fill(bytes.saturating_sub(head.len()), |block| output.raw(block))
}

/// So many bytes on stderr, in lines.
pub(super) fn flood_stderr(bytes: usize) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    fill(bytes, |block| {
        stderr.write_all(&block[..block.len() - 1])?;
        stderr.write_all(b"\n")
    })
}

/// Ends this process as the kernel does when memory runs out.
pub(super) fn kill() -> io::Result<()> {
    signal::kill(Pid::this(), Signal::SIGKILL)?;
    Ok(())
}

/// Makes SIGTERM, SIGINT and SIGHUP do nothing, in the threads that are started after it too.
pub(super) fn ignore_term() -> io::Result<()> {
    Ok(term().thread_block()?)
}

/// Does nothing, for as long as any test lasts.
pub(super) fn hang() {
    let started = Instant::now();
    while started.elapsed() < LEFT_ALONE_MAX {
        thread::park_timeout(LEFT_ALONE_MAX);
    }
}

/// Starts a process that sleeps in a session of its own, and gives its id.
#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in is a program of its own; a child that escapes is its purpose here"
)]
pub(super) fn spawn_sleeper() -> io::Result<u32> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SLEEPER).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // It says a line when it is in its own session: before that a kill of our group would reach it.
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut String::new())?;
    }
    Ok(child.id())
}

/// What the sleeping process does.
pub(super) fn sleeper() -> ExitCode {
    let ready = setsid().is_ok() && term().thread_unblock().is_ok() && writeln!(io::stdout(), "ready").is_ok();
    if ready {
        hang();
    }
    ExitCode::SUCCESS
}

fn term() -> SigSet {
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    signals
}

fn fill(bytes: usize, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        let block = &BLOCK[..left.min(BLOCK.len())];
        write(block)?;
        left -= block.len();
    }
    Ok(())
}
