//! The running turn: what hooks and the transcript say of it, and its ending. Pure.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::displayed::Displayed;
use super::failure;
use super::transcript::{Said, TurnUsage};
use crate::driver::CommandId;
use crate::driver::claude::tools;
use crate::protocol::{BackendSpec, EventKind, FinishReason, InterruptCause, TurnEnding, TurnId};
use crate::wire::claude_hooks::HookInput;

/// How long the end of a turn waits for the transcript, which claude writes in batches up to 0.2 s later.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// The same where claude is known to write one: on a busy machine it is late.
const WRITTEN_SURELY_WITHIN: Duration = Duration::from_secs(5);

/// How long it waits for a steer to begin that was not seen to be merged.
const STEER_WITHIN: Duration = Duration::from_secs(2);

/// The plugin's own tool: what it says is part of the answer, and its use no event.
const REPLY_TOOL: &str = "mcp__plugin_turnmux_turnmux__reply";

/// What is known of the turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// Which one; its push bears the same id.
    pub(super) id: TurnId,
    /// What was pushed.
    pub(super) content: String,
    pub(super) stage: Stage,
    /// When it was pushed last, or ended.
    pub(super) since: Instant,
    pub(super) pushes: u8,
    /// claude has begun it, and the session knows.
    pub(super) begun: bool,
    /// A person began it in the terminal: there is no push.
    pub(super) typed: bool,
    /// It has not shown yet; if it does not until then, it was read as a part of the turn before.
    pub(super) presumed_until: Option<Instant>,
    /// Something of it was shown, or a tool was used.
    pub(super) touched: bool,
    /// True once somebody asked for its end.
    pub(super) interrupted: bool,
    pub(super) displayed: Displayed,
    /// Pushes that steer it and were not seen to begin.
    pub(super) steers: Vec<(CommandId, Uuid)>,
    /// The last message's text, as the end told it.
    pub(super) last: String,
    /// The transcript has the line that follows a turn's end.
    duration_written: bool,
    usage: TurnUsage,
    /// The text of the last message that the transcript has.
    written: Option<String>,
    finish: FinishReason,
    /// The service's status, where the last message is an error of it. It may be written before the hook tells of the end.
    status: Option<u16>,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Pushed; claude has not begun.
    Given,
    /// claude works on it.
    Running,
    /// claude is done; the transcript, or a steer, is still to come.
    Ended(Ended),
}

/// How claude ended it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer.
    Stopped,
    /// With an error: a word for it, and claude's own words.
    Failed { error: String, words: String },
    /// Not by itself.
    Interrupted,
}

impl Turn {
    /// A turn that was just pushed.
    pub(super) fn given(id: TurnId, content: String, now: Instant) -> Self {
        Self {
            id,
            content,
            stage: Stage::Given,
            since: now,
            pushes: 1,
            begun: false,
            typed: false,
            presumed_until: None,
            touched: false,
            interrupted: false,
            displayed: Displayed::default(),
            steers: Vec::new(),
            last: String::new(),
            duration_written: false,
            usage: TurnUsage::default(),
            written: None,
            finish: FinishReason::Stop,
            status: None,
        }
    }

    /// A turn that is yet to be pushed.
    pub(super) fn waiting(id: TurnId, content: String, now: Instant) -> Self {
        Self { pushes: 0, ..Self::given(id, content, now) }
    }

    /// A turn that a person has begun.
    pub(super) fn typed(id: TurnId, now: Instant) -> Self {
        Self { stage: Stage::Running, begun: true, typed: true, ..Self::given(id, String::new(), now) }
    }

    /// A tool hook.
    pub(super) fn tool(&mut self, input: &HookInput<'_>) -> Vec<EventKind> {
        self.touched = true;
        let id = input.tool_use_id.to_string();
        let begins = input.name == "PreToolUse";
        if begins {
            self.displayed.tool_begins(&id);
        } else {
            self.displayed.tool_ended(&id);
        }
        if input.tool_name == REPLY_TOOL {
            return Vec::new();
        }
        if begins {
            let arguments = input.tool_input.map(|input| input.get().to_owned()).unwrap_or_default();
            vec![EventKind::ToolUse { id, name: input.tool_name.to_string(), input: arguments }]
        } else {
            let is_error = input.name == "PostToolUseFailure";
            let response = input.tool_response.map(RawValue::get).unwrap_or_default();
            let text = if is_error { input.error.to_string() } else { tools::hook_text(response) };
            let path = input.tool_input.and_then(|arguments| tools::changes(&input.tool_name, arguments.get()));
            let change = path.filter(|_| !is_error).map(|path| EventKind::FileChange {
                id: id.clone(),
                path,
                kind: tools::change(Some(response)),
            });
            let result = EventKind::ToolResult { id: id.clone(), is_error, text: tools::cut(text) };
            [result].into_iter().chain(change).collect()
        }
    }

    /// A prompt begins, or was merged, that may hold steers: several that waited become one. Gives those of this turn that
    /// it holds.
    pub(super) fn take_steers(&mut self, prompt: &str) -> Vec<CommandId> {
        self.steers.extract_if(.., |(_, steer)| names(prompt, *steer)).map(|(command, _)| command).collect()
    }

    /// claude works on it again, if it had ended; what was written of its end counts no more. False if it had not.
    pub(super) fn go_on(&mut self) -> bool {
        if self.stage == Stage::Running {
            return false;
        }
        self.stage = Stage::Running;
        self.duration_written = false;
        self.written = None;
        true
    }

    /// The transcript has a message of the model's.
    pub(super) fn written(&mut self, said: &Said) {
        self.usage.add(said);
        self.written = Some(said.text.clone());
        self.finish = match said.stop_reason.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
            Some("refusal") => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        };
        self.status = said.failure.as_ref().and_then(|failure| failure.status);
    }

    /// The transcript has a line that follows the end of a turn: of this one, if it has anything of this one before.
    pub(super) fn duration(&mut self) {
        self.duration_written |= self.written.is_some() && matches!(self.stage, Stage::Ended(_));
    }

    /// Whether nothing more is to come.
    pub(super) fn is_written(&self) -> bool {
        let Stage::Ended(ended) = &self.stage else { return false };
        let told = match ended {
            Ended::Stopped => self.last.trim(),
            Ended::Failed { words, .. } => words.trim(),
            Ended::Interrupted => return self.steers.is_empty(),
        };
        self.steers.is_empty()
            && (self.duration_written
                || (!told.is_empty() && self.written.as_deref().is_some_and(|written| written.trim() == told)))
    }

    /// Whether it runs, nobody has stopped it, and nothing has come of it: it may as well begin once more.
    pub(super) fn is_untouched(&self) -> bool {
        self.stage == Stage::Running && !self.interrupted && !self.touched && !self.typed
    }

    /// How long to wait for that; `writes`: something of the transcript was seen.
    pub(super) fn patience(&self, writes: bool) -> Duration {
        if self.stage == Stage::Ended(Ended::Interrupted) || !self.steers.is_empty() {
            return STEER_WITHIN;
        }
        if writes { WRITTEN_SURELY_WITHIN } else { WRITTEN_WITHIN }
    }

    /// The ending, and the steps before it.
    pub(super) fn finish(mut self, spec: &BackendSpec) -> (Vec<EventKind>, TurnEnding) {
        let mut finish = self.finish;
        let mut late = Vec::new();
        if self.stage == Stage::Ended(Ended::Interrupted) {
            return (Vec::new(), TurnEnding::Interrupted(InterruptCause::Agent));
        }
        if let Stage::Ended(Ended::Failed { error, words }) = &self.stage {
            // An answer that is too long is an answer: claude's words about it are none of it.
            if error != failure::TOO_LONG {
                return (Vec::new(), TurnEnding::Failed(failure::of_stop(spec, error, words, self.status)));
            }
            finish = FinishReason::Length;
            late = self.displayed.finish("");
        }
        let mut steps: Vec<_> = late.into_iter().map(EventKind::TextDelta).collect();
        if self.displayed.mismatch() {
            steps.push(EventKind::TextMismatch);
        }
        let text = self.displayed.text().to_owned();
        (steps, TurnEnding::Completed { text, reasoning: String::new(), finish, usage: self.usage.total() })
    }
}

/// Whether a prompt holds the push with this id: claude merges several that waited into one.
pub(super) fn names(prompt: &str, id: Uuid) -> bool {
    memchr::memmem::find(prompt.as_bytes(), format!("message_id=\"{id}\"").as_bytes()).is_some()
}
