//! When everything that the listener has brought to life is to end, and whether it has.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// The listener's end. Dropping it tells all tasks to stop.
pub(super) struct Lifetime {
    stop: watch::Sender<()>,
    alive: mpsc::Sender<Infallible>,
    all_gone: mpsc::Receiver<Infallible>,
}

/// A task's end: it is told to stop, and is waited for until this is dropped.
#[derive(Clone)]
pub(super) struct Alive {
    stop: watch::Receiver<()>,
    _alive: mpsc::Sender<Infallible>,
}

/// What new tasks get theirs from.
pub(super) struct Births {
    stop: watch::Receiver<()>,
    alive: mpsc::WeakSender<Infallible>,
}

impl Lifetime {
    pub(super) fn new() -> (Self, Births) {
        let (stop, stopped) = watch::channel(());
        let (alive, all_gone) = mpsc::channel(1);
        let births = Births { stop: stopped, alive: alive.downgrade() };
        (Self { stop, alive, all_gone }, births)
    }

    /// For a task of the listener's own.
    pub(super) fn alive(&self) -> Alive {
        Alive { stop: self.stop.subscribe(), _alive: self.alive.clone() }
    }

    /// Tells all to stop and waits until they have, but no longer than this.
    pub(super) async fn end(self, limit: Duration) {
        let Self { stop, alive, mut all_gone } = self;
        drop((stop, alive));
        if tokio::time::timeout(limit, all_gone.recv()).await.is_err() {
            tracing::warn!("some connections of the channel did not end in time");
        }
    }
}

impl Births {
    /// None once all is over.
    pub(super) fn alive(&self) -> Option<Alive> {
        let alive = self.alive.upgrade()?;
        Some(Alive { stop: self.stop.clone(), _alive: alive })
    }
}

impl Alive {
    /// Waits until it is time to stop.
    pub(super) async fn stopped(&mut self) {
        // Nothing is ever sent: the end of the sender is the message.
        while self.stop.changed().await.is_ok() {}
    }

    /// The same for what is not waited for.
    pub(super) fn stopped_later(&self) -> impl Future<Output = ()> + use<> {
        let mut stop = self.stop.clone();
        async move { while stop.changed().await.is_ok() {} }
    }
}
