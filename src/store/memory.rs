//! Records in memory: they end with the daemon.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{SessionRecord, SessionStore};
use crate::protocol::{SessionKey, TenantId, ThreadId};

/// A bounded store: past its bound the record that was saved longest ago gives way, unnamed ones first, with a warning
/// where a named one is lost.
#[derive(Debug)]
pub struct MemoryStore {
    records_max: usize,
    // A lock, not a task: every call is a few map operations, and readers of `/v1/sessions` must not wait for a queue.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    clock: u64,
    records: HashMap<SessionKey, (u64, SessionRecord)>,
    /// By (named, time of the last save): the first is the next to go.
    order: BTreeMap<(bool, u64), SessionKey>,
}

impl MemoryStore {
    /// A store for at most `records_max` sessions, at least one.
    pub fn new(records_max: usize) -> Self {
        Self { records_max: records_max.max(1), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic inside left at worst one record out of the order; the rest stands.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, key: &SessionKey) -> Option<SessionRecord> {
        let (at, record) = self.records.remove(key)?;
        self.order.remove(&(!record.unnamed, at));
        Some(record)
    }
}

impl SessionStore for MemoryStore {
    fn load(&self, key: &SessionKey) -> Option<SessionRecord> {
        self.lock().records.get(key).map(|(_, record)| record.clone())
    }

    fn save(&self, record: SessionRecord) {
        let mut inner = self.lock();
        inner.take(&record.key);
        if inner.records.len() >= self.records_max
            && let Some((&(named, _), key)) = inner.order.first_key_value()
        {
            let key = key.clone();
            inner.take(&key);
            if named {
                tracing::warn!(session = %key, records_max = self.records_max, "forgot the oldest session: sessions.records_max is reached");
            }
        }
        inner.clock += 1;
        let at = inner.clock;
        inner.order.insert((!record.unnamed, at), record.key.clone());
        inner.records.insert(record.key.clone(), (at, record));
    }

    fn remove(&self, key: &SessionKey) {
        self.lock().take(key);
    }

    fn list(&self, tenant: &TenantId) -> Vec<SessionRecord> {
        let inner = self.lock();
        let mut records: Vec<_> =
            inner.records.values().map(|(_, record)| record).filter(|r| r.key.tenant() == tenant).cloned().collect();
        drop(inner);
        records.sort_by(|a, b| a.key.cmp(&b.key));
        records
    }

    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> bool {
        // All are looked at, for hardly any request names a thread.
        let inner = self.lock();
        inner.records.values().any(|(_, r)| r.thread.as_ref() == Some(thread) && r.key.tenant() != tenant)
    }

    fn len(&self) -> usize {
        self.lock().records.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BackendId;

    fn record(key: &str, unnamed: bool) -> SessionRecord {
        SessionRecord {
            key: SessionKey::parse(TenantId::local(), key).unwrap(),
            backend: BackendId::new("claude-code"),
            driver: "claude-stream".into(),
            thread: None,
            directory: "/".into(),
            instructions: None,
            generation: 0,
            boundary: None,
            seq: 0,
            turns: 0,
            answered: false,
            overrides: crate::protocol::Overrides::default(),
            allowed: std::collections::BTreeSet::new(),
            closed: false,
            unnamed,
        }
    }

    #[test]
    fn the_oldest_unnamed_record_gives_way_first() {
        let store = MemoryStore::new(3);
        for (key, unnamed) in [("a", false), ("b", true), ("c", false), ("d", false)] {
            store.save(record(key, unnamed));
        }
        let keys: Vec<_> = store.list(&TenantId::local()).iter().map(|r| r.key.to_string()).collect();
        assert_eq!(keys, ["a", "c", "d"]);
        store.save(record("a", false));
        store.save(record("e", false));
        let keys: Vec<_> = store.list(&TenantId::local()).iter().map(|r| r.key.to_string()).collect();
        assert_eq!(keys, ["a", "d", "e"], "c was saved longest ago");
    }

    #[test]
    fn tenants_do_not_meet() {
        let store = MemoryStore::new(3);
        store.save(record("a", false));
        assert!(store.list(&TenantId::new("alice").unwrap()).is_empty());
        assert!(store.load(&SessionKey::parse(TenantId::new("alice").unwrap(), "a").unwrap()).is_none());
    }
}
