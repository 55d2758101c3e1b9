//! A turn as it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::{BackendId, EventKind, Logged, SessionKey, ThreadId, TurnEnding, TurnId};

/// What is known of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRecord {
    /// Its id.
    pub id: TurnId,
    /// Its session.
    pub session: SessionKey,
    /// Which agent it was for.
    pub backend: BackendId,
    /// How far it is.
    pub status: TurnStatus,
    /// The thread that it belongs to; before it has begun, as far as is known.
    pub thread: ThreadId,
    /// When it was accepted.
    pub accepted_at: SystemTime,
    /// When the agent began.
    pub started_at: Option<SystemTime>,
    /// When it ended.
    pub ended_at: Option<SystemTime>,
    /// The number of its first event.
    pub first_seq: u64,
    /// The number of its last event so far.
    pub last_seq: Option<u64>,
    /// What its caller calls it: names and their values.
    pub tags: BTreeMap<String, String>,
    /// Nobody read it when it ended.
    pub is_unread: bool,
    /// Its ending, which is an event.
    pub ending: Option<Arc<Logged>>,
}

/// How far a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnStatus {
    /// It waits for its turn.
    Queued,
    /// The agent has it.
    InProgress,
    /// The agent answered.
    Completed,
    /// It was stopped.
    Interrupted,
    /// It went wrong.
    Failed,
}

impl TurnStatus {
    /// That of a turn which ended so.
    pub fn of(ending: &TurnEnding) -> Self {
        match ending {
            TurnEnding::Completed { .. } => Self::Completed,
            TurnEnding::Interrupted(_) => Self::Interrupted,
            TurnEnding::Failed(_) => Self::Failed,
        }
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

impl TurnRecord {
    /// A turn that was accepted now.
    pub fn accepted(id: TurnId, session: SessionKey, backend: BackendId, thread: ThreadId, first_seq: u64) -> Self {
        Self {
            id,
            session,
            backend,
            status: TurnStatus::Queued,
            thread,
            accepted_at: SystemTime::now(),
            started_at: None,
            ended_at: None,
            first_seq,
            last_seq: None,
            tags: BTreeMap::new(),
            is_unread: false,
            ending: None,
        }
    }

    /// Takes in what an event of it says.
    pub fn take(&mut self, logged: &Arc<Logged>) {
        self.last_seq = Some(logged.seq);
        match &logged.kind {
            EventKind::Started { thread } => {
                self.status = TurnStatus::InProgress;
                self.thread = thread.clone();
                self.started_at = Some(logged.at);
            }
            EventKind::Ended(ending) => {
                self.ended_at = Some(logged.at);
                self.ending = Some(logged.clone());
                self.status = TurnStatus::of(ending);
            }
            _ => {}
        }
    }

    /// Where it stands among all: by time, and within a session in order.
    pub fn order(&self) -> (SystemTime, u64, TurnId) {
        (self.accepted_at, self.first_seq, self.id)
    }
}
