//! A session as JSON lines: the session, and then its events, each as the events API has it; before a turn's first event
//! the turn, for its tags and its status stand in no event.
//!
//! Pieces of a message are left out where it stands as a whole. Those of one that has no end, because its turn runs or was
//! lost with its daemon, are one piece with the number of the last.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::api::control::event_out::EventOut;
use crate::api::control::sessions::SessionOut;
use crate::api::control::turn_out::TurnOut;
use crate::api::respond::ApiError;
use crate::dispatch::{Composer, Dispatch, Logged, SessionView, StoreError};
use crate::protocol::{Event, EventKind, TenantId, TurnId};

/// Writes the lines.
pub(super) struct Lines {
    dispatch: Arc<dyn Dispatch>,
    tenant: TenantId,
    composer: Composer,
    /// The last piece of a message: whose, its number, and when it came.
    piece: Option<(TurnId, u64, SystemTime)>,
}

impl Lines {
    /// Writes the session's line.
    pub(super) fn begin(out: &mut Vec<u8>, dispatch: Arc<dyn Dispatch>, view: SessionView) -> Self {
        let tenant = view.record.key.tenant().clone();
        line(out, &SessionOut::of(view));
        Self { dispatch, tenant, composer: Composer::default(), piece: None }
    }

    /// Writes an event, and what stands before it.
    pub(super) fn event(&mut self, out: &mut Vec<u8>, logged: &Logged) -> Result<(), StoreError> {
        let before = self.composer.before(logged.turn, &logged.kind);
        self.pieces(out, before);
        if logged.kind.is_delta() {
            self.piece = Some((logged.turn, logged.seq, logged.at));
            return Ok(());
        }
        if matches!(logged.kind, EventKind::UserText(_))
            && let Some(turn) = self.dispatch.turn(&self.tenant, logged.turn)?
        {
            line(out, &TurnOut::without_text(&turn));
        }
        line(out, &EventOut::of(logged));
        Ok(())
    }

    /// Writes what has no end yet.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        let rest = self.composer.rest();
        self.pieces(out, rest);
    }

    /// Says that the events up to this one are not kept any more, in the words of the events API.
    pub(super) fn missed(out: &mut Vec<u8>, to: u64) {
        #[derive(Serialize)]
        struct Missed {
            #[serde(rename = "type")]
            kind: &'static str,
            from: u64,
            to: u64,
        }
        line(out, &Missed { kind: "missed", from: 1, to });
    }

    /// Says that there would be more.
    pub(super) fn broken(out: &mut Vec<u8>, error: &StoreError) {
        line(out, &ApiError::from(error.clone()).body());
    }

    fn pieces(&self, out: &mut Vec<u8>, whole: Vec<EventKind>) {
        let Some((turn, seq, at)) = self.piece else { return };
        for kind in whole {
            let kind = match kind {
                EventKind::AssistantText(text) => EventKind::TextDelta(text),
                EventKind::Reasoning(text) => EventKind::ReasoningDelta(text),
                // An event of its own.
                _ => continue,
            };
            line(out, &EventOut::of(&Logged::at(at, Event { seq, turn, kind })));
        }
    }
}

fn line<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    // Our own types into memory cannot fail.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok());
    out.push(b'\n');
}
