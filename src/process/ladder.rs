//! The way a child is ended: end of input, SIGTERM, SIGKILL, with a limit to each wait.
//!
//! For a child with a terminal the end of input is the hang-up, SIGHUP from the kernel. claude ends at it as well as at
//! SIGTERM, with an end to its session for its hooks, and sooner: it has no screen to put in order. (Ctrl-C it wants
//! twice, and while a tool runs not even that ends it.)
//!
//! (Interrupting a turn that runs comes before, and is the driver's.) SIGTERM goes to the child alone and not to its
//! group: an agent ends its own tools in good order then, and those that died under it would look to it like failures
//! to act on. Whatever it leaves gets SIGTERM after its exit. SIGKILL cannot be acted on, so it goes to everything at
//! once: the child, its group, and the descendants as they were just before, for a tree whose root is gone cannot be
//! found.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::timeout;

use super::child::Exit;
use super::descendants;
use super::os::ProcessHandle;
use super::supervisor::Core;
use super::table::Registered;

/// A child that is still there so long after SIGKILL hangs in the kernel.
pub(super) const KILLED_WAIT: Duration = Duration::from_secs(5);

/// How long each rung is waited on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopLadder {
    /// From the end of its input, or the hang-up, to SIGTERM.
    pub eof: Duration,
    /// From SIGTERM to SIGKILL.
    pub term: Duration,
}

impl Default for StopLadder {
    /// 2 s and 5 s: an idle agent ends within 50 ms of either, and within 1.5 s of SIGTERM when a tool runs.
    fn default() -> Self {
        Self { eof: Duration::from_secs(2), term: Duration::from_secs(5) }
    }
}

/// What it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRung {
    /// Nothing: it had exited.
    AlreadyExited,
    /// The end of its input, or the hang-up of its terminal.
    Eof,
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReport {
    /// The rung on which it ended.
    pub rung: StopRung,
    /// How it ended; none if not even SIGKILL ended it within 5 s.
    pub status: Option<ExitStatus>,
    /// How many descendants outlived it and were ended.
    pub descendants_ended: usize,
}

/// Ends a child whose input has ended or whose terminal is hung up, and returns when nothing of it is left.
pub(super) async fn climb(core: &Core, child: &Arc<Registered>, ladder: StopLadder) -> StopReport {
    let exit = Exit::of(child);
    let rung = if exit.now().is_some() {
        StopRung::AlreadyExited
    } else {
        // Some of these could not be found any more when the child is gone.
        child.know(descendants::find(vec![child.id], Some(child.mark())).await);
        if timeout(ladder.eof, exit.wait()).await.is_ok() {
            StopRung::Eof
        } else {
            core.table.signal(child, Signal::SIGTERM);
            if timeout(ladder.term, exit.wait()).await.is_ok() {
                StopRung::Term
            } else {
                kill(core, child).await;
                StopRung::Kill
            }
        }
    };
    let status = timeout(KILLED_WAIT, exit.wait()).await.ok();
    if status.is_none() {
        tracing::warn!(pid = child.id.pid, label = child.label, "a process cannot be killed: it hangs in the kernel");
        return StopReport { rung, status, descendants_ended: 0 };
    }
    // Bounded: by the patience with survivors and the rounds of `descendants::end`.
    StopReport { rung, status, descendants_ended: exit.settled().await }
}

/// SIGKILL for the child, its group and its descendants.
pub(super) async fn kill(core: &Core, child: &Registered) {
    let seen = descendants::find(vec![child.id], Some(child.mark())).await;
    core.table.kill(child);
    let others = seen.iter().filter(|id| **id != child.id);
    others.filter_map(|id| ProcessHandle::open(*id)).for_each(|handle| handle.signal(Signal::SIGKILL));
    child.know(seen);
}
