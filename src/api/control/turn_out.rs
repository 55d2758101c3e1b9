//! A turn in the API.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event_out::{UsageOut, millis};
use super::transcript::{Budget, Transcript};
use crate::api::respond::ApiError;
use crate::dispatch::TurnRecord;
use crate::protocol::{EventKind, TurnEnding};

/// A turn, in a list or in full.
#[derive(Serialize)]
pub(super) struct TurnOut {
    id: String,
    object: &'static str,
    /// `agent::chat`.
    session: String,
    /// `queued`, `in_progress`, `completed`, `interrupted`, `failed`.
    status: &'static str,
    /// Why it was interrupted.
    cause: Option<&'static str>,
    backend: String,
    thread: String,
    /// Milliseconds since 1970, as all times here.
    accepted_at: u64,
    started_at: Option<u64>,
    ended_at: Option<u64>,
    /// The numbers of its first and its last event so far.
    first_seq: u64,
    last_seq: Option<u64>,
    /// What its caller calls it.
    tags: BTreeMap<String, String>,
    /// The answer, once there is one.
    text: Option<String>,
    usage: Option<UsageOut>,
    error: Option<ErrorOut>,
    /// In full alone.
    #[serde(flatten)]
    transcript: Option<Transcript>,
    /// Texts are cut, or messages left out.
    truncated: bool,
}

#[derive(Serialize)]
struct ErrorOut {
    code: String,
    message: String,
}

impl TurnOut {
    /// A turn as far as its record tells. Its answer is cut where there is no room.
    pub(super) fn of(turn: &TurnRecord, budget: &mut Budget) -> Self {
        let text = match ending(turn) {
            Some(TurnEnding::Completed { text, .. }) => Some(budget.take(text)),
            _ => None,
        };
        Self { text, truncated: budget.is_over(), ..Self::without_text(turn) }
    }

    /// A turn whose answer stands elsewhere.
    pub(super) fn without_text(turn: &TurnRecord) -> Self {
        let ending = ending(turn);
        let error = ending.and_then(ApiError::of_ending).map(|error| {
            let body = error.body();
            ErrorOut { code: body.error.code.to_owned(), message: body.error.message.to_owned() }
        });
        let (cause, usage) = match ending {
            Some(TurnEnding::Completed { usage, .. }) => (None, Some(usage.into())),
            Some(TurnEnding::Interrupted(cause)) => (Some(cause.name()), None),
            Some(TurnEnding::Failed(_)) | None => (None, None),
        };
        Self {
            id: turn.id.to_string(),
            object: "turn",
            session: turn.session.to_string(),
            status: turn.status.name(),
            cause,
            backend: turn.backend.to_string(),
            thread: turn.thread.to_string(),
            accepted_at: millis(turn.accepted_at),
            started_at: turn.started_at.map(millis),
            ended_at: turn.ended_at.map(millis),
            first_seq: turn.first_seq,
            last_seq: turn.last_seq,
            tags: turn.tags.clone(),
            text: None,
            usage,
            error,
            transcript: None,
            truncated: false,
        }
    }

    /// The same with what was said and done.
    pub(super) fn with(self, (transcript, is_cut): (Transcript, bool)) -> Self {
        Self { transcript: Some(transcript), truncated: self.truncated || is_cut, ..self }
    }
}

/// How a turn ended.
pub(super) fn ending(turn: &TurnRecord) -> Option<&TurnEnding> {
    match &turn.ending.as_ref()?.kind {
        EventKind::Ended(ending) => Some(ending),
        _ => None,
    }
}
