//! An answer in OpenAI's form: as a whole, or as the pieces of a stream.

use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;

use super::usage::Shown;
use crate::api::control::EventOut;
use crate::api::identity::Told;
use crate::api::respond::ApiError;
use crate::dispatch::Logged;
use crate::protocol::{EventKind, FinishReason, TurnEnding, TurnId, Usage, WaitReason};
use crate::wire::openai::{AnswerMessage, Choice, Chunk, ChunkChoice, Completion, DeltaOut, Extra, Finish};

/// What all pieces of one answer share.
#[derive(Debug)]
pub(in crate::api) struct Answering {
    id: String,
    created: u64,
    model: String,
    usage: Shown,
    include_usage: bool,
    told: Told,
    /// What stands before and behind the text in a piece of the answer: there may be hundreds a second.
    around: (Vec<u8>, Vec<u8>),
}

/// Where the text stands in a piece that has none.
const NO_TEXT: &[u8] = b"\"content\":\"\"";

impl Answering {
    /// `told`: what has no place in OpenAI's format is told, too, in a field that its SDKs leave alone.
    pub(super) fn new(turn: TurnId, model: String, usage: Shown, include_usage: bool, told: Told) -> Self {
        let id = format!("chatcmpl-{}", turn.uuid().simple());
        let around = (Vec::new(), Vec::new());
        let mut new = Self { id, created: seconds_since_1970(), model, usage, include_usage, told, around };
        let mut piece = Vec::new();
        new.heartbeat(&mut piece);
        // In a name of a model it would have backslashes.
        if let Some(at) = memmem::rfind(&piece, NO_TEXT) {
            let (before, behind) = piece.split_at(at + NO_TEXT.len());
            new.around = (before[..before.len() - 2].to_vec(), behind.to_vec());
        }
        new
    }

    /// The whole answer.
    pub(super) fn whole<'a>(
        &'a self,
        text: &'a str,
        reasoning: &'a str,
        finish: FinishReason,
        usage: &Usage,
    ) -> Completion<'a> {
        let message = AnswerMessage {
            role: "assistant",
            content: text,
            reasoning_content: Some(reasoning).filter(|text| !text.is_empty()),
            refusal: None,
        };
        Completion {
            id: &self.id,
            object: "chat.completion",
            created: self.created,
            model: &self.model,
            choices: [Choice { index: 0, message, finish_reason: finish.into(), logprobs: None }],
            usage: self.usage.of(usage),
        }
    }

    /// The piece that opens a stream: clients know at once that they were heard.
    pub(in crate::api) fn first(&self, out: &mut Vec<u8>) {
        self.delta(out, DeltaOut { role: Some("assistant"), content: Some(""), reasoning_content: None }, None, None);
    }

    /// The piece that shows that the turn is alive. Empty content leaves no trace in the answer, and unlike a comment it
    /// reaches the watchdogs of clients that see only parsed pieces.
    pub(in crate::api) fn heartbeat(&self, out: &mut Vec<u8>) {
        self.delta(out, DeltaOut { content: Some(""), ..DeltaOut::default() }, None, None);
    }

    /// Writes what an event is in the stream, which may be nothing. True when the stream ends with it.
    pub(in crate::api) fn event(&self, out: &mut Vec<u8>, logged: &Logged) -> bool {
        let with_events = self.told != Told::Nothing;
        let is_told = match &logged.kind {
            EventKind::TextDelta(_) | EventKind::ReasoningDelta(_) => self.told == Told::All,
            _ => with_events,
        };
        if is_told {
            self.tell(out, logged);
        }
        match &logged.kind {
            EventKind::TextDelta(text) => {
                let (before, behind) = &self.around;
                out.extend_from_slice(before);
                json(out, text);
                out.extend_from_slice(behind);
            }
            EventKind::ReasoningDelta(text) => {
                self.delta(out, DeltaOut { reasoning_content: Some(text), ..DeltaOut::default() }, None, None);
            }
            EventKind::Waiting(_) | EventKind::Retry { .. } | EventKind::TextMismatch if with_events => {}
            EventKind::Waiting(WaitReason::Capacity) => self.aside(out, "waiting", Some("capacity".into())),
            EventKind::Waiting(WaitReason::Queued) => self.aside(out, "waiting", Some("queued".into())),
            EventKind::Retry { status, .. } => {
                self.aside(out, "retry", status.map(|status| status.to_string()));
            }
            EventKind::TextMismatch => self.aside(out, "text_mismatch", None),
            EventKind::Ended(ending) => {
                self.end(out, ending);
                return true;
            }
            EventKind::Waiting(WaitReason::Starting)
            | EventKind::Started { .. }
            | EventKind::UserText(_)
            | EventKind::AssistantText(_)
            | EventKind::Reasoning(_)
            | EventKind::Raw(_)
            | EventKind::Usage(_)
            | EventKind::ToolUse { .. }
            | EventKind::ToolResult { .. }
            | EventKind::Subagent { .. }
            | EventKind::PermissionDenied { .. }
            | EventKind::Steered { .. }
            | EventKind::SteerConsumed { .. }
            | EventKind::SteerDropped { .. }
            | EventKind::Typed { .. }
            | EventKind::PermissionAsked(_)
            | EventKind::PermissionAnswered { .. }
            | EventKind::FileChange { .. }
            | EventKind::ContextLost { .. } => {}
        }
        false
    }

    /// Writes an error in the form that OpenAI's SDKs raise; no `[DONE]` follows, for nothing is done.
    pub(in crate::api) fn error(out: &mut Vec<u8>, error: &ApiError) {
        data(out, &error.body());
    }

    /// An event as it is, on a piece that says nothing.
    fn tell(&self, out: &mut Vec<u8>, logged: &Logged) {
        let event = EventOut::of(logged);
        // Our own type, with names for keys: it can be written.
        let data = serde_json::value::to_raw_value(&event).ok();
        let empty = DeltaOut { content: Some(""), ..DeltaOut::default() };
        self.delta(out, empty, None, Some(Extra { event: event.name(), reason: None, data }));
    }

    fn end(&self, out: &mut Vec<u8>, ending: &TurnEnding) {
        let TurnEnding::Completed { finish, usage, .. } = ending else {
            if let Some(error) = ApiError::of_ending(ending) {
                Self::error(out, &error);
            }
            return;
        };
        self.delta(out, DeltaOut::default(), Some((*finish).into()), None);
        if self.include_usage {
            let chunk = Chunk { no_choices: Some([]), usage: Some(self.usage.of(usage)), ..self.chunk() };
            data(out, &chunk);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Something that has no place in OpenAI's format, on a piece that says nothing.
    fn aside(&self, out: &mut Vec<u8>, event: &'static str, reason: Option<String>) {
        let empty = DeltaOut { content: Some(""), ..DeltaOut::default() };
        self.delta(out, empty, None, Some(Extra { event, reason, data: None }));
    }

    fn delta(&self, out: &mut Vec<u8>, delta: DeltaOut<'_>, finish_reason: Option<Finish>, turnmux: Option<Extra>) {
        let choices = Some([ChunkChoice { index: 0, delta, finish_reason }]);
        data(out, &Chunk { choices, turnmux, ..self.chunk() });
    }

    fn chunk(&self) -> Chunk<'_> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices: None,
            no_choices: None,
            usage: None,
            turnmux: None,
        }
    }
}

fn data(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    out.extend_from_slice(b"data: ");
    json(out, value);
    out.extend_from_slice(b"\n\n");
}

fn json(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Our own types into memory cannot fail.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok());
}

/// Now, as OpenAI's `created` fields have it.
pub(in crate::api) fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl From<FinishReason> for Finish {
    fn from(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Stop => Self::Stop,
            FinishReason::Length => Self::Length,
            FinishReason::ContentFilter => Self::ContentFilter,
        }
    }
}
