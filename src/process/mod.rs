//! Child processes: starting them, watching them end, and leaving nothing behind.
//!
//! This is the only place that knows of `nix`, `std::process::Command` and `unsafe`.
//!
//! ```text
//!  Supervisor ──requests (bounded)──▶ spawner thread ──fork, exec──▶ child (a group of its own)
//!      ▲                                │  ▲                          │ stdin, stdout, stderr: pipes or a terminal
//!      │ SIGCHLD ──────────────────────────┘                          ▼
//!      └──────────── Child, Exit ◀──────┘ reaps             LineReader, StderrTail | Terminal
//! ```
//!
//! What holds here:
//! * **One thread forks and reaps.** The death signal of a child follows the *thread* that forked it, so that thread
//!   must live as long as the daemon. And as the same thread reaps, no child can end before it is registered.
//! * **No signal reaches a reused pid.** Children are signalled and reaped under one lock; processes that are not our
//!   children are named by pid *and* start time, and signalled through a file descriptor that means exactly that one.
//! * **An exit ends the whole tree.** However a child ends, what it started is found (by its group, by the process
//!   tree, by the [`MARKER`] in the environment) and ended: SIGTERM first, SIGKILL soon after.
//! * **A dropped [`Child`] is ended in the background**, and [`Supervisor::shutdown`] returns when nothing is left.
//! * **A killed daemon leaves a [`Guard`]**, which ends what has the daemon's mark, and records, by which
//!   [`Supervisor::sweep`] of the next one does so where the guard was killed, too.
//!
//! * **A terminal changes none of this**: a child that has one leads a session, which is a group of its own too.
//!
//! Beside them, what an agent says elsewhere: a [`Fifo`] that it logs into, a [`FileWatch`] for a file that it writes; what a
//! service manager hands over ([`inherited_listener`]); and programs that are run for what they say ([`run`]).
//!
//! A process of others is named by what it said of itself: an [`OtherProcess`] can be told to end.
//!
//! And the terminal that turnmux itself was started in, for whoever attaches to an agent's: [`RawTerminal`].
//!
//! What is absent: what a screen shows (bytes go in and out here), restarts and pools (the driver's), anything of
//! turnmux's own nouns.

mod activation;
mod child;
mod clean;
mod descendants;
mod detached;
mod error;
mod fifo;
mod find;
mod guard;
mod ladder;
mod lines;
mod oneshot;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "other_unix.rs"]
mod os;
mod other;
mod pty;
mod records;
mod redact;
mod spawner;
mod supervisor;
mod sweep;
mod table;
mod tail;
mod tty;
mod wait;
mod watch;

#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests_alone;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests_descendants;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests_pty;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests_records;

pub use activation::{ActivationError, Stage, inherited_listener, notify};
pub use child::{Child, ChildSignal, Exit};
pub use clean::release_clean_pages;
pub use detached::start_detached;
pub use error::{ProcessError, SpawnError};
pub use fifo::Fifo;
pub use find::{FindError, find_program, is_writable};
pub use guard::{Guard, Ward, stand as stand_guard};
pub use ladder::{StopLadder, StopReport, StopRung};
pub use lines::{LINE_BYTES_MAX, Line, LineError, LineReader};
pub use oneshot::{Finished, RunError, run};
pub use other::{OtherProcess, ProcessName, become_program};
pub use pty::{Terminal, TerminalSize};
pub use redact::Redactor;
pub use spawner::{MARKER, SpawnRequest};
pub use supervisor::{ShutdownReport, Supervisor, SupervisorConfig};
pub use sweep::SweepReport;
pub use tail::StderrTail;
pub use tty::{RawTerminal, terminal_size};
pub use watch::FileWatch;

/// The number of the signal that a process gets whose file may not grow any more (`ulimit -f`). It kills whoever does not take it.
pub const FILE_SIZE_SIGNAL: i32 = nix::sys::signal::Signal::SIGXFSZ as i32;
