//! Which sessions serve calls, and which of them serves the next.
//!
//! A call needs a process of its kind and nothing that was said in it. Sessions with the keys `call::1`, `call::2` … are
//! there for that, for each tenant its own: a call takes one that nobody uses, the lowest number first, so that few are
//! kept warm. That it finds nothing there is not promised here but by the session itself, which each call tells so; what
//! is found here is only the session in which that takes least.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Job;
use crate::protocol::{BackendId, SessionKey, TenantId};

/// What calls have in common that one process can serve without being started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    backend: BackendId,
    directory: PathBuf,
    model: Option<String>,
    instructions: Option<String>,
}

/// What a session that serves calls is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Its process waits for a turn.
    Idle,
    /// Its process is about to forget the last one: that takes less time than to start another.
    Clearing,
    /// It has no process.
    Cold,
    /// It has a turn, or takes none.
    Busy,
}

/// Contexts of a tenant that are kept for a next call. Past it the one that was kept longest ago gives way.
const KEPT_MAX: usize = 64;

/// All sessions that serve calls.
#[derive(Debug, Default, Clone)]
pub(super) struct Pool(Arc<Mutex<HashMap<TenantId, Vec<Seat>>>>);

/// One session, in the order of their numbers, from 1.
#[derive(Debug, Default)]
struct Seat {
    /// Of the last call.
    kind: Option<Kind>,
    /// What the last call said is there for the next one.
    kept: bool,
    /// How many calls the sessions had been given when this one got its last.
    given: u64,
    /// A call is on its way to it.
    leased: bool,
}

/// A session that is nobody else's until the call has reached it.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Pool,
    tenant: TenantId,
    at: usize,
    /// The call is to see what the one before it has left.
    pub(super) goes_on: bool,
    /// There are others of the kind with a process.
    pub(super) is_spare: bool,
}

impl Kind {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            backend: job.spec.id.clone(),
            directory: job.directory.clone(),
            model: job.request.model.clone(),
            instructions: job.request.instructions.clone(),
        }
    }
}

impl Pool {
    /// A session for a call of this kind: the one whose context was kept for it, or one with a process of the kind, or any
    /// without a process, or a new one.
    pub(super) fn take(
        &self,
        tenant: &TenantId,
        kind: &Kind,
        standing: impl Fn(&SessionKey) -> Standing,
        is_open: impl Fn(&SessionKey) -> bool,
    ) -> Lease {
        let mut all = self.lock();
        let seats = all.entry(tenant.clone()).or_default();
        let is_kind = |seat: &Seat| seat.kind.as_ref() == Some(kind);
        let stands: Vec<Standing> = seats
            .iter()
            .enumerate()
            .map(|(at, seat)| if seat.leased { Standing::Busy } else { standing(&key(tenant, at)) })
            .collect();
        let find = |stands_so: Standing, fits: &dyn Fn(&Seat) -> bool| {
            let fits =
                |at: usize, seat: &Seat| fits(seat) && (stands_so != Standing::Cold || is_open(&key(tenant, at)));
            let mut all = seats.iter().zip(&stands).enumerate();
            all.find(|&(at, (seat, &stands))| stands == stands_so && fits(at, seat)).map(|(at, _)| at)
        };
        let is_kept = |seat: &Seat| seat.kept && is_kind(seat);
        let kept = find(Standing::Idle, &is_kept).or_else(|| find(Standing::Cold, &is_kept));
        let kept_ones = seats.iter().filter(|seat| seat.kept);
        let oldest = kept_ones.clone().map(|seat| seat.given).min().filter(|_| kept_ones.count() >= KEPT_MAX);
        let at = kept
            .or_else(|| find(Standing::Idle, &|seat| is_kind(seat) && !seat.kept))
            .or_else(|| find(Standing::Clearing, &|seat| is_kind(seat)))
            .or_else(|| find(Standing::Cold, &|seat| !seat.kept || Some(seat.given) == oldest))
            .unwrap_or(seats.len());
        let mut others = seats.iter().zip(&stands).enumerate().filter(|(other, _)| *other != at);
        let is_spare = others.any(|(_, (seat, &stands))| is_kind(seat) && stands != Standing::Cold);
        if at == seats.len() {
            seats.push(Seat::default());
        }
        if let Some(seat) = seats.get_mut(at) {
            seat.leased = true;
        }
        Lease { pool: self.clone(), tenant: tenant.clone(), at, goes_on: kept.is_some(), is_spare }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Vec<Seat>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The session.
    pub(super) fn key(&self) -> SessionKey {
        key(&self.tenant, self.at)
    }

    /// The session has the call.
    pub(super) fn given(&self, kind: Kind, keeps: bool) {
        self.change(|seat, before| (seat.kind, seat.kept, seat.given) = (Some(kind), keeps, before + 1));
    }

    fn change(&self, change: impl FnOnce(&mut Seat, u64)) {
        let mut all = self.pool.lock();
        let Some(seats) = all.get_mut(&self.tenant) else { return };
        let given = seats.iter().map(|seat| seat.given).max().unwrap_or_default();
        if let Some(seat) = seats.get_mut(self.at) {
            change(seat, given);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.change(|seat, _| seat.leased = false);
    }
}

fn key(tenant: &TenantId, at: usize) -> SessionKey {
    SessionKey::for_call(tenant.clone(), at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(instructions: &str) -> Kind {
        Kind {
            backend: BackendId::new("claude-code"),
            directory: "/srv".into(),
            model: None,
            instructions: Some(instructions.into()),
        }
    }

    /// Sessions that stand like this, the first of them has the number 1; those behind are cold.
    fn taken(pool: &Pool, wanted: &str, stands: &[Standing]) -> Lease {
        let tenant = TenantId::local();
        let standing = |of: &SessionKey| {
            let number: usize = of.chat().unwrap().parse().unwrap();
            stands.get(number - 1).copied().unwrap_or(Standing::Cold)
        };
        pool.take(&tenant, &kind(wanted), standing, |key| key.chat() != Some("13"))
    }

    fn chosen(pool: &Pool, wanted: &str, stands: &[Standing]) -> String {
        taken(pool, wanted, stands).key().to_string()
    }

    /// A pool whose sessions have served calls of these kinds.
    fn served(kinds: &[(&str, bool)]) -> Pool {
        let pool = Pool::default();
        let busy = vec![Standing::Busy; kinds.len()];
        for (name, keeps) in kinds {
            taken(&pool, name, &busy).given(kind(name), *keeps);
        }
        pool
    }

    use Standing::{Busy, Clearing, Cold, Idle};

    #[test]
    fn the_one_that_is_ready_first_is_taken() {
        let pool = served(&[("a", false), ("a", false), ("b", false), ("a", false)]);
        assert_eq!(chosen(&pool, "a", &[Busy, Clearing, Idle, Idle]), "call::4");
        assert_eq!(
            chosen(&pool, "a", &[Busy, Clearing, Idle, Cold]),
            "call::2",
            "what clears is sooner there than a start"
        );
        assert_eq!(chosen(&pool, "a", &[Busy, Busy, Idle, Cold]), "call::4", "another kind's process is no use");
        assert_eq!(chosen(&pool, "b", &[Cold, Idle, Idle, Idle]), "call::3");
        assert_eq!(chosen(&pool, "c", &[Idle, Cold, Idle, Idle]), "call::2", "without a process any will do");
        assert_eq!(chosen(&pool, "c", &[Idle, Idle, Idle, Idle]), "call::5");
    }

    #[test]
    fn calls_at_the_same_time_get_sessions_of_their_own() {
        let pool = served(&[("a", false)]);
        let first = taken(&pool, "a", &[Idle]);
        let second = taken(&pool, "a", &[Idle]);
        assert_eq!((first.key().to_string(), second.key().to_string()), ("call::1".into(), "call::2".into()));
        assert!(!first.is_spare && second.is_spare, "one of them is to stay");
        drop((first, second));
        assert_eq!(chosen(&pool, "a", &[Idle, Cold]), "call::1", "who was not given anything is free again");
    }

    #[test]
    fn what_was_kept_goes_to_its_own_kind_alone() {
        let pool = served(&[("a", false), ("a", true)]);
        let lease = taken(&pool, "a", &[Idle, Cold]);
        assert_eq!((lease.key().to_string(), lease.goes_on), ("call::2".into(), true));
        lease.given(kind("a"), false);
        drop(lease);
        assert_eq!(chosen(&pool, "a", &[Idle, Clearing]), "call::1");
        let pool = served(&[("a", true)]);
        assert_eq!(chosen(&pool, "b", &[Cold]), "call::2");
        assert_eq!(chosen(&pool, "a", &[Busy]), "call::2", "and to nobody while it is used");
    }

    #[test]
    fn kept_contexts_have_a_bound_and_closed_sessions_are_passed_by() {
        let names: Vec<String> = (0..KEPT_MAX).map(|number| number.to_string()).collect();
        let pool = served(&names.iter().map(|name| (name.as_str(), true)).collect::<Vec<_>>());
        assert_eq!(chosen(&pool, "new", &[]), "call::1", "the one that was kept longest ago");
        let lease = taken(&pool, "0", &[]);
        assert!(lease.goes_on, "it is still there when its own kind comes first");
        lease.given(kind("0"), true);
        drop(lease);
        assert_eq!(chosen(&pool, "new", &[]), "call::2");
        assert_eq!(chosen(&pool, "12", &[]), "call::2", "whoever closed the 13th session has closed its context");
    }
}
