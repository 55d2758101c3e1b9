//! A store to try, and short ways to say what is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::protocol::{
    BackendId, Event, EventKind, FinishReason, Idempotency, Image, ImageFormat, Logged, SessionKey, TenantId, ThreadId,
    TurnEnding, TurnId, TurnRequest, Usage,
};
use crate::store::{
    AcceptedTurn, EventStore, MemoryStore, Rerun, SessionRecord, SqliteOptions, SqliteStore, StoreProgress, TurnQuery,
    TurnRecord, Write,
};

/// Sessions that a store under test may keep.
pub(in crate::store) const SESSIONS_MAX: usize = 8;

/// A store to try.
pub(in crate::store) struct Rig {
    pub(in crate::store) store: Arc<dyn EventStore>,
    _folder: Option<TempDir>,
}

impl Rig {
    pub(in crate::store) fn memory() -> Self {
        Self { store: Arc::new(MemoryStore::new(SESSIONS_MAX, 64 << 20)), _folder: None }
    }

    pub(in crate::store) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions { sessions_max: SESSIONS_MAX, ..SqliteOptions::default() };
        let store = SqliteStore::open(&folder.path().join("store.db"), options).unwrap();
        Self { store: Arc::new(store), _folder: Some(folder) }
    }

    /// Writes all of it together, and waits until it is kept.
    pub(in crate::store) fn write(&self, writes: impl IntoIterator<Item = Write>) {
        keep(&*self.store, writes);
    }
}

/// Writes all of it together, and waits until it is kept.
pub(in crate::store) fn keep(store: &dyn EventStore, writes: impl IntoIterator<Item = Write>) {
    let number = store.write(writes.into_iter().collect());
    until(store, "it is kept", |progress| progress.kept >= number);
}

/// Waits until the store is so.
pub(in crate::store) fn until(
    store: &dyn EventStore,
    what: &str,
    is_so: impl FnMut(&StoreProgress) -> bool,
) -> StoreProgress {
    let mut progress = store.progress();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let waited = tokio::time::timeout(Duration::from_secs(20), progress.wait_for(is_so)).await;
        waited.unwrap_or_else(|_| panic!("waited in vain until {what}")).unwrap().clone()
    })
}

/// A moment: so many milliseconds after one long ago.
pub(in crate::store) fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(24 * 365 * 30) + Duration::from_millis(millis)
}

pub(in crate::store) fn key(text: &str) -> SessionKey {
    SessionKey::parse(TenantId::local(), text).unwrap()
}

pub(in crate::store) fn key_of(tenant: &str, text: &str) -> SessionKey {
    SessionKey::parse(TenantId::new(tenant).unwrap(), text).unwrap()
}

pub(in crate::store) fn record(key: &SessionKey) -> SessionRecord {
    SessionRecord::first(key, BackendId::new("claude"), "claude-stream", PathBuf::from("/work"))
}

pub(in crate::store) fn session(key: &SessionKey) -> Write {
    Write::Session(Box::new(record(key)))
}

/// A turn that was accepted then.
pub(in crate::store) fn turn(key: &SessionKey, first_seq: u64, millis: u64) -> TurnRecord {
    let (id, backend) = (TurnId::generate(), BackendId::new("claude"));
    let accepted = TurnRecord::accepted(id, key.clone(), backend, ThreadId::generate(), first_seq);
    TurnRecord { accepted_at: at(millis), ..accepted }
}

pub(in crate::store) fn accepted(turn: &TurnRecord) -> Write {
    Write::Accepted(Box::new(AcceptedTurn { turn: turn.clone(), name: None, rerun: None }))
}

pub(in crate::store) fn named(turn: &TurnRecord, name: &str, digest: u64) -> Write {
    let name = Some(Idempotency { key: name.to_owned(), digest });
    Write::Accepted(Box::new(AcceptedTurn { turn: turn.clone(), name, rerun: None }))
}

pub(in crate::store) fn with_rerun(turn: &TurnRecord, rerun: Rerun) -> Write {
    Write::Accepted(Box::new(AcceptedTurn { turn: turn.clone(), name: None, rerun: Some(rerun) }))
}

/// An event of the turn, at a moment that goes with its number.
pub(in crate::store) fn logged(turn: &TurnRecord, seq: u64, kind: EventKind) -> Arc<Logged> {
    Logged::at(at(1000 + seq), Event { seq, turn: turn.id, kind })
}

pub(in crate::store) fn event(turn: &TurnRecord, seq: u64, kind: EventKind) -> Write {
    Write::Event(logged(turn, seq, kind))
}

pub(in crate::store) fn completed(text: &str) -> EventKind {
    EventKind::Ended(TurnEnding::Completed {
        text: text.to_owned(),
        reasoning: String::new(),
        finish: FinishReason::Stop,
        usage: Usage::default(),
    })
}

pub(in crate::store) fn said(text: &str) -> EventKind {
    EventKind::UserText(text.into())
}

/// All turns of a tenant.
pub(in crate::store) fn all_of(tenant: TenantId) -> TurnQuery {
    TurnQuery { tenant, session: None, tags: Vec::new(), before: None, limit: 100 }
}

/// The smallest thing that is taken for an image.
pub(in crate::store) fn image() -> Image {
    Image::from_base64(ImageFormat::Gif, "R0lGODlh".into()).expect("an image")
}

/// A request with something in most of its fields.
pub(in crate::store) fn request() -> TurnRequest {
    use crate::protocol::{Call, HistoryMessage, McpServers, Retry, Role};
    TurnRequest {
        backend: BackendId::new("claude"),
        workspace: Some(PathBuf::from("/work/here")),
        workspace_hint: None,
        thread: Some(ThreadId::generate()),
        instructions: Some("be brief".to_owned()),
        history: vec![HistoryMessage { role: Role::Assistant, text: "earlier".to_owned() }],
        input: "say it\n\"again\" 你好".to_owned(),
        images: vec![image()],
        unnamed: false,
        lingers: true,
        idempotency: Some(Idempotency { key: "name".to_owned(), digest: u64::MAX }),
        renew: false,
        model: Some("opus".to_owned()),
        call: Some(Call { keep: true }),
        boundary: Some(u64::MAX),
        keeps_thread: true,
        tags: [("a".to_owned(), "b".to_owned())].into(),
        retry: Some(Retry::GoOn),
        // Whatever is here is not kept.
        mcp: McpServers::default(),
    }
}
