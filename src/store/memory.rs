//! Everything in memory: it ends with the daemon.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{
    AcceptedTurn, EventStore, Rerun, SessionRecord, StoreError, StoreProgress, TurnQuery, TurnRecord, Unfinished, Write,
};
use crate::protocol::{EventKind, Logged, SessionKey, TenantId, ThreadId, TurnId};

/// A bounded store. Past its bound on sessions the one that was saved longest ago gives way, unnamed ones first, with a
/// warning where a named one is lost; one that has a turn without an ending stays. Past that on events the oldest give way,
/// and turns with their endings.
#[derive(Debug)]
pub struct MemoryStore {
    sessions_max: usize,
    events_bytes: usize,
    // A lock, not a task: every call is a few map operations, and readers must not wait for a queue.
    inner: Mutex<Inner>,
    progress: watch::Sender<StoreProgress>,
}

#[derive(Debug, Default)]
struct Inner {
    clock: u64,
    sessions: HashMap<SessionKey, (u64, SessionRecord)>,
    /// By (named, time of the last save): the first is the next to go.
    order: BTreeMap<(bool, u64), SessionKey>,
    turns: HashMap<TurnId, Turn>,
    names: HashMap<(TenantId, String), TurnId>,
    events: HashMap<SessionKey, VecDeque<Arc<Logged>>>,
    /// Whose event is the next to go.
    ages: VecDeque<SessionKey>,
    bytes: usize,
}

#[derive(Debug)]
struct Turn {
    record: TurnRecord,
    given: bool,
    name: Option<(String, u64)>,
    rerun: Option<Rerun>,
}

impl MemoryStore {
    /// A store for at most `sessions_max` sessions, at least one, and events of at most `events_bytes` bytes, about.
    pub fn new(sessions_max: usize, events_bytes: usize) -> Self {
        let (inner, progress) = (Mutex::default(), watch::Sender::default());
        Self { sessions_max: sessions_max.max(1), events_bytes, inner, progress }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic inside left at worst one record out of the order; the rest stands.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventStore for MemoryStore {
    fn write(&self, writes: Vec<Write>) -> u64 {
        let mut inner = self.lock();
        for write in writes {
            inner.write(write, self.sessions_max);
        }
        inner.make_room(self.events_bytes);
        drop(inner);
        // Kept already, whatever its number.
        self.progress.borrow().kept
    }

    fn progress(&self) -> watch::Receiver<StoreProgress> {
        self.progress.subscribe()
    }

    fn session(&self, key: &SessionKey) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.lock().sessions.get(key).map(|(_, record)| record.clone()))
    }

    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionRecord>, StoreError> {
        let inner = self.lock();
        let records = inner.sessions.values().map(|(_, record)| record);
        let mut records: Vec<_> = records.filter(|record| record.key.tenant() == tenant).cloned().collect();
        drop(inner);
        records.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(records)
    }

    fn sessions_len(&self) -> usize {
        self.lock().sessions.len()
    }

    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> Result<bool, StoreError> {
        // All are looked at, for hardly any request names a thread.
        let inner = self.lock();
        let mut records = inner.sessions.values().map(|(_, record)| record);
        Ok(records.any(|record| record.thread.as_ref() == Some(thread) && record.key.tenant() != tenant))
    }

    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        let inner = self.lock();
        let turn = inner.turns.get(&turn).filter(|turn| turn.record.session.tenant() == tenant);
        Ok(turn.map(|turn| turn.record.clone()))
    }

    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        let inner = self.lock();
        let before = query.before.and_then(|turn| inner.turns.get(&turn)).map(|turn| turn.record.order());
        let mut found: Vec<_> =
            inner.turns.values().map(|turn| &turn.record).filter(|turn| query.means(turn)).collect();
        found.retain(|turn| before.is_none_or(|before| turn.order() < before));
        found.sort_by_key(|turn| std::cmp::Reverse(turn.order()));
        Ok(found.into_iter().take(query.limit).cloned().collect())
    }

    fn events(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError> {
        let inner = self.lock();
        let Some(events) = inner.events.get(key) else { return Ok(Vec::new()) };
        let first = events.partition_point(|logged| logged.seq <= after);
        Ok(events.range(first..).take(max).cloned().collect())
    }

    fn named(&self, tenant: &TenantId, name: &str) -> Result<Option<(TurnId, u64)>, StoreError> {
        let inner = self.lock();
        let turn = inner.names.get(&(tenant.clone(), name.to_owned())).copied();
        let digest = turn.and_then(|turn| inner.turns.get(&turn)?.name.as_ref().map(|(_, digest)| *digest));
        Ok(turn.zip(digest))
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let inner = self.lock();
        let open = inner.turns.values().filter(|turn| turn.record.ended_at.is_none());
        let mut open: Vec<_> = open
            .map(|turn| Unfinished { turn: turn.record.clone(), given: turn.given, rerun: turn.rerun.clone() })
            .collect();
        drop(inner);
        open.sort_by_key(|open| open.turn.order());
        Ok(open)
    }
}

impl Inner {
    fn write(&mut self, write: Write, sessions_max: usize) {
        match write {
            Write::Session(record) => self.save(*record, sessions_max),
            Write::Forget(key) => self.forget(&key),
            Write::Accepted(accepted) => {
                let AcceptedTurn { turn, name, rerun } = *accepted;
                let name = name.map(|name| {
                    self.names.insert((turn.session.tenant().clone(), name.key.clone()), turn.id);
                    (name.key, name.digest)
                });
                self.turns.insert(turn.id, Turn { record: turn, given: false, name, rerun });
            }
            Write::Given(turn) => {
                if let Some(turn) = self.turns.get_mut(&turn) {
                    (turn.given, turn.rerun) = (true, None);
                }
            }
            Write::Event(logged) => {
                // Its turn may be gone with its session.
                let Some(turn) = self.turns.get_mut(&logged.turn) else { return };
                turn.record.take(&logged);
                if turn.record.ended_at.is_some() {
                    turn.rerun = None;
                }
                let session = turn.record.session.clone();
                self.bytes += logged.kind.bytes();
                self.ages.push_back(session.clone());
                self.events.entry(session).or_default().push_back(logged);
            }
            Write::Unread(turn) => {
                if let Some(turn) = self.turns.get_mut(&turn) {
                    turn.record.is_unread = true;
                }
            }
        }
    }

    fn save(&mut self, record: SessionRecord, sessions_max: usize) {
        self.take(&record.key);
        if self.sessions.len() >= sessions_max
            && let Some((&(named, _), key)) = self.order.iter().find(|(_, key)| !self.is_busy(key))
        {
            let key = key.clone();
            self.forget(&key);
            if named {
                tracing::warn!(session = %key, sessions_max, "forgot the oldest session: sessions.records_max is reached");
            }
        }
        self.clock += 1;
        let at = self.clock;
        self.order.insert((!record.unnamed, at), record.key.clone());
        self.sessions.insert(record.key.clone(), (at, record));
    }

    /// Whether a turn of it has no ending.
    fn is_busy(&self, key: &SessionKey) -> bool {
        self.turns.values().any(|turn| turn.record.session == *key && turn.record.ended_at.is_none())
    }

    fn take(&mut self, key: &SessionKey) {
        if let Some((at, record)) = self.sessions.remove(key) {
            self.order.remove(&(!record.unnamed, at));
        }
    }

    fn forget(&mut self, key: &SessionKey) {
        self.take(key);
        let gone: Vec<_> = self.turns.values().filter(|t| t.record.session == *key).map(|t| t.record.id).collect();
        for turn in gone {
            self.forget_turn(turn);
        }
        // Their ages stay behind, and find nothing when their time comes.
        let events = self.events.remove(key).unwrap_or_default();
        self.bytes -= events.iter().map(|logged| logged.kind.bytes()).sum::<usize>();
    }

    fn forget_turn(&mut self, turn: TurnId) {
        if let Some(turn) = self.turns.remove(&turn)
            && let Some((name, _)) = turn.name
        {
            self.names.remove(&(turn.record.session.tenant().clone(), name));
        }
    }

    fn make_room(&mut self, events_bytes: usize) {
        while self.bytes > events_bytes
            && let Some(key) = self.ages.pop_front()
        {
            let Some(logged) = self.events.get_mut(&key).and_then(VecDeque::pop_front) else { continue };
            self.bytes -= logged.kind.bytes();
            if matches!(logged.kind, EventKind::Ended(_)) {
                self.forget_turn(logged.turn);
            }
        }
    }
}
