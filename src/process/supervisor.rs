//! The handle that everything else is reached through, and what happens after an exit.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::Signal as Number;
use nix::unistd::getpid;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::child::Child;
use super::descendants;
use super::error::{ProcessError, SpawnError};
use super::guard::Ward;
use super::ladder::{self, StopLadder};
use super::os;
use super::other::ProcessName;
use super::records::Records;
use super::spawner::{self, Request, SpawnRequest};
use super::sweep::{self, SweepReport};
use super::table::{Registered, Table, lock};

/// Requests that may wait for the spawner thread: as many as hosts are ever started at once. Later ones wait in
/// `spawn`, which is to be limited by its caller.
const REQUESTS_MAX: usize = 64;

/// How a supervisor behaves.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// Become the parent of orphaned descendants (Linux), and reap *every* child of this process. For a daemon: in a
    /// program with other children, their exits would be taken away from it. At most one such supervisor a process.
    pub adopt_orphans: bool,
    /// Where records for [`Supervisor::sweep`] go. Created with mode 700; must belong to the user alone. None: no
    /// records.
    pub records_dir: Option<PathBuf>,
    /// The ladder for children that are dropped without [`Child::stop`].
    pub abandoned: StopLadder,
    /// How long what a child leaves behind has between SIGTERM and SIGKILL.
    pub survivors_term: Duration,
}

impl Default for SupervisorConfig {
    /// Adopts nothing, records nothing, the usual ladder, 2 s for survivors.
    fn default() -> Self {
        Self {
            adopt_orphans: false,
            records_dir: None,
            abandoned: StopLadder::default(),
            survivors_term: Duration::from_secs(2),
        }
    }
}

/// Starts children and answers for them. Clones are handles to the same; when the last handle and the last [`Child`]
/// are gone, whatever still runs is killed.
#[derive(Clone, Debug)]
pub struct Supervisor {
    requests: mpsc::Sender<Request>,
    core: Arc<Core>,
}

/// What [`Supervisor::shutdown`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Children that were running still and got SIGTERM.
    pub terminated: usize,
    /// Those of them that had to be killed.
    pub killed: usize,
    /// Pids that could not be ended. Normally none.
    pub left: Vec<i32>,
}

impl Supervisor {
    /// Starts the thread that forks and the task that listens for exits, on the current tokio runtime.
    pub fn start(config: SupervisorConfig) -> Result<Self, ProcessError> {
        let runtime = Handle::try_current().map_err(|_| ProcessError::NoRuntime)?;
        let exits = signal(SignalKind::child()).map_err(ProcessError::Signals)?;
        let instance = Uuid::new_v4().simple().to_string();
        let records =
            config.records_dir.as_deref().map(|path| Records::open(path, &instance).map(Arc::new)).transpose()?;
        if config.adopt_orphans {
            os::become_subreaper().map_err(ProcessError::Adopt)?;
        }
        let core = Arc::new(Core {
            config,
            table: Arc::new(Table::new()),
            records,
            runtime,
            instance,
            hosts_started: AtomicU64::new(0),
        });
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let (ended, has_ended) = oneshot::channel();
        spawner::start(Arc::clone(&core), queue, ended).map_err(ProcessError::Thread)?;
        core.runtime.spawn(pass_on_exits(exits, requests.downgrade(), has_ended));
        Ok(Self { requests, core })
    }

    /// Starts a child in a process group of its own, with pipes for its standard streams, and returns when its program
    /// runs. Dropping the future while it waits ends the child.
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Child, SpawnError> {
        let program = request.program.clone();
        let (answer, answered) = oneshot::channel();
        let request = Request::Spawn(Box::new(request), answer);
        self.requests.send(request).await.map_err(|_| SpawnError::ShuttingDown)?;
        let started = answered.await.map_err(|_| SpawnError::ShuttingDown)??;
        Child::new(self.clone(), started).map_err(|source| SpawnError::Other { program, source })
    }

    /// Ends what daemons that died without cleaning up have left running, going by their records; children of living
    /// daemons are not touched. Takes a few seconds at most for each dead daemon. Without records it does nothing.
    pub async fn sweep(&self) -> Result<SweepReport, ProcessError> {
        match &self.core.records {
            Some(records) => sweep::run(records.root(), self.core.config.survivors_term).await,
            None => Ok(SweepReport::default()),
        }
    }

    /// Spawns nothing more, sends SIGTERM to what still runs, kills what runs still after `grace`, and returns when all
    /// is reaped and nothing of it is left; a few seconds after `grace` it gives up and reports what would not go.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.core.table.close();
        // A fork that is under way is registered when the barrier is passed.
        let (passed, is_passed) = oneshot::channel();
        if self.requests.send(Request::Barrier(passed)).await.is_ok() {
            let _ = is_passed.await;
        }
        let table = &self.core.table;
        let told = table.running().into_iter().filter(|child| table.signal(child, Number::SIGTERM)).count();
        let in_time = timeout(grace, table.all_settled()).await.is_ok();
        let stubborn = if in_time { Vec::new() } else { table.running() };
        join_all(stubborn.iter().map(|child| ladder::kill(&self.core, child))).await;
        let gone_within = self.core.config.survivors_term + ladder::KILLED_WAIT;
        let _ = timeout(gone_within, table.all_settled()).await;
        let mut left: Vec<i32> = table.running().iter().map(|child| child.id.pid).collect();
        if self.core.config.adopt_orphans {
            left.extend(self.core.end_adopted().await);
        }
        if let Some(records) = &self.core.records
            && left.is_empty()
        {
            records.close();
        }
        ShutdownReport { terminated: told, killed: stubborn.len(), left }
    }

    /// How many children are running.
    pub fn running_count(&self) -> usize {
        self.core.table.running().len()
    }

    /// How many adopted orphans have been reaped so far.
    pub fn adopted_count(&self) -> u64 {
        *self.core.table.adopted().borrow()
    }

    /// What the guard of this process has to know.
    pub fn ward(&self) -> Ward {
        let records = self.core.config.records_dir.clone();
        Ward { daemon: ProcessName::own(), instance: self.core.instance.clone(), records }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

/// What the handles, the spawner thread and the tasks share. It holds no sender of requests: those keep the thread alive.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: SupervisorConfig,
    pub(super) table: Arc<Table>,
    pub(super) records: Option<Arc<Records>>,
    pub(super) runtime: Handle,
    instance: String,
    hosts_started: AtomicU64,
}

impl Core {
    /// An id that no other child ever had.
    pub(super) fn next_host_id(&self) -> String {
        format!("{}-{}", self.instance, self.hosts_started.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells of an exit, and has what the child left behind ended.
    pub(super) fn exited(self: &Arc<Self>, child: &Arc<Registered>, status: ExitStatus) {
        tracing::debug!(pid = child.id.pid, label = child.label, %status, "a process has ended");
        child.exit.send_replace(Some(status));
        let settling = Settling { core: Arc::clone(self), child: Arc::clone(child), descendants_ended: 0 };
        self.runtime.spawn(settling.run());
    }

    /// Ends all that this process has become the parent of, whoever started it.
    async fn end_adopted(&self) -> Vec<i32> {
        let me = getpid().as_raw();
        let ours = os::processes().into_iter().filter(|process| process.parent == me && !process.is_zombie);
        let running: Vec<i32> = self.table.running().iter().map(|child| child.id.pid).collect();
        let orphans = ours.map(|process| process.id).filter(|id| !running.contains(&id.pid)).collect();
        descendants::end(orphans, None, Some(self.config.survivors_term)).await.left
    }
}

/// A child that has exited, and descendants of which may live. Settles it when dropped, so that nobody waits for ever
/// when a runtime ends early.
struct Settling {
    core: Arc<Core>,
    child: Arc<Registered>,
    descendants_ended: usize,
}

impl Settling {
    async fn run(mut self) {
        let known = std::mem::take(&mut *lock(&self.child.known));
        let is_condemned = self.child.is_condemned.load(Ordering::Relaxed);
        let gentle = (!is_condemned).then_some(self.core.config.survivors_term);
        let ended = descendants::end(known, Some(self.child.mark()), gentle).await;
        self.descendants_ended = ended.count;
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(records) = &self.core.records {
            records.remove(&self.child);
        }
        self.core.table.settle(&self.child, self.descendants_ended);
    }
}

/// Tells the spawner thread of every SIGCHLD. Several at once are one to it.
async fn pass_on_exits(mut exits: Signal, requests: mpsc::WeakSender<Request>, mut has_ended: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut has_ended => return,
            heard = exits.recv() => if heard.is_none() { return },
        }
        let Some(requests) = requests.upgrade() else { return };
        if requests.send(Request::Reap).await.is_err() {
            return;
        }
    }
}
