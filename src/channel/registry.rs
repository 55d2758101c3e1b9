//! Which tokens there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::sync::{Semaphore, mpsc};

use super::event::ChannelEvent;
use super::keeper::Arrival;
use super::token::Token;

/// Hook calls of one agent that may be open at a time. Each tool that runs beside others may hold one for a person's answer.
pub(super) const HOOKS_MAX: usize = 256;

/// All tokens that are good for something.
#[derive(Default)]
pub(super) struct Registry {
    entries: DashMap<u64, Entry>,
    /// The last number given.
    last: AtomicU64,
}

/// What a token is good for.
#[derive(Clone)]
pub(super) struct Entry {
    token: Token,
    pub(super) session: Arc<str>,
    /// To the keeper: a connection that has shown the token.
    pub(super) arrivals: mpsc::Sender<Arrival>,
    /// To the driver.
    pub(super) events: mpsc::Sender<ChannelEvent>,
    /// Has [`HOOKS_MAX`] places.
    pub(super) hooks: Arc<Semaphore>,
}

impl Registry {
    /// Makes a token.
    pub(super) fn list(
        self: &Arc<Self>,
        session: Arc<str>,
        arrivals: mpsc::Sender<Arrival>,
        events: mpsc::Sender<ChannelEvent>,
    ) -> (Token, Listed) {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let token = Token::fresh(number);
        let hooks = Arc::new(Semaphore::new(HOOKS_MAX));
        self.entries.insert(number, Entry { token: token.clone(), session: session.clone(), arrivals, events, hooks });
        (token, Listed { registry: self.clone(), number, session })
    }

    /// Whose token this is.
    pub(super) fn find(&self, presented: &str) -> Option<Entry> {
        let entry = self.entries.get(&Token::member(presented)?)?;
        entry.token.is(presented).then(|| entry.clone())
    }
}

/// A token is good until this is dropped. The member has one and its keeper another: whoever lets go first makes it void.
#[derive(Clone)]
pub(super) struct Listed {
    registry: Arc<Registry>,
    number: u64,
    session: Arc<str>,
}

impl Listed {
    pub(super) fn session(&self) -> &str {
        &self.session
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.registry.entries.remove(&self.number);
    }
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Listed({})", self.session)
    }
}
