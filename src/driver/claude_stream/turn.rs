//! The running turn: lines of claude in, steps and the ending out. Pure.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::value::RawValue;

use super::failure;
use crate::driver::CommandId;
use crate::driver::claude::answer::Answer;
use crate::driver::claude::tools;
use crate::protocol::{BackendSpec, EventKind, FinishReason, InterruptCause, TurnEnding, TurnId, Usage};
use crate::wire::claude::{MessageLine, ResultLine, StreamLine};

/// claude's name for the model of messages that it made up itself, to show an error for example.
const SYNTHETIC: &str = "<synthetic>";

/// The stop reason of a message, and the error of claude's own, that mean that the model's output was cut at its limit.
const CUT: &str = "max_tokens";
const CUT_FOR_GOOD: &str = "max_output_tokens";

/// Tools that may be about to change a file: claude runs a handful at once.
const CHANGES_MAX: usize = 256;

/// What is known of the turn that runs.
#[derive(Debug)]
pub(super) struct Turn {
    /// Which one.
    pub(super) id: TurnId,
    /// True while claude works on it: it has said that it began, and has not said that it is done.
    pub(super) begun: bool,
    /// The session was told that it began.
    pub(super) told: bool,
    /// True once an interrupt was sent.
    pub(super) interrupted: bool,
    /// What steers it and was not taken by claude yet.
    pub(super) steers: Vec<Steer>,
    /// How it would have ended; it goes on with a steer that waits.
    pub(super) held: Option<TurnEnding>,
    /// claude has taken a steer since: it begins again.
    pub(super) goes_on: bool,
    answer: Answer,
    reasoning: String,
    /// Whether thinking came as deltas, so that the whole blocks say nothing new.
    reasoning_streamed: bool,
    /// The model's output was cut at its limit, and claude has asked it to go on as often as it does.
    cut_for_good: bool,
    /// That something shown is not part of the answer was said.
    mismatch_told: bool,
    usage: Usage,
    /// Files that running tools may change, by the call.
    changes: HashMap<String, String>,
}

/// Input for a turn that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steer {
    /// What is told when claude has taken it.
    pub(super) command: CommandId,
    /// By what claude knows it.
    pub(super) uuid: uuid::Uuid,
}

impl Turn {
    /// A turn that was just given to claude.
    pub(super) fn new(id: TurnId) -> Self {
        Self {
            id,
            begun: false,
            told: false,
            interrupted: false,
            steers: Vec::new(),
            held: None,
            goes_on: false,
            answer: Answer::default(),
            reasoning: String::new(),
            reasoning_streamed: false,
            cut_for_good: false,
            mismatch_told: false,
            usage: Usage::default(),
            changes: HashMap::new(),
        }
    }

    /// A raw event of the model's stream.
    pub(super) fn stream_event(&mut self, line: &StreamLine<'_>) -> Option<EventKind> {
        if line.parent_tool_use_id.is_some() {
            // A subagent's deltas; its whole messages follow.
            return None;
        }
        let delta = &line.event.delta;
        match (&*line.event.kind, &*delta.kind) {
            ("message_start", _) => self.answer.message_start(),
            ("content_block_delta", "text_delta") => return self.answer.delta(&delta.text).map(EventKind::TextDelta),
            ("content_block_delta", "thinking_delta") if !delta.thinking.is_empty() => {
                self.reasoning_streamed = true;
                self.reasoning.push_str(&delta.thinking);
                return Some(EventKind::ReasoningDelta(delta.thinking.to_string()));
            }
            ("message_delta", _) if delta.stop_reason.as_deref() == Some(CUT) => self.answer.cut(),
            _ => {}
        }
        None
    }

    /// A whole message of the model's, or one block of it.
    ///
    /// # Errors
    /// When the message's content is not what the Messages API describes.
    pub(super) fn said(&mut self, line: &MessageLine<'_>) -> serde_json::Result<Vec<EventKind>> {
        let synthetic = line.message.model.as_deref() == Some(SYNTHETIC);
        self.cut_for_good |= line.parent_tool_use_id.is_none() && line.error.as_deref() == Some(CUT_FOR_GOOD);
        let mut steps = Vec::new();
        for block in line.message.blocks()? {
            let step = match (&*block.kind, &line.parent_tool_use_id) {
                ("text", Some(parent)) => Some(EventKind::Subagent {
                    parent: parent.to_string(),
                    text: block.text.unwrap_or_default().into_owned(),
                }),
                // What claude made up is an error text, or what a local command says: the result tells which.
                ("text", None) if synthetic => None,
                ("text", None) => self.answer.block(&block.text.unwrap_or_default()).map(EventKind::TextDelta),
                ("thinking", None) if !self.reasoning_streamed => {
                    let text = block.thinking.unwrap_or_default().into_owned();
                    self.reasoning.push_str(&text);
                    Some(EventKind::ReasoningDelta(text)).filter(|_| !self.reasoning.is_empty())
                }
                ("tool_use", None) => {
                    let id = block.id.unwrap_or_default().into_owned();
                    let name = block.name.unwrap_or_default().into_owned();
                    let input = block.input.map(|input| input.get().to_owned()).unwrap_or_default();
                    if let Some(path) = tools::changes(&name, &input).filter(|_| self.changes.len() < CHANGES_MAX) {
                        self.changes.insert(id.clone(), path);
                    }
                    Some(EventKind::ToolUse { id, name, input })
                }
                _ => None,
            };
            steps.extend(step);
        }
        Ok(steps)
    }

    /// What the model was told while it worked: what its tools answered, and what they did to files. (The rest is claude's
    /// own, such as a request to go on after a limit, and none of it is part of the answer.)
    ///
    /// # Errors
    /// When the message's content is not what the Messages API describes.
    pub(super) fn tool_results(&mut self, line: &MessageLine<'_>) -> serde_json::Result<Vec<EventKind>> {
        if line.parent_tool_use_id.is_some() || line.is_replay {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for block in line.message.blocks()?.into_iter().filter(|block| block.kind == "tool_result") {
            let id = block.tool_use_id.unwrap_or_default().into_owned();
            let is_error = block.is_error.unwrap_or(false);
            let text = block.content.map(|content| tools::text(content.get())).unwrap_or_default();
            let changed = self.changes.remove(&id).filter(|_| !is_error);
            steps.push(EventKind::ToolResult { id: id.clone(), is_error, text });
            steps.extend(changed.map(|path| {
                let kind = tools::change(line.tool_use_result.map(RawValue::get));
                EventKind::FileChange { id, path, kind }
            }));
        }
        Ok(steps)
    }

    /// claude begins again, with input that had waited for the end.
    pub(super) fn go_on(&mut self) {
        (self.begun, self.goes_on, self.held) = (true, false, None);
    }

    /// claude is done, for now at least: the steps that were still missing, and the ending.
    pub(super) fn finish(
        &mut self,
        line: &ResultLine<'_>,
        spec: &BackendSpec,
        cost_usd: Option<f64>,
        retry_at: Option<SystemTime>,
    ) -> (Vec<EventKind>, TurnEnding) {
        self.spend(line, cost_usd);
        let wrong = line.is_error || line.subtype != "success";
        if wrong && self.interrupted {
            return (Vec::new(), TurnEnding::Interrupted(InterruptCause::Agent));
        }
        // An answer that is too long is an answer: claude's words about it are none of it.
        let too_long = wrong && self.cut_for_good;
        if wrong && !too_long {
            let retry_after = retry_at.and_then(|at| at.duration_since(SystemTime::now()).ok());
            return (Vec::new(), TurnEnding::Failed(failure::of_result(line, spec, retry_after)));
        }
        let mut steps: Vec<EventKind> = line
            .permission_denials
            .iter()
            .map(|d| EventKind::PermissionDenied { tool: d.tool_name.to_string() })
            .collect();
        let result = line.result.as_deref().filter(|_| !too_long).unwrap_or_default();
        steps.extend(self.answer.finish(result).map(EventKind::TextDelta));
        if self.answer.mismatch() && !std::mem::replace(&mut self.mismatch_told, true) {
            steps.push(EventKind::TextMismatch);
        }
        let ending = TurnEnding::Completed {
            text: self.answer.text().to_owned(),
            reasoning: self.reasoning.clone(),
            finish: if too_long { FinishReason::Length } else { finish_reason(line.stop_reason.as_deref()) },
            usage: self.usage,
        };
        (steps, ending)
    }

    fn spend(&mut self, line: &ResultLine<'_>, cost_usd: Option<f64>) {
        let (usage, more) = (&mut self.usage, &line.usage);
        usage.input_tokens += more.input_tokens;
        usage.cache_creation_tokens += more.cache_creation_input_tokens;
        usage.cache_read_tokens += more.cache_read_input_tokens;
        usage.output_tokens += more.output_tokens;
        usage.cost_usd = cost_usd.map(|cost| cost + usage.cost_usd.unwrap_or_default()).or(usage.cost_usd);
    }
}

fn finish_reason(stop_reason: Option<&str>) -> FinishReason {
    match stop_reason {
        Some(CUT | "model_context_window_exceeded") => FinishReason::Length,
        Some("refusal") => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// The time that `resetsAt` gives in seconds since 1970.
pub(super) fn time_of(seconds: f64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}
