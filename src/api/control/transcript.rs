//! What was said and done in a turn, out of its events: whole messages and tool calls.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

use super::event_out::{ImageOut, millis};
use super::pages::Pages;
use crate::dispatch::{Composer, Dispatch, Logged, StoreError, TurnRecord};
use crate::protocol::{EventKind, TurnEnding};

/// What a message or a call takes beside its texts, in bytes, about.
const ITEM_BYTES: usize = 256;

/// How much text one answer still has room for.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    is_over: bool,
}

/// A turn's messages and tool calls, in order.
#[derive(Debug, Default, Serialize)]
pub(super) struct Transcript {
    messages: Vec<Message>,
    tool_calls: Vec<ToolCall>,
}

#[derive(Debug, Serialize)]
struct Message {
    /// The number of the event that it stands in; of its last piece where it has no end yet.
    seq: u64,
    at: u64,
    /// `user`, `assistant`.
    role: &'static str,
    /// `text`, `reasoning`, `steer`.
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<ImageOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steer: Option<String>,
    /// The model never had it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dropped: bool,
}

#[derive(Debug, Serialize)]
struct ToolCall {
    seq: u64,
    id: String,
    name: String,
    input: Input,
    result: Option<String>,
    is_error: Option<bool>,
    started_at: u64,
    ended_at: Option<u64>,
}

/// A tool's arguments: as JSON, or as the text that they are.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Input {
    Json(Box<RawValue>),
    Text(String),
}

impl Budget {
    /// Room for so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: bytes, is_over: false }
    }

    /// As much of a text as there is room for.
    pub(super) fn take(&mut self, text: &str) -> String {
        let end = if text.len() <= self.left { text.len() } else { text.floor_char_boundary(self.left) };
        self.is_over |= end < text.len();
        self.left -= end;
        text[..end].to_owned()
    }

    /// Whether something was left out.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Room for one more message or call.
    fn has_room(&mut self) -> bool {
        self.is_over |= self.left < ITEM_BYTES;
        if !self.is_over {
            self.left -= ITEM_BYTES;
        }
        !self.is_over
    }
}

/// Reads a turn, as far as there is room. Also whether something is left out: for want of room, or because its beginning
/// is not kept any more.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(
    dispatch: &Arc<dyn Dispatch>,
    turn: &TurnRecord,
    budget: &mut Budget,
) -> Result<(Transcript, bool), StoreError> {
    let upto = turn.last_seq.unwrap_or(turn.first_seq);
    let mut pages = Pages::new(dispatch.clone(), turn.session.clone(), turn.first_seq.saturating_sub(1), upto);
    let mut reading = Reading::new(budget);
    while !reading.budget.is_over()
        && let Some(page) = pages.next()?
    {
        page.iter().filter(|logged| logged.turn == turn.id).for_each(|logged| reading.event(logged));
    }
    Ok(reading.end(turn.first_seq))
}

struct Reading<'a> {
    budget: &'a mut Budget,
    composer: Composer,
    out: Transcript,
    /// The first event, and the last piece of a message: its number and when it came.
    first_seq: Option<u64>,
    piece: (u64, SystemTime),
}

impl<'a> Reading<'a> {
    fn new(budget: &'a mut Budget) -> Self {
        let (composer, out) = (Composer::default(), Transcript::default());
        Self { budget, composer, out, first_seq: None, piece: (0, SystemTime::UNIX_EPOCH) }
    }

    fn event(&mut self, logged: &Logged) {
        self.first_seq.get_or_insert(logged.seq);
        for kind in self.composer.before(logged.turn, &logged.kind) {
            self.said(self.piece, &kind);
        }
        let here = (logged.seq, logged.at);
        if logged.kind.is_delta() {
            self.piece = here;
        }
        self.said(here, &logged.kind);
    }

    fn said(&mut self, here: (u64, SystemTime), kind: &EventKind) {
        match kind {
            EventKind::UserText(said) => {
                if let Some(message) = self.message(here, "user", "text", &said.text) {
                    message.images = ImageOut::all(said);
                }
            }
            EventKind::AssistantText(text) => drop(self.message(here, "assistant", "text", text)),
            EventKind::Reasoning(text) => drop(self.message(here, "assistant", "reasoning", text)),
            EventKind::Steered { steer, text } => {
                if let Some(message) = self.message(here, "user", "steer", text) {
                    message.steer = Some(steer.to_string());
                }
            }
            EventKind::SteerDropped { steer } => {
                let steer = Some(steer.to_string());
                if let Some(message) = self.out.messages.iter_mut().rev().find(|message| message.steer == steer) {
                    message.dropped = true;
                }
            }
            EventKind::ToolUse { id, name, input } => self.call(here, id, name, input),
            EventKind::ToolResult { id, is_error, text } => {
                let mut calls = self.out.tool_calls.iter_mut().rev();
                if let Some(call) = calls.find(|call| call.id == *id && call.ended_at.is_none()) {
                    call.ended_at = Some(millis(here.1));
                    call.is_error = Some(*is_error);
                    call.result = Some(self.budget.take(text));
                }
            }
            // Some agents say all of it at the end alone.
            EventKind::Ended(TurnEnding::Completed { text, .. }) if !text.is_empty() && !self.has_answer() => {
                self.message(here, "assistant", "text", text);
            }
            _ => {}
        }
    }

    fn has_answer(&self) -> bool {
        self.out.messages.iter().any(|message| (message.role, message.kind) == ("assistant", "text"))
    }

    /// Takes a message up, if there is room for one.
    fn message(
        &mut self,
        (seq, at): (u64, SystemTime),
        role: &'static str,
        kind: &'static str,
        text: &str,
    ) -> Option<&mut Message> {
        if !self.budget.has_room() {
            return None;
        }
        // Messages of one answer have empty lines between them.
        let text = self.budget.take(text.trim_start_matches('\n'));
        let (images, steer) = (Vec::new(), None);
        self.out.messages.push(Message { seq, at: millis(at), role, kind, text, images, steer, dropped: false });
        self.out.messages.last_mut()
    }

    fn call(&mut self, (seq, at): (u64, SystemTime), id: &str, name: &str, input: &str) {
        if !self.budget.has_room() {
            return;
        }
        let taken = self.budget.take(input);
        self.out.tool_calls.push(ToolCall {
            seq,
            id: self.budget.take(id),
            name: self.budget.take(name),
            input: serde_json::from_str(&taken).map_or(Input::Text(taken), Input::Json),
            result: None,
            is_error: None,
            started_at: millis(at),
            ended_at: None,
        });
    }

    fn end(mut self, first_seq: u64) -> (Transcript, bool) {
        for kind in self.composer.rest() {
            self.said(self.piece, &kind);
        }
        let is_cut = self.budget.is_over() || self.first_seq.is_none_or(|first| first > first_seq);
        (self.out, is_cut)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::{ErrorKind, Event, FinishReason, SteerId, ThreadId, TurnError, TurnId, Usage};

    fn read(budget: usize, kinds: &[EventKind]) -> (Value, bool) {
        let (turn, mut budget) = (TurnId::generate(), Budget::new(budget));
        let mut reading = Reading::new(&mut budget);
        for (kind, seq) in kinds.iter().zip(1..) {
            reading.event(&Logged::now(Event { seq, turn, kind: kind.clone() }));
        }
        let (transcript, is_cut) = reading.end(1);
        (serde_json::to_value(transcript).unwrap(), is_cut)
    }

    fn texts(value: &Value) -> Vec<(&str, &str, u64)> {
        let messages = value["messages"].as_array().unwrap().iter();
        let texts = messages.map(|message| {
            (message["kind"].as_str().unwrap(), message["text"].as_str().unwrap(), message["seq"].as_u64().unwrap())
        });
        texts.collect()
    }

    fn started() -> [EventKind; 2] {
        [EventKind::UserText("hello".into()), EventKind::Started { thread: ThreadId::generate() }]
    }

    fn text(text: &str) -> EventKind {
        EventKind::TextDelta(text.into())
    }

    #[test]
    fn a_message_that_never_ended_is_put_together() {
        let lost = EventKind::Ended(TurnEnding::Failed(TurnError::new(ErrorKind::TurnLost, "gone")));
        let mut kinds = started().to_vec();
        kinds.extend([EventKind::ReasoningDelta("hm".into()), text("a"), text("b")]);
        let expected = [("text", "hello", 1), ("reasoning", "hm", 3), ("text", "ab", 5)];
        let (running, is_cut) = read(10_000, &kinds);
        assert_eq!((&*texts(&running), is_cut), (&expected[..], false));
        kinds.push(lost);
        assert_eq!(texts(&read(10_000, &kinds).0), expected);
    }

    #[test]
    fn pieces_of_a_whole_message_are_not_told_again() {
        let mut kinds = started().to_vec();
        let call = EventKind::ToolUse { id: "1".into(), name: "Bash".into(), input: "{\"a\":1}".into() };
        let result = EventKind::ToolResult { id: "1".into(), is_error: true, text: "no".into() };
        kinds.extend([text("a"), EventKind::AssistantText("a".into()), call.clone(), result, call]);
        let (read, _) = read(10_000, &kinds);
        assert_eq!(texts(&read), [("text", "hello", 1), ("text", "a", 4)]);
        let calls = &read["tool_calls"];
        assert_eq!((&calls[0]["input"], &calls[0]["result"]), (&json!({"a": 1}), &json!("no")));
        assert_eq!((&calls[0]["is_error"], &calls[1]["is_error"]), (&json!(true), &json!(null)), "the second runs");
    }

    #[test]
    fn steers_stand_in_their_place_and_say_when_they_were_dropped() {
        let steer = SteerId::generate();
        let mut kinds = started().to_vec();
        kinds.extend([EventKind::Steered { steer, text: "more".into() }, EventKind::SteerDropped { steer }]);
        let (read, _) = read(10_000, &kinds);
        let message = &read["messages"][1];
        assert_eq!((&message["role"], &message["dropped"]), (&json!("user"), &json!(true)));
        assert_eq!(message["steer"], steer.to_string());
    }

    #[test]
    fn what_is_said_at_the_end_alone_is_a_message() {
        let (text, reasoning) = ("all".to_owned(), String::new());
        let (finish, usage) = (FinishReason::Stop, Usage::default());
        let ended = EventKind::Ended(TurnEnding::Completed { text, reasoning, finish, usage });
        let mut kinds = started().to_vec();
        kinds.push(ended.clone());
        assert_eq!(texts(&read(10_000, &kinds).0), [("text", "hello", 1), ("text", "all", 3)]);
        kinds.insert(2, EventKind::AssistantText("some".into()));
        assert_eq!(texts(&read(10_000, &kinds).0), [("text", "hello", 1), ("text", "some", 3)]);
    }

    #[test]
    fn no_more_is_told_than_there_is_room_for() {
        let mut kinds = started().to_vec();
        kinds.extend([EventKind::AssistantText("ü".repeat(300)), EventKind::AssistantText("more".into())]);
        let (read, is_cut) = read(ITEM_BYTES * 2 + "hello".len() + 101, &kinds);
        assert_eq!((texts(&read)[1].1, is_cut), (&*"ü".repeat(50), true), "no character is cut in two");
        assert_eq!(texts(&read).len(), 2);
    }
}
