//! The children that are registered, and the lock under which they are signalled and reaped.
//!
//! A child is *running* (its pid is its own), then *exited* (reaped; no signal goes to the pid any more), then *settled*
//! (its descendants are ended too and its record is gone). A lock and not a message, because a signal must be sent while
//! the reaping waits, and from wherever a child is stopped.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::descendants::{Identity, Mark};
use super::os;
use super::wait::{self, Fate, Which};

/// One child, from its fork until nothing of it is left.
#[derive(Debug)]
pub(super) struct Registered {
    /// The pid, and the start time where the system tells it (0 elsewhere).
    pub(super) id: Identity,
    /// The unique id that its descendants carry in their environment.
    pub(super) host_id: String,
    /// What the owner called it.
    pub(super) label: String,
    /// How it ended.
    pub(super) exit: watch::Sender<Option<ExitStatus>>,
    /// How many descendants had to be ended after it.
    pub(super) settled: watch::Sender<Option<usize>>,
    /// Descendants seen while it lived.
    pub(super) known: Mutex<Vec<Identity>>,
    /// Whether it has had its chances, so that its descendants get no more either.
    pub(super) is_condemned: AtomicBool,
}

impl Registered {
    /// The mark of its descendants.
    pub(super) fn mark(&self) -> Mark {
        Mark::of_host(&self.host_id)
    }

    /// Adds descendants to end after its exit.
    pub(super) fn know(&self, descendants: Vec<Identity>) {
        lock(&self.known).extend(descendants);
    }
}

/// All registered children.
#[derive(Debug)]
pub(super) struct Table {
    running: Mutex<HashMap<i32, Arc<Registered>>>,
    unsettled: watch::Sender<usize>,
    is_closed: AtomicBool,
    adopted: watch::Sender<u64>,
}

impl Table {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self {
            running: Mutex::default(),
            unsettled: watch::Sender::new(0),
            is_closed: AtomicBool::new(false),
            adopted: watch::Sender::new(0),
        }
    }

    /// Takes a child in that has just been forked, on the thread that reaps.
    pub(super) fn register(&self, pid: i32, host_id: String, label: String) -> Arc<Registered> {
        let id = os::process(pid).map_or(Identity { pid, start: 0 }, |process| process.id);
        let child = Arc::new(Registered {
            id,
            host_id,
            label,
            exit: watch::Sender::new(None),
            settled: watch::Sender::new(None),
            known: Mutex::default(),
            is_condemned: AtomicBool::new(false),
        });
        self.unsettled.send_modify(|count| *count += 1);
        lock(&self.running).insert(pid, Arc::clone(&child));
        child
    }

    /// Sends a signal to the child alone. False if it has exited already.
    pub(super) fn signal(&self, child: &Registered, signal: Signal) -> bool {
        let running = lock(&self.running);
        let is_running = is_running(&running, child);
        if is_running {
            let _ = kill(Pid::from_raw(child.id.pid), signal);
        }
        is_running
    }

    /// Kills the child and its process group. False if it has exited already.
    pub(super) fn kill(&self, child: &Registered) -> bool {
        child.is_condemned.store(true, Ordering::Relaxed);
        let running = lock(&self.running);
        let is_running = is_running(&running, child);
        if is_running {
            let pid = Pid::from_raw(child.id.pid);
            let _ = killpg(pid, Signal::SIGKILL);
            // A child may have moved to another group.
            let _ = kill(pid, Signal::SIGKILL);
        }
        is_running
    }

    /// Reaps whoever has exited, and gives back those that were registered. Called by the spawner thread alone; with
    /// `adopts`, children that nobody registered are reaped too.
    pub(super) fn reap(&self, adopts: bool) -> Vec<(Arc<Registered>, ExitStatus)> {
        let mut exited = Vec::new();
        if adopts {
            while let Some(pid) = wait::peek(Which::Any) {
                if !self.reap_one(pid, &mut exited) {
                    break;
                }
            }
        }
        // When adopting, this finds only what somebody else has reaped.
        let pids: Vec<i32> = lock(&self.running).keys().copied().collect();
        for pid in pids {
            self.reap_one(pid, &mut exited);
        }
        exited
    }

    /// Whether the child had exited. It is added to `exited` if it was registered.
    fn reap_one(&self, pid: i32, exited: &mut Vec<(Arc<Registered>, ExitStatus)>) -> bool {
        let registered = lock(&self.running).get(&pid).cloned();
        if let Some(child) = &registered
            && wait::peek(Which::Pid(pid)).is_some()
        {
            // Now, while its number is still taken. Nobody else reaps, so the lock is not needed to read /proc.
            child.know(os::survivors_of_group(pid));
        }
        let mut running = lock(&self.running);
        let status = match wait::reap(pid, false) {
            Fate::Running => return false,
            Fate::Exited(status) => status,
            Fate::Lost => {
                tracing::error!(pid, "the exit status of a child was taken by somebody else in this process");
                lost_status()
            }
        };
        match running.remove(&pid) {
            Some(child) => exited.push((child, status)),
            None => self.adopted.send_modify(|count| *count += 1),
        }
        true
    }

    /// Waits for a killed child: for the last moments of the spawner thread.
    pub(super) fn reap_patiently(&self, child: &Registered) -> ExitStatus {
        // The lock is not held meanwhile: the child is killed, and a second signal would do it no harm.
        let fate = wait::reap(child.id.pid, true);
        lock(&self.running).remove(&child.id.pid);
        if let Fate::Exited(status) = fate { status } else { lost_status() }
    }

    /// Those that have not exited.
    pub(super) fn running(&self) -> Vec<Arc<Registered>> {
        lock(&self.running).values().cloned().collect()
    }

    /// Says that nothing is left of a child.
    pub(super) fn settle(&self, child: &Registered, descendants_ended: usize) {
        child.settled.send_replace(Some(descendants_ended));
        self.unsettled.send_modify(|count| *count -= 1);
    }

    /// Waits until nothing is left of any child.
    pub(super) async fn all_settled(&self) {
        // The sender is in `self`, so the channel cannot close.
        let _ = self.unsettled.subscribe().wait_for(|count| *count == 0).await;
    }

    /// From now on nothing is spawned.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// Whether the table takes no more children.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// How many children were reaped that nobody had registered.
    pub(super) fn adopted(&self) -> watch::Receiver<u64> {
        self.adopted.subscribe()
    }
}

/// Stands for a status that nobody can know: exit code 255.
fn lost_status() -> ExitStatus {
    ExitStatus::from_raw(0xff00)
}

fn is_running(running: &HashMap<i32, Arc<Registered>>, child: &Registered) -> bool {
    running.get(&child.id.pid).is_some_and(|other| std::ptr::eq(other.as_ref(), child))
}

/// A panic elsewhere leaves these values whole: each change is one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
