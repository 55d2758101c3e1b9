//! What is to be seen of sessions and turns while they run, and for a while after.

use super::Registry;
use crate::protocol::{SessionKey, TenantId, TurnId};
use crate::session::journal::WatchError;
use crate::session::observer::Observer;
use crate::session::turns::TurnView;

impl Registry {
    /// Watches a session: what comes after event `after`, or from now on.
    ///
    /// # Errors
    /// When there is no such session, or `after` is in the future.
    pub fn watch(&self, key: &SessionKey, after: Option<u64>) -> Result<Observer, WatchError> {
        let last = self.last_seq(key).ok_or(WatchError::Unknown)?;
        self.inner.journal.watch(key, last, after)
    }

    /// Watches a turn: what comes after event `after`, or from its beginning; up to its ending.
    ///
    /// # Errors
    /// When nothing is known of such a turn, or `after` is in the future.
    pub fn watch_turn(&self, tenant: &TenantId, turn: TurnId, after: Option<u64>) -> Result<Observer, WatchError> {
        self.inner.journal.watch_turn(tenant, turn, after)
    }

    /// A turn, as far as it is known.
    pub fn turn(&self, tenant: &TenantId, turn: TurnId) -> Option<TurnView> {
        self.inner.journal.turn(tenant, turn)
    }

    /// The turns that are known of a session, oldest first; none when there is no such session.
    pub fn turns(&self, key: &SessionKey) -> Option<Vec<TurnView>> {
        self.last_seq(key).map(|_| self.inner.journal.turns(key))
    }

    /// The number of the session's last event that the store knows of; none when there is no such session.
    fn last_seq(&self, key: &SessionKey) -> Option<u64> {
        let record = self.inner.config.store.load(key);
        record.map(|record| record.seq).or_else(|| self.inner.tasks.contains_key(key).then_some(0))
    }
}
