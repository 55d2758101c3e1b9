//! Signals: every process that the bench started is ended, and with their ends whatever was being measured fails.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

/// The processes that have not been waited for. A lock, for threads share it that have nothing else in common.
static STARTED: Mutex<Started> = Mutex::new(Started { pids: BTreeSet::new(), stopping: false });

struct Started {
    pids: BTreeSet<u32>,
    stopping: bool,
}

/// Watches for SIGINT, SIGTERM and SIGHUP from here on. The first asks the processes to end, a later one ends them.
///
/// # Errors
/// When the system has no thread or no signal handler left.
pub(crate) fn watch() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            let kinds = (SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup());
            let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
                (signal(kinds.0), signal(kinds.1), signal(kinds.2))
            else {
                return;
            };
            let mut with = Signal::SIGTERM;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                end_all(with);
                with = Signal::SIGKILL;
            }
        });
    })?;
    Ok(())
}

/// Whether a signal came.
pub(crate) fn stopping() -> bool {
    lock().stopping
}

/// Remembers a process that was started.
pub(crate) fn started(pid: u32) {
    lock().pids.insert(pid);
}

/// Forgets a process, before it is waited for: after that its pid may be another's.
pub(crate) fn ended(pid: u32) {
    lock().pids.remove(&pid);
}

fn end_all(with: Signal) {
    let mut started = lock();
    started.stopping = true;
    for pid in &started.pids {
        // One that has ended in the meantime is still a zombie of ours, so the pid is nobody else's.
        let _ = kill(Pid::from_raw(pid.cast_signed()), with);
    }
}

fn lock() -> std::sync::MutexGuard<'static, Started> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}
