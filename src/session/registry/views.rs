//! What is to be seen of sessions and turns while they run, and for a while after.

use super::Registry;
use std::sync::Arc;

use crate::driver::{NotSeated, Viewer};
use crate::protocol::{Logged, ScreenSize, SessionKey, TenantId, TurnId};
use crate::session::journal::WatchError;
use crate::session::observer::Observer;
use crate::store::{StoreError, TurnQuery, TurnRecord};

impl Registry {
    /// Watches a session: what comes after event `after`, or from now on.
    ///
    /// # Errors
    /// When there is no such session, or `after` is in the future.
    pub fn watch(&self, key: &SessionKey, after: Option<u64>) -> Result<Observer, WatchError> {
        let last = self.last_seq(key)?.ok_or(WatchError::Unknown)?;
        self.inner.journal.watch(key, last, after)
    }

    /// Watches a turn: what comes after event `after`, or from its beginning; up to its ending.
    ///
    /// # Errors
    /// When nothing is known of such a turn, or `after` is in the future.
    pub fn watch_turn(&self, tenant: &TenantId, turn: TurnId, after: Option<u64>) -> Result<Observer, WatchError> {
        self.inner.journal.watch_turn(tenant, turn, after)
    }

    /// Attaches to the terminal of the session's process. See [`crate::driver::TerminalSlot::attach`].
    ///
    /// # Errors
    /// When there is none, or as many watch it as may.
    pub async fn attach(
        &self,
        key: &SessionKey,
        size: Option<ScreenSize>,
        keyboard: bool,
    ) -> Result<Viewer, NotSeated> {
        let handle = self.find(key).ok_or(NotSeated::Empty)?;
        handle.terminal.attach(size, keyboard).await
    }

    /// A turn, as far as it is known.
    ///
    /// # Errors
    /// When it cannot be read; as for what follows.
    pub fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.inner.journal.turn(tenant, turn)
    }

    /// The turns that a query means, newest first.
    pub fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        self.inner.journal.turns(query)
    }

    /// A session's events with numbers above `after`, oldest first, at most `max`: what is kept of them.
    pub fn history(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError> {
        self.inner.config.store.events(key, after, max)
    }

    /// The number of the session's last event that the store knows of; none when there is no such session.
    fn last_seq(&self, key: &SessionKey) -> Result<Option<u64>, StoreError> {
        let record = self.inner.config.store.session(key)?;
        Ok(record.map(|record| record.last_seq()).or_else(|| self.inner.tasks.contains_key(key).then_some(0)))
    }
}
