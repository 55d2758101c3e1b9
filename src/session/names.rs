//! The names that callers give to requests (`Idempotency-Key`): under each there is one turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::{DashMap, Entry};
use tokio::sync::watch;

use crate::protocol::{Idempotency, TenantId, TurnId};

/// Names that are remembered; past that the oldest are forgotten, which leaves time for any retry.
const NAMES_MAX: usize = 10_000;

type Name = Arc<(TenantId, String)>;

/// All names.
#[derive(Debug, Default)]
pub(super) struct Names {
    named: DashMap<Name, Named>,
    /// Oldest first.
    order: Mutex<VecDeque<Name>>,
}

#[derive(Debug)]
struct Named {
    digest: u64,
    turn: TurnId,
    taken: watch::Receiver<Option<bool>>,
}

/// What becomes of a name.
pub(super) enum Claim {
    /// It is new, and this turn's.
    Mine(Mine),
    /// It is that of a request which says the same.
    Theirs(Theirs),
    /// It is another request's.
    Taken,
}

/// To be told whether the turn was accepted.
pub(super) struct Mine(watch::Sender<Option<bool>>);

/// A turn that may not be accepted yet.
pub(super) struct Theirs {
    pub(super) turn: TurnId,
    taken: watch::Receiver<Option<bool>>,
}

impl Names {
    /// Names a turn, if no other has that name.
    pub(super) fn claim(&self, tenant: &TenantId, name: &Idempotency, turn: TurnId) -> Claim {
        let key = Arc::new((tenant.clone(), name.key.clone()));
        let sender = match self.named.entry(key.clone()) {
            Entry::Occupied(entry) if entry.get().digest != name.digest => return Claim::Taken,
            Entry::Occupied(entry) => {
                return Claim::Theirs(Theirs { turn: entry.get().turn, taken: entry.get().taken.clone() });
            }
            Entry::Vacant(entry) => {
                let (sender, taken) = watch::channel(None);
                entry.insert(Named { digest: name.digest, turn, taken });
                sender
            }
        };
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.push_back(key);
        while order.len() > NAMES_MAX {
            if let Some(oldest) = order.pop_front() {
                self.named.remove(&oldest);
            }
        }
        Claim::Mine(Mine(sender))
    }

    /// The turn of that name is none: the name is free.
    pub(super) fn release(&self, tenant: &TenantId, name: &Idempotency, turn: TurnId) {
        let key = Arc::new((tenant.clone(), name.key.clone()));
        self.named.remove_if(&key, |_, named| named.turn == turn);
    }
}

impl Mine {
    /// Says whether the session took the turn.
    pub(super) fn settle(self, taken: bool) {
        self.0.send_replace(Some(taken));
    }
}

impl Theirs {
    /// The turn, once it is known; none if the session did not take it. When the submitter left before it heard of that, the
    /// journal has to say.
    pub(super) async fn accepted(&mut self) -> Option<TurnId> {
        let refused = self.taken.wait_for(Option::is_some).await.is_ok_and(|taken| *taken == Some(false));
        (!refused).then_some(self.turn)
    }
}
