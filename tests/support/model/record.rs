//! The ring of recorded requests, and waiting for one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use super::prompt::Prompt;

/// Most requests that are kept.
pub const RECORDED_MAX: usize = 512;
/// Most bytes of bodies that are kept; a long conversation of claude's has 100 KB a request.
pub const RECORDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request as it came.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Path and query, such as `/v1/messages?beta=true`.
    pub path: String,
    /// Names in lower case and values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body; `null` when it was no JSON.
    pub body: Value,
    /// The newest user text; empty when there is none.
    pub user_text: String,
    /// How many user texts there are.
    pub turn: usize,
    /// Whether claude made it for itself (titles, quota checks).
    pub on_the_side: bool,
    /// Size of the body on the wire.
    pub body_bytes: usize,
}

/// A request that was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("no request that fits came within {limit:?}; {count} others did, the newest saying {newest:?}")]
pub struct NotSeen {
    /// How long was waited.
    pub limit: Duration,
    /// How many requests are recorded.
    pub count: usize,
    /// The newest user text of the last one.
    pub newest: Option<String>,
}

/// The newest requests, at most [`RECORDED_MAX`] and [`RECORDED_BYTES_MAX`].
#[derive(Debug)]
pub(super) struct Ring {
    // A lock and not a task: it is held for a push or a copy of pointers, and `requests()` must work outside of async code.
    kept: Mutex<Kept>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

impl Recorded {
    /// The value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn new(
        path: String,
        headers: Vec<(String, String)>,
        body: Value,
        body_bytes: usize,
        prompt: &Prompt,
    ) -> Self {
        let (user_text, turn, on_the_side) = (prompt.text.clone(), prompt.turn, prompt.on_the_side);
        Self { path, headers, body, user_text, turn, on_the_side, body_bytes }
    }
}

impl Ring {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), changed: watch::Sender::new(()) }
    }

    pub(super) fn push(&self, request: Recorded) -> Arc<Recorded> {
        let request = Arc::new(request);
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.bytes += request.body_bytes;
            kept.requests.push_back(Arc::clone(&request));
            while kept.requests.len() > RECORDED_MAX || (kept.bytes > RECORDED_BYTES_MAX && kept.requests.len() > 1) {
                let oldest = kept.requests.pop_front();
                kept.bytes -= oldest.map_or(0, |oldest| oldest.body_bytes);
            }
        }
        self.changed.send_replace(());
        request
    }

    /// All that is kept, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Recorded>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).requests.iter().cloned().collect()
    }

    /// The oldest kept request that fits, as soon as there is one.
    pub(super) async fn wait(
        &self,
        fits: impl Fn(&Recorded) -> bool,
        limit: Duration,
    ) -> Result<Arc<Recorded>, NotSeen> {
        // Subscribed before the first look, so that nothing that comes in between is missed.
        let mut changed = self.changed.subscribe();
        let found = tokio::time::timeout(limit, async {
            loop {
                if let Some(found) = self.all().into_iter().find(|request| fits(request)) {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        });
        found.await.ok().flatten().ok_or_else(|| {
            let all = self.all();
            NotSeen { limit, count: all.len(), newest: all.last().map(|last| last.user_text.clone()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str, body_bytes: usize) -> Recorded {
        let prompt = Prompt { text: text.into(), ..Prompt::default() };
        Recorded::new("/v1/messages".into(), vec![], Value::Null, body_bytes, &prompt)
    }

    #[test]
    fn the_oldest_go_first() {
        let ring = Ring::new();
        for number in 0..=RECORDED_MAX {
            ring.push(request(&number.to_string(), 1));
        }
        assert_eq!((ring.all().len(), ring.all()[0].user_text.as_str()), (RECORDED_MAX, "1"));
        ring.push(request("big", RECORDED_BYTES_MAX));
        assert_eq!(ring.all().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_come_is_said() {
        let ring = Ring::new();
        ring.push(request("one", 1));
        let error = ring.wait(|request| request.user_text == "two", Duration::from_secs(5)).await.unwrap_err();
        assert_eq!((error.count, error.newest.as_deref()), (1, Some("one")));
    }
}
