//! Finding and ending what a child has started, wherever it went.
//!
//! A tool of an agent may run in a session and group of its own, and be orphaned by its parent's death. So there are
//! three traces: processes seen earlier (by tree or group), the marker in the environment, and the children of all these.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::getpid;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::os;
use super::spawner::MARKER;

/// Looks at the whole process table happen at most this many at a time: each reads some hundred small files.
const SCANS_MAX: usize = 2;
/// After so many rounds of SIGTERM something is starting new processes as fast as they end: SIGKILL from then on.
const GENTLE_ROUNDS_MAX: usize = 8;
/// And after so many rounds in all we give up and say so.
const ROUNDS_MAX: usize = 32;
/// A killed process that is still there after this hangs in the kernel, and no further signal helps.
const KILLED_GONE: Duration = Duration::from_secs(1);
/// How long one look at the whole process table waits for those in the middle of an exec, of whom nothing can be told
/// meanwhile. On two cores at load 20 one took 0.6 s; one that takes longer than this hangs in the kernel.
const EXEC_MAX: Duration = Duration::from_secs(5);

static SCANS: Semaphore = Semaphore::const_new(SCANS_MAX);

/// One certain process: a pid may be reused, a pid with its start time may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity {
    /// The pid.
    pub(super) pid: i32,
    /// Ticks since boot.
    pub(super) start: u64,
}

/// What the process table says of a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    /// Which one it is.
    pub(super) id: Identity,
    /// The parent's pid.
    pub(super) parent: i32,
    /// The process group.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux lists processes"))]
    pub(super) group: i32,
    /// The session.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux lists processes"))]
    pub(super) session: i32,
    /// Ended, and not yet waited for by its parent.
    pub(super) is_zombie: bool,
}

/// The environment entry that tells whose descendant a process is.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    entry: Vec<u8>,
    is_prefix: bool,
}

impl Mark {
    /// Descendants of one host.
    pub(super) fn of_host(host_id: &str) -> Self {
        Self { entry: format!("{MARKER}={host_id}").into_bytes(), is_prefix: false }
    }

    /// Descendants of every host of one daemon.
    pub(super) fn of_daemon(instance: &str) -> Self {
        Self { entry: format!("{MARKER}={instance}-").into_bytes(), is_prefix: true }
    }

    /// Whether an environment, its entries separated by NUL, has the mark.
    #[cfg_attr(not(any(target_os = "linux", test)), expect(dead_code, reason = "only Linux shows environments"))]
    pub(super) fn is_in(&self, environment: &[u8]) -> bool {
        let is_mark =
            |entry: &[u8]| if self.is_prefix { entry.starts_with(&self.entry) } else { entry == self.entry.as_slice() };
        environment.split(|byte| *byte == 0).any(is_mark)
    }
}

/// What came of ending processes.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// How many are gone.
    pub(super) count: usize,
    /// Pids that would not go: they hang in the kernel, or belong to somebody else.
    pub(super) left: Vec<i32>,
}

/// Ends the seeds, everything marked, and all their descendants: SIGTERM, and SIGKILL to what is left after `gentle`
/// (at once if that is none). Looks again until nothing more is found. Takes at most `gentle` and a few seconds.
pub(super) async fn end(seeds: Vec<Identity>, mark: Option<Mark>, gentle: Option<Duration>) -> Ended {
    let gentle_until = gentle.map(|patience| Instant::now() + patience);
    let mut seen: BTreeSet<Identity> = seeds.into_iter().collect();
    let mut met: BTreeSet<Identity> = BTreeSet::new();
    let mut told: BTreeSet<Identity> = BTreeSet::new();
    let mut alive = Vec::new();
    for round in 0..ROUNDS_MAX {
        alive = find(seen.iter().copied().collect(), mark.clone()).await;
        if alive.is_empty() {
            break;
        }
        seen.extend(&alive);
        met.extend(&alive);
        let now = Instant::now();
        let gentle_until = gentle_until.filter(|until| *until > now && round < GENTLE_ROUNDS_MAX);
        let handles: Vec<_> = alive.iter().filter_map(|id| Some((*id, os::ProcessHandle::open(*id)?))).collect();
        for (id, handle) in &handles {
            match gentle_until {
                Some(_) if told.insert(*id) => handle.signal(Signal::SIGTERM),
                Some(_) => {}
                None => handle.signal(Signal::SIGKILL),
            }
        }
        let all_ended = async {
            for (_, handle) in handles {
                handle.ended().await;
            }
        };
        let in_time = timeout_at(gentle_until.unwrap_or(now + KILLED_GONE), all_ended).await.is_ok();
        if !in_time && gentle_until.is_none() {
            alive = find(seen.iter().copied().collect(), mark.clone()).await;
            break;
        }
    }
    met.extend(&alive);
    let left: Vec<i32> = alive.iter().map(|id| id.pid).collect();
    if !left.is_empty() {
        tracing::warn!(pids = ?left, "processes left behind by a child cannot be ended");
    }
    Ended { count: met.len() - alive.len(), left }
}

/// The same at once and without a runtime: for the last moments of the spawner thread.
pub(super) fn kill_now(mark: &Mark) {
    for _ in 0..ROUNDS_MAX {
        let handles: Vec<_> = scan(&[], Some(mark)).into_iter().filter_map(os::ProcessHandle::open).collect();
        if handles.is_empty() {
            return;
        }
        for handle in handles {
            handle.signal(Signal::SIGKILL);
        }
    }
}

/// The living among the seeds, everything marked, and all their descendants.
pub(super) async fn find(seeds: Vec<Identity>, mark: Option<Mark>) -> Vec<Identity> {
    let Ok(_permit) = SCANS.acquire().await else {
        return Vec::new();
    };
    // Reading another process's environment may wait for that process: not on a thread of the runtime.
    tokio::task::spawn_blocking(move || scan(&seeds, mark.as_ref())).await.unwrap_or_default()
}

fn scan(seeds: &[Identity], mark: Option<&Mark>) -> Vec<Identity> {
    // A daemon may itself run under an agent of the dead daemon that it cleans up after.
    let me = getpid().as_raw();
    let all: Vec<Process> = os::processes().into_iter().filter(|process| process.id.pid != me).collect();
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in &all {
        children.entry(process.parent).or_default().push(*process);
    }
    let exec_until = std::time::Instant::now() + EXEC_MAX;
    let is_root = |process: &&Process| {
        !process.is_zombie
            && (seeds.contains(&process.id) || mark.is_some_and(|mark| os::is_marked(process.id.pid, mark, exec_until)))
    };
    let mut open: Vec<Process> = all.iter().filter(is_root).copied().collect();
    let mut found = BTreeSet::new();
    while let Some(process) = open.pop() {
        if !process.is_zombie && found.insert(process.id) {
            open.extend(children.get(&process.id.pid).into_iter().flatten());
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_whole_entry_and_a_daemons_is_a_prefix() {
        let environment = format!("A=1\0{MARKER}=d-12\0B=2\0").into_bytes();
        assert!(Mark::of_host("d-12").is_in(&environment));
        assert!(!Mark::of_host("d-1").is_in(&environment));
        assert!(Mark::of_daemon("d").is_in(&environment));
        assert!(!Mark::of_daemon("e").is_in(&environment));
        assert!(!Mark::of_daemon("d").is_in(format!("X={MARKER}=d-12\0").as_bytes()));
    }
}
