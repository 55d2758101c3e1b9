//! Which sessions have a task, and how to reach it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::{DashMap, Entry};
use tokio::sync::{mpsc, oneshot, watch};

use super::actor::{Actor, Ends, INBOX_MAX, KEEP_MAX, Message, slow};
use super::capacity::Capacity;
use super::delivery::EventReader;
use super::journal::Journal;
use super::machine::{After, Denial, Job, Policy};
use super::names::Names;
use super::pool::Pool;
use crate::driver::TerminalSlot;
use crate::protocol::{SessionKey, TenantId, ThreadId, TurnId};
use crate::store::{EventStore, SessionRecord, StoreError, StoreProgress, Write};

mod calls;
mod restart;
mod submit;
mod views;

pub use restart::Restarted;

/// How often a submitter asks again when the task that it found was about to end. Each time there is a newer one; more
/// than two in a row would take a session that ends as often as it begins.
const MOVES_MAX: usize = 8;

/// What a [`Registry`] is made of.
pub struct RegistryConfig {
    /// The numbers that sessions go by.
    pub policy: Policy,
    /// How many processes may live.
    pub capacity: Capacity,
    /// Where records are kept.
    pub store: Arc<dyn EventStore>,
}

/// All sessions. Only those with a process or a turn have a task; the others are a record.
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    config: RegistryConfig,
    journal: Journal,
    names: Names,
    pool: Pool,
    tasks: DashMap<SessionKey, Handle>,
    generation: AtomicU64,
    closing: AtomicBool,
    /// How many tasks there are, for whoever waits until there is none.
    running: watch::Sender<usize>,
}

#[derive(Clone)]
struct Handle {
    generation: u64,
    inbox: mpsc::Sender<Message>,
    live: watch::Receiver<Live>,
    terminal: TerminalSlot,
}

/// What a session's task shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) state: &'static str,
    pub(super) queued: usize,
    pub(super) turn: Option<TurnId>,
    pub(super) pid: Option<u32>,
}

/// A turn that the session has taken.
#[derive(Debug)]
pub struct Accepted {
    /// Its id.
    pub turn: TurnId,
    /// The thread that it will belong to, as far as is known.
    pub thread: ThreadId,
    /// Its events.
    pub reader: EventReader,
    /// The thread may become another when the turn begins, which it is the next to do: the agent is yet to say that it knows it.
    pub is_provisional: bool,
    /// It was accepted before, for a request that this one repeats.
    pub is_joined: bool,
}

/// A turn that runs whether or not anybody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// What became of it.
    pub status: Status,
    /// Its id, or that of the turn which it steers.
    pub turn: TurnId,
    /// The thread that it will belong to, as far as is known.
    pub thread: ThreadId,
    /// Turns that go before it.
    pub depth: usize,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing goes before it.
    Started,
    /// It steers the turn that runs.
    Steered,
    /// It waits.
    Queued,
}

/// What became of the wish to stop a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// It has ended.
    Confirmed(TurnId),
    /// It was told to, and has not ended yet.
    Pending(TurnId),
    /// There is no such turn.
    NoTurn,
}

/// A session as people see it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// What lasts.
    pub record: SessionRecord,
    /// The state of its task; `not_loaded` without one.
    pub state: &'static str,
    /// Turns that wait.
    pub queued: usize,
    /// The turn that runs.
    pub turn: Option<TurnId>,
    /// Its process.
    pub pid: Option<u32>,
}

impl Registry {
    /// An empty registry over what the store holds.
    pub fn new(config: RegistryConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                journal: Journal::new(config.policy.limits.events_bytes, config.store.clone()),
                config,
                names: Names::default(),
                pool: Pool::default(),
                tasks: DashMap::new(),
                generation: AtomicU64::new(0),
                closing: AtomicBool::new(false),
                running: watch::Sender::new(0),
            }),
        }
    }

    /// Stops the running turn, or the one named, and waits for its end for at most `wait`.
    pub async fn interrupt(&self, key: &SessionKey, turn: Option<TurnId>, wait: Duration) -> Interrupted {
        let Some(handle) = self.find(key) else { return Interrupted::NoTurn };
        let (reply, answer) = oneshot::channel();
        let message = Message::Interrupt { turn, reply };
        if handle.inbox.send(message).await.is_err() {
            return Interrupted::NoTurn;
        }
        match answer.await {
            Ok(Some((turn, ended))) => match tokio::time::timeout(wait, ended).await {
                Ok(_) => Interrupted::Confirmed(turn),
                Err(_) => Interrupted::Pending(turn),
            },
            _ => Interrupted::NoTurn,
        }
    }

    /// Stops a turn whose session the caller does not name. Like [`Registry::interrupt`].
    pub async fn interrupt_turn(&self, tenant: &TenantId, turn: TurnId, wait: Duration) -> Interrupted {
        // A session knows its turns, and nobody else does: ask those that have any.
        let busy = |live: &Live| live.turn.is_some() || live.queued > 0;
        let tasks = self.inner.tasks.iter();
        let keys: Vec<SessionKey> = tasks
            .filter(|entry| entry.key().tenant() == tenant && busy(&entry.live.borrow()))
            .map(|entry| entry.key().clone())
            .collect();
        for key in keys {
            match self.interrupt(&key, Some(turn), wait).await {
                Interrupted::NoTurn => {}
                found => return found,
            }
        }
        Interrupted::NoTurn
    }

    /// Takes the session's thread away: its next turn begins a new one. False when there is no such session.
    ///
    /// # Errors
    /// When the store does not keep it; as for the other calls that end a session.
    pub async fn reset(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.finish(key, After::Reset, |mut record| {
            record.reset();
            Write::Session(Box::new(record))
        })
        .await
    }

    /// Closes the session: its turns end, and it takes nothing until it is reset. False when there is no such session.
    pub async fn seal(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.finish(key, After::Seal, |mut record| {
            record.closed = true;
            Write::Session(Box::new(record))
        })
        .await
    }

    /// Ends the session and forgets it, with all that happened in it. False when there is no such session.
    pub async fn close(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let closed = self.finish(key, After::Close, |record| Write::Forget(record.key)).await;
        self.inner.journal.forget(key);
        closed
    }

    /// The tenant's sessions, in the order of their keys.
    ///
    /// # Errors
    /// When they cannot be read; as for the other calls that ask for something.
    pub fn list(&self, tenant: &TenantId) -> Result<Vec<SessionView>, StoreError> {
        Ok(self.inner.config.store.sessions(tenant)?.into_iter().map(|record| self.view(record)).collect())
    }

    /// One session; none when there is no such.
    pub fn get(&self, key: &SessionKey) -> Result<Option<SessionView>, StoreError> {
        Ok(self.inner.config.store.session(key)?.map(|record| self.view(record)))
    }

    /// Whether a thread belongs to a session of somebody else than this tenant.
    pub fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> Result<bool, StoreError> {
        self.inner.config.store.is_anothers(tenant, thread)
    }

    /// Sessions that are known, turns that wait, and processes that live or are about to.
    pub fn counts(&self) -> (usize, usize, usize) {
        let queued = self.inner.tasks.iter().map(|entry| entry.live.borrow().queued).sum();
        (self.inner.config.store.sessions_len(), queued, self.inner.config.capacity.live())
    }

    /// How far the store has come, and its troubles.
    pub fn store_progress(&self) -> StoreProgress {
        self.inner.config.store.progress().borrow().clone()
    }

    /// Takes no more turns; those that wait end, those that run go on. See [`Registry::emptied`].
    pub fn shut_down(&self) {
        self.inner.closing.store(true, Ordering::Release);
        self.inner.tell_all(After::Shutdown);
    }

    /// Stops the turns that still run, too.
    pub fn shut_down_now(&self) {
        self.inner.closing.store(true, Ordering::Release);
        self.inner.tell_all(After::ShutdownNow);
    }

    /// Ends when no session has a task, and so none a process or a turn. Every wait of a session and of its driver is
    /// bounded, so after [`Registry::shut_down_now`] this ends.
    pub async fn emptied(&self) {
        // The sender lives in `self`.
        let _ = self.inner.running.subscribe().wait_for(|&running| running == 0).await;
        // Who watches is not to be waited for.
        self.inner.journal.end();
    }

    /// Has the session's task carry it out, or does it to the record of a session that has none.
    async fn finish(
        &self,
        key: &SessionKey,
        after: After,
        unloaded: impl Fn(SessionRecord) -> Write,
    ) -> Result<bool, StoreError> {
        let store = &self.inner.config.store;
        for _ in 0..MOVES_MAX {
            let handle = match self.inner.tasks.entry(key.clone()) {
                Entry::Occupied(entry) => Ok(entry.get().clone()),
                // The entry is locked meanwhile, so no task begins with the old record.
                Entry::Vacant(_entry) => {
                    let Some(record) = store.session(key)? else { return Ok(false) };
                    Err(store.write(vec![unloaded(record)]))
                }
            };
            let handle = match handle {
                Ok(handle) => handle,
                Err(number) => return until_kept(&**store, number).await.map(|()| true),
            };
            let (reply, done) = oneshot::channel();
            if handle.inbox.send(Message::Finish { after, reply }).await.is_err() {
                self.inner.unlist(key, handle.generation);
            } else if done.await.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the session's process runs and was ready; it may end at any moment.
    pub fn has_process(&self, key: &SessionKey) -> bool {
        self.inner.tasks.get(key).is_some_and(|entry| entry.live.borrow().pid.is_some())
    }

    fn find(&self, key: &SessionKey) -> Option<Handle> {
        self.inner.tasks.get(key).map(|entry| entry.value().clone())
    }

    /// The session's task; a new one where it has none. Two callers get the same.
    fn handle(&self, key: &SessionKey, first: impl FnOnce() -> SessionRecord) -> Result<Handle, Denial> {
        let entry = self.inner.tasks.entry(key.clone());
        // Read under the entry's lock: a shutdown says that it closes and then goes through the list, so a task that it
        // does not find there is not begun.
        if self.inner.closing.load(Ordering::Acquire) {
            return Err(Denial::ShuttingDown);
        }
        Ok(match entry {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => {
                let record = self.inner.config.store.session(key)?.unwrap_or_else(first);
                entry.insert(self.inner.start(record)).value().clone()
            }
        })
    }

    fn view(&self, record: SessionRecord) -> SessionView {
        let live = self.find(&record.key).map(|handle| handle.live.borrow().clone());
        let live = live.unwrap_or(Live { state: "not_loaded", queued: 0, turn: None, pid: None });
        SessionView { record, state: live.state, queued: live.queued, turn: live.turn, pid: live.pid }
    }
}

impl Inner {
    fn start(self: &Arc<Self>, record: SessionRecord) -> Handle {
        let key = &record.key.clone();
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let (inbox, messages) = mpsc::channel(INBOX_MAX);
        let (live_sender, live) = watch::channel(Live { state: "not_loaded", queued: 0, turn: None, pid: None });
        let unlist = {
            let (inner, key) = (self.clone(), key.clone());
            Box::new(move || inner.unlist(&key, generation)) as Box<dyn FnOnce() + Send>
        };
        let config = &self.config;
        let (policy, store) = (config.policy.clone(), config.store.clone());
        let journal = self.journal.writer(key, record.last_seq());
        let terminal = TerminalSlot::default();
        let ends = Ends { inbox: messages, live: live_sender, terminal: terminal.clone(), unlist };
        let actor = Actor::new(record, policy, store, journal, &config.capacity, ends);
        self.running.send_modify(|running| *running += 1);
        let counted = Counted(self.clone());
        tokio::spawn(async move {
            let _counted = counted;
            actor.run().await;
        });
        Handle { generation, inbox, live, terminal }
    }

    fn unlist(&self, key: &SessionKey, generation: u64) {
        self.tasks.remove_if(key, |_, handle| handle.generation == generation);
    }

    fn tell_all(&self, after: After) {
        let handles: Vec<Handle> = self.tasks.iter().map(|entry| entry.value().clone()).collect();
        for handle in handles {
            handle.tell(after);
        }
    }
}

impl Handle {
    /// Tells the task, behind whatever its inbox holds; nobody waits for the answer.
    fn tell(&self, after: After) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let (reply, _) = oneshot::channel();
            // A task that is gone has nothing to be told.
            let _ = inbox.send(Message::Finish { after, reply }).await;
        });
    }
}

/// What is known of a session when its first turn comes.
fn first_record(key: &SessionKey, job: &Job) -> SessionRecord {
    SessionRecord {
        unnamed: job.request.unnamed,
        ..SessionRecord::first(key, job.spec.id.clone(), job.driver.name(), job.directory.clone())
    }
}

/// Waits until the store has kept everything up to this number.
///
/// # Errors
/// When it does not.
async fn until_kept(store: &dyn EventStore, number: u64) -> Result<(), StoreError> {
    let mut progress = store.progress();
    let far_enough = progress.wait_for(|progress| progress.kept >= number || progress.trouble.is_some());
    match tokio::time::timeout(KEEP_MAX, far_enough).await {
        Ok(Ok(progress)) if progress.kept >= number => Ok(()),
        Ok(Ok(progress)) => Err(progress.trouble.clone().unwrap_or_else(slow)),
        Ok(Err(_)) | Err(_) => Err(slow()),
    }
}

/// Counts a task until it is gone, however it goes.
struct Counted(Arc<Inner>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}
