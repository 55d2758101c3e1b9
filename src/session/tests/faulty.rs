//! A store over one in memory, which keeps, and is read, when it is told to.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::protocol::{Logged, SessionKey, TenantId, ThreadId, TurnId};
use crate::store::{
    EventStore, MemoryStore, SessionRecord, StoreError, StoreProgress, TurnQuery, TurnRecord, Unfinished, Write,
};

/// What is kept outlives it, as a disk does.
#[derive(Debug)]
pub(super) struct FaultyStore {
    disk: Arc<MemoryStore>,
    progress: watch::Sender<StoreProgress>,
    state: Mutex<State>,
    /// Turns are read when it says so, once for each time.
    gate: Option<(watch::Sender<bool>, Mutex<Receiver<()>>)>,
}

/// Holds up whoever reads turns.
pub(super) struct Gate {
    reached: watch::Receiver<bool>,
    open: SyncSender<()>,
}

impl Gate {
    /// Ends when somebody is held up.
    pub(super) async fn reached(&self) {
        self.reached.clone().wait_for(|reached| *reached).await.expect("the store is there");
    }

    /// Lets one reading pass.
    pub(super) fn open(&self) {
        self.open.send(()).expect("the store is there");
    }
}

#[derive(Debug, Default)]
struct State {
    number: u64,
    held: Vec<Vec<Write>>,
    holds: bool,
    is_dead: bool,
}

impl FaultyStore {
    pub(super) fn over(disk: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self { disk, progress: watch::Sender::default(), state: Mutex::default(), gate: None })
    }

    /// One with a gate.
    pub(super) fn gated() -> (Gate, Arc<Self>) {
        let (open, opened) = sync_channel(1);
        let (reaches, reached) = watch::channel(false);
        let (disk, progress) = (Arc::new(MemoryStore::new(100, 1 << 20)), watch::Sender::default());
        let gate = Some((reaches, Mutex::new(opened)));
        (Gate { reached, open }, Arc::new(Self { disk, progress, state: Mutex::default(), gate }))
    }

    /// Keeps nothing from now on.
    pub(super) fn hold(&self) {
        self.state.lock().unwrap().holds = true;
    }

    /// Keeps what it was given meanwhile, and goes on.
    pub(super) fn go_on(&self) {
        let mut state = self.state.lock().unwrap();
        state.holds = false;
        for writes in std::mem::take(&mut state.held) {
            self.disk.write(writes);
        }
        let kept = state.number;
        self.progress.send_modify(|progress| *progress = StoreProgress { kept, ..StoreProgress::default() });
    }

    /// Says why it keeps nothing.
    pub(super) fn fail(&self, why: &str) {
        self.hold();
        self.progress.send_modify(|progress| progress.trouble = Some(StoreError::new(why)));
    }

    /// The daemon was killed: what comes now goes nowhere.
    pub(super) fn kill(&self) {
        let mut state = self.state.lock().unwrap();
        (state.is_dead, state.holds) = (true, true);
        state.held.clear();
    }

    fn sees<T>(&self, read: impl Fn(&MemoryStore) -> T) -> T {
        read(&self.disk)
    }
}

impl EventStore for FaultyStore {
    fn write(&self, writes: Vec<Write>) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.number += 1;
        if state.is_dead {
        } else if state.holds {
            state.held.push(writes);
        } else {
            self.disk.write(writes);
            let kept = state.number;
            self.progress.send_modify(|progress| progress.kept = kept);
        }
        state.number
    }

    fn progress(&self) -> watch::Receiver<StoreProgress> {
        self.progress.subscribe()
    }

    fn session(&self, key: &SessionKey) -> Result<Option<SessionRecord>, StoreError> {
        let state = self.state.lock().unwrap();
        // As the port has it: records are seen before they are kept.
        let mut known = self.sees(|disk| disk.session(key))?;
        for write in state.held.iter().flatten() {
            match write {
                Write::Session(record) if record.key == *key => known = Some((**record).clone()),
                Write::Forget(gone) if gone == key => known = None,
                _ => {}
            }
        }
        Ok(known)
    }

    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionRecord>, StoreError> {
        self.sees(|disk| disk.sessions(tenant))
    }

    fn sessions_len(&self) -> usize {
        self.sees(EventStore::sessions_len)
    }

    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> Result<bool, StoreError> {
        self.sees(|disk| disk.is_anothers(tenant, thread))
    }

    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.sees(|disk| disk.turn(tenant, turn))
    }

    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        if let Some((reached, opened)) = &self.gate {
            reached.send_replace(true);
            opened.lock().unwrap().recv().expect("the gate is there");
        }
        self.sees(|disk| disk.turns(query))
    }

    fn events(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError> {
        self.sees(|disk| disk.events(key, after, max))
    }

    fn named(&self, tenant: &TenantId, name: &str) -> Result<Option<(TurnId, u64)>, StoreError> {
        self.sees(|disk| disk.named(tenant, name))
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.sees(EventStore::unfinished)
    }
}
