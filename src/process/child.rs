//! A running child as its owner sees it.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use nix::sys::signal::Signal;
use tokio::net::unix::pipe;

use super::ladder::{self, StopLadder, StopReport};
use super::pty::Terminal;
use super::spawner::Started;
use super::supervisor::Supervisor;
use super::table::Registered;

/// A child process: with either a terminal or the three pipes. Dropping it ends the child in the background, by the
/// supervisor's ladder for abandoned children.
#[derive(Debug)]
pub struct Child {
    /// Writes to the child; dropped, it is the end of the child's input. Whoever takes it answers for that.
    pub stdin: Option<pipe::Sender>,
    /// What the child prints. To be read: a child whose pipe is full stands still.
    pub stdout: Option<pipe::Receiver>,
    /// What the child complains of. To be read too: see [`super::StderrTail`].
    pub stderr: Option<pipe::Receiver>,
    /// The child's screen and keyboard. To be read like the pipes; dropped, it is the hang-up. Whoever takes it answers
    /// for both.
    pub terminal: Option<Terminal>,
    supervisor: Supervisor,
    registered: Arc<Registered>,
}

/// The signals that a child is sent by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildSignal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGKILL, to the child alone. Its descendants are ended after its exit.
    Kill,
}

/// The exit of a child, to be awaited by any number of tasks.
#[derive(Clone, Debug)]
pub struct Exit {
    registered: Arc<Registered>,
}

impl Child {
    pub(super) fn new(supervisor: Supervisor, mut started: Started) -> io::Result<Self> {
        // Should one of these fail, the newborn is killed as `started` is dropped.
        let stdin = started.stdin.take().map(pipe::Sender::from_owned_fd).transpose()?;
        let stdout = started.stdout.take().map(pipe::Receiver::from_owned_fd).transpose()?;
        let stderr = started.stderr.take().map(pipe::Receiver::from_owned_fd).transpose()?;
        let terminal = started.terminal.take().map(Terminal::new).transpose()?;
        started.claim();
        Ok(Self { stdin, stdout, stderr, terminal, supervisor, registered: Arc::clone(&started.child) })
    }

    /// The pid, which is the process group's number too. It is the child's for certain only until the exit.
    pub fn pid(&self) -> i32 {
        self.registered.id.pid
    }

    /// The value of [`super::MARKER`] in the child's environment: unique among all children of all daemons.
    pub fn host_id(&self) -> &str {
        &self.registered.host_id
    }

    /// The child's exit, independent of this handle's life.
    pub fn exit(&self) -> Exit {
        Exit { registered: Arc::clone(&self.registered) }
    }

    /// Sends a signal to the child alone, not to its group. False if it has exited already.
    pub fn signal(&self, signal: ChildSignal) -> bool {
        let number = match signal {
            ChildSignal::Interrupt => Signal::SIGINT,
            ChildSignal::Terminate => Signal::SIGTERM,
            ChildSignal::Kill => Signal::SIGKILL,
        };
        self.supervisor.core().table.signal(&self.registered, number)
    }

    /// Ends the child by the ladder and returns when nothing of it is left. A `stdin` or `terminal` that was taken out
    /// must have been dropped, or the first rung is a wait for nothing. Output that was taken out is to be read
    /// meanwhile: a child that cannot print its last words stands still until SIGKILL. (After a hang-up it cannot
    /// print, and whoever wants last words from a terminal keeps and reads it through the ladder instead, with no time
    /// for the first rung.) Dropping the future goes on in the background from the start of the supervisor's own
    /// ladder.
    pub async fn stop(mut self, ladder: StopLadder) -> StopReport {
        drop(self.stdin.take());
        drop(self.terminal.take());
        ladder::climb(self.supervisor.core(), &self.registered, ladder).await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.registered.exit.borrow().is_some() {
            return;
        }
        drop(self.stdin.take());
        drop(self.terminal.take());
        // The clone keeps the spawner thread alive, which is the one that reaps.
        let (supervisor, registered) = (self.supervisor.clone(), Arc::clone(&self.registered));
        let core = Arc::clone(self.supervisor.core());
        core.runtime.spawn(async move {
            let report = ladder::climb(supervisor.core(), &registered, supervisor.core().config.abandoned).await;
            tracing::debug!(pid = registered.id.pid, rung = ?report.rung, "an abandoned process was ended");
        });
    }
}

impl Exit {
    /// The status, if the child has exited.
    pub fn now(&self) -> Option<ExitStatus> {
        *self.registered.exit.borrow()
    }

    /// Waits for the exit. The child is reaped then; descendants may live for a moment. Cancel-safe.
    pub async fn wait(&self) -> ExitStatus {
        let mut exit = self.registered.exit.subscribe();
        // The sender lives in `self`, so the channel cannot close.
        let status = exit.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        match status {
            Some(status) => status,
            None => std::future::pending().await,
        }
    }

    /// Waits until the descendants are ended too, and gives how many had to be. Cancel-safe.
    pub async fn settled(&self) -> usize {
        let mut settled = self.registered.settled.subscribe();
        let count = settled.wait_for(Option::is_some).await.ok().and_then(|count| *count);
        match count {
            Some(count) => count,
            None => std::future::pending().await,
        }
    }

    pub(super) fn of(registered: &Arc<Registered>) -> Self {
        Self { registered: Arc::clone(registered) }
    }
}
