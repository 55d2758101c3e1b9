//! How many processes may live, and whom to retire for a newcomer.
//!
//! A session asks for a [`Place`] before it opens a process and drops it when that is reaped. While all places are taken
//! the session that has been idle longest is asked to retire; when all are busy the newcomers stand in line.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

/// The places of one daemon.
#[derive(Debug, Clone)]
pub struct Capacity {
    // A lock, not a task: each call is a few map operations, and a place must be given back from a Drop.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    max_live: usize,
    taken: usize,
    line: VecDeque<oneshot::Sender<Place>>,
    clock: u64,
    members: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    retire: Arc<Notify>,
    /// Set while the member's process is idle: since when, and whether it was asked to retire.
    idle: Option<(u64, bool)>,
}

/// The right to one live process. Dropping it gives the place to the next in line.
#[derive(Debug)]
pub struct Place {
    capacity: Option<Capacity>,
}

/// A session, as far as the capacity knows it.
#[derive(Debug)]
pub(super) struct Member {
    capacity: Capacity,
    id: u64,
    retire: Arc<Notify>,
}

impl Capacity {
    /// Room for `max_live` processes, at least one.
    pub fn new(max_live: usize) -> Self {
        let inner =
            Inner { max_live: max_live.max(1), taken: 0, line: VecDeque::new(), clock: 0, members: HashMap::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Processes that live, or are about to.
    pub fn live(&self) -> usize {
        self.lock().taken
    }

    pub(super) fn join(&self) -> Member {
        let mut inner = self.lock();
        inner.clock += 1;
        let id = inner.clock;
        let retire = Arc::new(Notify::new());
        inner.members.insert(id, Entry { retire: retire.clone(), idle: None });
        Member { capacity: self.clone(), id, retire }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self) {
        loop {
            let mut inner = self.lock();
            let Some(next) = inner.line.pop_front() else {
                inner.taken -= 1;
                return;
            };
            drop(inner);
            // Outside the lock, for a place that nobody takes is dropped, and that is a call of this function.
            match next.send(Place { capacity: Some(self.clone()) }) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.capacity = None,
            }
        }
    }
}

impl Inner {
    /// Asks as many idle members to retire as stand in line, those first that have been idle longest.
    fn rebalance(&mut self) {
        self.line.retain(|waiting| !waiting.is_closed());
        let asked = self.members.values().filter(|m| matches!(m.idle, Some((_, true)))).count();
        for _ in asked..self.line.len() {
            let idle = self.members.values_mut().filter_map(|member| match &mut member.idle {
                Some((since, asked @ false)) => Some((*since, asked, &member.retire)),
                _ => None,
            });
            let Some((_, asked, retire)) = idle.min_by_key(|(since, ..)| *since) else { return };
            *asked = true;
            retire.notify_one();
        }
    }
}

impl Member {
    /// A place, or a ticket for the line.
    pub(super) fn acquire(&self) -> Result<Place, oneshot::Receiver<Place>> {
        let mut inner = self.capacity.lock();
        if inner.taken < inner.max_live {
            inner.taken += 1;
            return Ok(Place { capacity: Some(self.capacity.clone()) });
        }
        let (sender, ticket) = oneshot::channel();
        inner.line.push_back(sender);
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
            capacity.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_longest_idle_is_asked_and_its_place_goes_to_the_first_in_line() {
        let capacity = Capacity::new(2);
        let (a, b, c) = (capacity.join(), capacity.join(), capacity.join());
        let (place_a, place_b) = (a.acquire().unwrap(), b.acquire().unwrap());
        b.mark_idle(true);
        a.mark_idle(true);
        let mut ticket = c.acquire().unwrap_err();
        assert!(b.retire().now_or_never().is_some(), "b has been idle longer");
        assert!(a.retire().now_or_never().is_none(), "one newcomer, one asked");
        drop(place_b);
        let place_c = ticket.try_recv().unwrap();
        assert_eq!(capacity.live(), 2);
        drop((place_a, place_c));
        assert_eq!(capacity.live(), 0);
    }

    #[test]
    fn a_member_that_becomes_busy_is_replaced_by_the_next_idle_one() {
        let capacity = Capacity::new(2);
        let (a, b, c) = (capacity.join(), capacity.join(), capacity.join());
        let _places = (a.acquire().unwrap(), b.acquire().unwrap());
        a.mark_idle(true);
        let ticket = c.acquire().unwrap_err();
        a.mark_idle(false);
        b.mark_idle(true);
        assert!(b.retire().now_or_never().is_some(), "the line is still there");
        drop(ticket);
        a.mark_idle(true);
        assert!(a.retire().now_or_never().is_none(), "what a was asked for is long over");
    }

    #[test]
    fn a_ticket_that_was_dropped_keeps_no_place() {
        let capacity = Capacity::new(1);
        let (a, b) = (capacity.join(), capacity.join());
        let place = a.acquire().unwrap();
        drop(b.acquire().unwrap_err());
        drop(place);
        assert_eq!(capacity.live(), 0);
        assert!(b.acquire().is_ok());
    }
}
