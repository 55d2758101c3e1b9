//! What was said in a session, read out of the store for a thread that is to go on with it.

use std::sync::Arc;

use super::machine::Recalled;
use crate::protocol::{EventKind, HistoryMessage, Role, SessionKey, SteerId, TurnEnding, TurnId};
use crate::store::{EventStore, StoreError, TurnQuery, TurnRecord};

/// How much of a conversation a new thread is told, in bytes of its messages: some 60,000 tokens, which leaves room in every
/// context.
const RECALL_BYTES: usize = 256 << 10;

/// Turns and events that are read at a time.
const PAGE: usize = 256;

/// Events that are read at most. Most of a turn's are pieces of messages, so this is some hundred long turns.
const EVENTS_MAX: usize = 200_000;

/// The conversation that began with this turn: what users said, what they put in between, and the agent's messages, of turns
/// that an agent had and that are over. The newest messages come first where not all fit. Touches the disk.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn recall(store: &dyn EventStore, key: &SessionKey, first: TurnId) -> Result<Recalled, StoreError> {
    // Without it, what is kept begins later.
    let began = store.turn(key.tenant(), first)?.map(|turn| turn.first_seq);
    let mut reading =
        Reading { store, key, events_left: EVENTS_MAX, bytes_left: RECALL_BYTES, newest_first: Vec::new() };
    let (mut before, mut reached) = (None, Some(u64::MAX));
    loop {
        let query = TurnQuery { before, limit: PAGE, ..TurnQuery::newest_of(key) };
        let turns = store.turns(&query)?;
        for turn in &turns {
            if began.is_some_and(|began| turn.first_seq < began) {
                return Ok(reading.done(false));
            }
            if !reading.take(turn)? {
                return Ok(reading.done(true));
            }
            if turn.id == first {
                return Ok(reading.done(false));
            }
        }
        let oldest = turns.last().map(|turn| turn.first_seq);
        if turns.len() < PAGE || oldest >= reached {
            // All is read; or the turn before which to go on has given way meanwhile.
            return Ok(reading.done(began.is_none()));
        }
        (before, reached) = (turns.last().map(|turn| turn.id), oldest);
    }
}

struct Reading<'a> {
    store: &'a dyn EventStore,
    key: &'a SessionKey,
    events_left: usize,
    bytes_left: usize,
    newest_first: Vec<HistoryMessage>,
}

impl Reading<'_> {
    fn done(mut self, is_cut: bool) -> Recalled {
        self.newest_first.reverse();
        Recalled { messages: self.newest_first, is_cut }
    }

    /// Takes in what was said in a turn. False when not all of it is kept, or fits.
    fn take(&mut self, turn: &TurnRecord) -> Result<bool, StoreError> {
        let (Some(_), Some(_), Some(last)) = (turn.started_at, turn.ended_at, turn.last_seq) else { return Ok(true) };
        let mut said = Said::default();
        let mut after = turn.first_seq - 1;
        while after < last {
            let page = self.store.events(self.key, after, PAGE.min(self.events_left))?;
            let Some(newest) = page.last().map(|logged| logged.seq) else { break };
            for logged in page.iter().filter(|logged| logged.turn == turn.id) {
                said.hear(&logged.kind);
            }
            self.events_left -= page.len();
            after = newest;
        }
        let is_whole = said.is_begun && after >= last;
        let fits = said.finish().into_iter().rev().all(|message| {
            let rest = self.bytes_left.checked_sub(message.text.len());
            if let Some(rest) = rest {
                self.bytes_left = rest;
                self.newest_first.push(message);
            }
            rest.is_some()
        });
        Ok(is_whole && fits)
    }
}

/// The messages of one turn.
#[derive(Default)]
struct Said {
    /// Its beginning is there.
    is_begun: bool,
    messages: Vec<HistoryMessage>,
    /// Steers that the model does not have yet.
    steers: Vec<(SteerId, String)>,
    /// Pieces of a message that is not over.
    piece: String,
    /// The whole answer, where it is not the sum of its messages.
    answer: Option<String>,
    mismatch: bool,
}

impl Said {
    fn hear(&mut self, kind: &EventKind) {
        match kind {
            EventKind::UserText(said) => {
                self.is_begun = true;
                self.say(Role::User, said.in_words());
            }
            EventKind::TextDelta(piece) => self.piece.push_str(piece),
            EventKind::AssistantText(text) => {
                self.piece.clear();
                self.say(Role::Assistant, text.clone());
            }
            EventKind::Steered { steer, text } => self.steers.push((*steer, text.clone())),
            EventKind::SteerConsumed { steer } => {
                if let Some(at) = self.steers.iter().position(|(waiting, _)| waiting == steer) {
                    let (_, text) = self.steers.remove(at);
                    self.break_off();
                    self.say(Role::User, text);
                }
            }
            EventKind::TextMismatch => self.mismatch = true,
            EventKind::Ended(TurnEnding::Completed { text, .. }) => self.answer = Some(text.clone()),
            _ => {}
        }
    }

    fn finish(mut self) -> Vec<HistoryMessage> {
        self.break_off();
        let is_told = self.messages.iter().any(|message| message.role == Role::Assistant);
        if let Some(answer) = self.answer.take().filter(|answer| !answer.is_empty())
            && (self.mismatch || !is_told)
        {
            self.messages.retain(|message| message.role == Role::User);
            self.say(Role::Assistant, answer);
        }
        self.messages
    }

    /// What was said of a message counts, though it did not come to its end.
    fn break_off(&mut self) {
        if !self.piece.is_empty() {
            let piece = std::mem::take(&mut self.piece);
            self.say(Role::Assistant, piece);
        }
    }

    /// Messages of one voice in a row are one.
    fn say(&mut self, role: Role, text: String) {
        match self.messages.last_mut() {
            Some(last) if last.role == role => {
                last.text.push_str("\n\n");
                last.text.push_str(&text);
            }
            _ => self.messages.push(HistoryMessage { role, text }),
        }
    }
}

/// Reads it off the runtime; ends with what [`recall`] says.
pub(super) async fn read(store: Arc<dyn EventStore>, key: SessionKey, first: TurnId) -> Result<Recalled, StoreError> {
    let read = tokio::task::spawn_blocking(move || recall(&*store, &key, first)).await;
    read.unwrap_or_else(|_| Err(StoreError::new("the store broke while a conversation was read; see the log")))
}
