//! A session's events, read from what is kept of them a page at a time. Reading may touch the disk: it belongs on a thread
//! that may wait ([`blocking`]).

use std::sync::Arc;

use crate::api::respond::ApiError;
use crate::dispatch::{Dispatch, Logged, StoreError};
use crate::protocol::SessionKey;

/// Events of a page. Fewer where they are large, so that a page stays at about so many bytes.
const PAGE_EVENTS: usize = 256;
const PAGE_BYTES: usize = 1 << 20;

/// Events with numbers in a range, oldest first.
pub(super) struct Pages {
    dispatch: Arc<dyn Dispatch>,
    key: SessionKey,
    after: u64,
    upto: u64,
    max: usize,
}

impl Pages {
    /// Those with numbers above `after`, up to `upto`.
    pub(super) fn new(dispatch: Arc<dyn Dispatch>, key: SessionKey, after: u64, upto: u64) -> Self {
        Self { dispatch, key, after, upto, max: PAGE_EVENTS }
    }

    /// The next ones; none when there are no more.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Arc<Logged>>>, StoreError> {
        if self.after >= self.upto {
            return Ok(None);
        }
        let mut page = self.dispatch.history(&self.key, self.after, self.max)?;
        page.retain(|logged| logged.seq <= self.upto);
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.seq;
        let bytes: usize = page.iter().map(|logged| logged.kind.bytes()).sum();
        // As many as would fit if all were like these, growing slowly.
        let fit = PAGE_BYTES / (bytes / page.len()).max(1);
        self.max = fit.clamp(1, PAGE_EVENTS).min(self.max * 4);
        Ok(Some(page))
    }

    /// One event of the session, while it is kept.
    pub(super) fn at(&self, seq: u64) -> Result<Option<Arc<Logged>>, StoreError> {
        let found = self.dispatch.history(&self.key, seq.saturating_sub(1), 1)?.pop();
        Ok(found.filter(|logged| logged.seq == seq))
    }
}

/// Does what may take a while where nobody waits for the thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ApiError::internal("the history could not be read")))
}
