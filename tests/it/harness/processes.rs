//! Processes that are no children of the test's: agents, and what agents start.

use std::path::Path;

use nix::sys::stat::Mode;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;
use turnmux::process::MARKER;

use super::{gone, within};

/// The processes that run with the home of this scratch folder and the mark of an agent, or of what an agent started.
pub(crate) fn agents_of(scratch: &Path) -> Vec<u32> {
    let home = format!("HOME={}", scratch.join("home").display()).into_bytes();
    let is_ours = |pid: u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut entries = environment.split(|byte| *byte == 0);
        let mark = format!("{MARKER}=").into_bytes();
        entries.clone().any(|entry| entry.starts_with(&mark)) && entries.any(|entry| entry == home)
    };
    pids().filter(|pid| is_ours(*pid)).collect()
}

/// The guard of a daemon.
pub(crate) fn guard_of(daemon: u32) -> u32 {
    let is_guard = |pid: &u32| {
        let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("status").contains(&format!("\nPPid:\t{daemon}\n")) && read("cmdline").contains("\0guard\0")
    };
    pids().find(is_guard).expect("the daemon has a guard")
}

/// All processes that there are.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc can be read");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Waits until no agent is left, nor anything that one started.
pub(crate) async fn all_gone(scratch: &Path) {
    within("the end of all agents", async {
        loop {
            let left = agents_of(scratch);
            if left.is_empty() {
                return;
            }
            for pid in left {
                gone(pid).await;
            }
        }
    })
    .await;
}

/// A named pipe, by which a tool that runs in an agent says something.
pub(crate) struct Fifo {
    lines: tokio::io::Lines<BufReader<pipe::Receiver>>,
}

impl Fifo {
    /// Makes one.
    pub(crate) fn new(path: &Path) -> Self {
        nix::unistd::mkfifo(path, Mode::S_IRWXU).expect("a named pipe");
        // Opened for writing too, so that it is not at its end before anybody has written.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path).expect("the pipe opens");
        Self { lines: BufReader::new(receiver).lines() }
    }

    /// The numbers in the next line.
    pub(crate) async fn pids(&mut self) -> Vec<u32> {
        let line = within("a line in the pipe", self.lines.next_line()).await.expect("the pipe can be read");
        let line = line.expect("the pipe has no end");
        line.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
    }
}
