//! How many processes may live, and whom to retire for a newcomer.
//!
//! A session asks for a [`Place`] before it opens a process and drops it when that is reaped. While all places are taken
//! the session that has been idle longest is asked to retire; when all are busy the newcomers stand in line. A tenant
//! may have fewer places than there are: its newcomer then waits for one of its own, and those of others pass it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::protocol::{TenantId, Tenants};

/// The places of one daemon.
#[derive(Debug, Clone)]
pub struct Capacity {
    // A lock, not a task: each call is a few map operations, and a place must be given back from a Drop.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    max_live: usize,
    tenants: Tenants,
    taken: Taken,
    /// Never one who could have a place: that would be given at once.
    line: VecDeque<Waiting>,
    clock: u64,
    members: HashMap<u64, Entry>,
}

/// Places that are taken, all and by tenant; a tenant without any is not in there.
#[derive(Debug, Clone, Default)]
struct Taken {
    all: usize,
    of: HashMap<TenantId, usize>,
}

#[derive(Debug)]
struct Waiting {
    tenant: TenantId,
    ticket: oneshot::Sender<Place>,
}

#[derive(Debug)]
struct Entry {
    tenant: TenantId,
    retire: Arc<Notify>,
    /// Set while the member's process is idle: since when, and whether it was asked to retire.
    idle: Option<(u64, bool)>,
}

/// The right to one live process. Dropping it gives the place to the next in line.
#[derive(Debug)]
pub struct Place {
    /// None once the place is given back.
    capacity: Option<Capacity>,
    tenant: TenantId,
}

/// A session, as far as the capacity knows it.
#[derive(Debug)]
pub(super) struct Member {
    capacity: Capacity,
    tenant: TenantId,
    id: u64,
    retire: Arc<Notify>,
}

impl Capacity {
    /// Room for `max_live` processes, at least one, of which each tenant may have as many as its bounds say.
    pub fn new(max_live: usize, tenants: Tenants) -> Self {
        let (max_live, taken) = (max_live.max(1), Taken::default());
        let inner = Inner { max_live, tenants, taken, line: VecDeque::new(), clock: 0, members: HashMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Processes that live, or are about to.
    pub fn live(&self) -> usize {
        self.lock().taken.all
    }

    pub(super) fn join(&self, tenant: &TenantId) -> Member {
        let mut inner = self.lock();
        inner.clock += 1;
        let id = inner.clock;
        let retire = Arc::new(Notify::new());
        inner.members.insert(id, Entry { tenant: tenant.clone(), retire: retire.clone(), idle: None });
        Member { capacity: self.clone(), tenant: tenant.clone(), id, retire }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, tenant: &TenantId) {
        let mut inner = self.lock();
        inner.taken.remove(tenant);
        while let Some(Waiting { tenant, ticket }) = inner.next() {
            drop(inner);
            // Outside the lock, for a place that nobody takes is dropped, and that is a call of this function.
            let unwanted = ticket.send(Place { capacity: Some(self.clone()), tenant }).err();
            inner = self.lock();
            if let Some(mut place) = unwanted {
                place.capacity = None;
                inner.taken.remove(&place.tenant);
            }
        }
    }
}

impl Inner {
    /// Whether one more of this tenant may live.
    fn has_room(&self, tenant: &TenantId) -> bool {
        self.taken.all < self.max_live && self.has_room_of_its_own(&self.taken, tenant)
    }

    fn has_room_of_its_own(&self, taken: &Taken, tenant: &TenantId) -> bool {
        self.tenants.of(tenant).max_live.is_none_or(|max| taken.of.get(tenant).copied().unwrap_or(0) < max.max(1))
    }

    /// Takes the first out of the line who may have a place now, which counts as taken from here on.
    fn next(&mut self) -> Option<Waiting> {
        let at = self.line.iter().position(|waiting| self.has_room(&waiting.tenant))?;
        let waiting = self.line.remove(at)?;
        self.taken.add(&waiting.tenant);
        Some(waiting)
    }

    /// Asks as many idle members to retire as stand in line, those first that have been idle longest; for a newcomer whose
    /// tenant has all its places only members of that tenant.
    fn rebalance(&mut self) {
        self.line.retain(|waiting| !waiting.ticket.is_closed());
        if self.line.is_empty() {
            return;
        }
        let mut idle: Vec<_> = self.members.iter().filter_map(|(id, m)| Some((m.idle?, *id, &m.tenant))).collect();
        // Those that are on their way out already come first: their places are spoken for before others are asked.
        idle.sort_unstable_by_key(|((since, asked), ..)| (!asked, *since));
        let mut chosen = Vec::new();
        let mut taken = self.taken.clone();
        let mut choose = |of: Option<&TenantId>| {
            let at = idle.iter().position(|(.., tenant)| of.is_none_or(|of| of == *tenant));
            chosen.extend(at.map(|at| idle.remove(at).1));
        };
        let mut anyones = 0;
        for Waiting { tenant, .. } in &self.line {
            if self.has_room_of_its_own(&taken, tenant) {
                taken.add(tenant);
                anyones += 1;
            } else {
                choose(Some(tenant));
            }
        }
        for _ in 0..anyones {
            choose(None);
        }
        for id in chosen {
            if let Some(Entry { idle: Some((_, asked @ false)), retire, .. }) = self.members.get_mut(&id) {
                *asked = true;
                retire.notify_one();
            }
        }
    }
}

impl Taken {
    fn add(&mut self, tenant: &TenantId) {
        self.all += 1;
        *self.of.entry(tenant.clone()).or_default() += 1;
    }

    fn remove(&mut self, tenant: &TenantId) {
        self.all -= 1;
        if let Some(count) = self.of.get_mut(tenant) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(tenant);
            }
        }
    }
}

impl Member {
    /// A place, or a ticket for the line.
    pub(super) fn acquire(&self) -> Result<Place, oneshot::Receiver<Place>> {
        let mut inner = self.capacity.lock();
        if inner.has_room(&self.tenant) {
            inner.taken.add(&self.tenant);
            return Ok(Place { capacity: Some(self.capacity.clone()), tenant: self.tenant.clone() });
        }
        let (sender, ticket) = oneshot::channel();
        inner.line.push_back(Waiting { tenant: self.tenant.clone(), ticket: sender });
        inner.rebalance();
        Err(ticket)
    }

    /// Says whether this member's process could make room.
    pub(super) fn mark_idle(&self, idle: bool) {
        let mut inner = self.capacity.lock();
        inner.clock += 1;
        let now = inner.clock;
        if let Some(entry) = inner.members.get_mut(&self.id) {
            entry.idle = idle.then_some((now, false));
        }
        inner.rebalance();
    }

    /// Ends when this member is asked to retire, and still is: one that became busy meanwhile is not.
    pub(super) async fn retire(&self) {
        loop {
            self.retire.notified().await;
            if matches!(self.capacity.lock().members.get(&self.id), Some(Entry { idle: Some((_, true)), .. })) {
                return;
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut inner = self.capacity.lock();
        inner.members.remove(&self.id);
        inner.rebalance();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(capacity) = self.capacity.take() {
            capacity.give_back(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests;
