//! What claude's hooks say.

use std::time::Instant;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Act, Asked, ESCAPE, Exchange, LATE, QUESTIONS_MAX, Reply};
use crate::driver::DriverEvent;
use crate::driver::claude::failure as words;
use crate::driver::claude::launch::laxer;
use crate::driver::claude_channel::turn::{Ended, Stage, Turn};
use crate::protocol::{ErrorKind, Question, ThreadId, TurnError};
use crate::wire::claude_hooks::HookInput;

impl Exchange {
    /// Takes what a hook was called with.
    pub(in crate::driver::claude_channel) fn hook(&mut self, now: Instant, input: &HookInput<'_>) -> Reply {
        self.heard = true;
        if matches!(&*input.name, "PostToolUse" | "PostToolUseFailure") {
            self.has_run(input);
        }
        if input.agent_id.is_some() && input.name != "PermissionRequest" {
            // A subagent's: no part of the answer.
            return Reply::Empty;
        }
        input.session_id.as_ref().clone_into(&mut self.session_id);
        if input.name != "UserPromptSubmit" {
            self.shows_typed(now, input);
        }
        match &*input.name {
            "UserPromptSubmit" => self.submitted(now, input),
            "MessageDisplay" => {
                self.at_work(now);
                if let Some((turn, message)) = self.ours().zip(input.message_id.as_deref()) {
                    let shown = turn.displayed.piece(message, input.index, &input.delta, input.is_final);
                    self.show(shown);
                }
            }
            "PreToolUse" | "PostToolUse" | "PostToolUseFailure" => {
                self.at_work(now);
                if let Some(turn) = self.ours() {
                    let steps = turn.tool(input);
                    self.events.extend(steps.into_iter().map(DriverEvent::Step));
                }
            }
            "PermissionRequest" => return self.asked(input),
            "Stop" => {
                let last = input.last_assistant_message.as_deref().unwrap_or_default();
                self.stopped(now, Ended::Stopped, last);
            }
            "StopFailure" => {
                let words = input.last_assistant_message.as_deref().unwrap_or_default().to_owned();
                let error = input.error.to_string();
                self.stopped(now, Ended::Failed { error, words }, "");
            }
            _ => {}
        }
        Reply::Empty
    }

    /// The turn that what claude does now belongs to, if it is ours.
    pub(super) fn ours(&mut self) -> Option<&mut Turn> {
        let is_at_work = |stage: &Stage| !matches!(stage, Stage::Given | Stage::Ended(Ended::Interrupted));
        self.turn.as_mut().filter(|turn| is_at_work(&turn.stage) && !self.dropping)
    }

    /// claude does something, unless this is told late.
    fn at_work(&mut self, now: Instant) {
        self.busy |= self.idle_since.is_none_or(|since| now >= since + LATE);
    }

    fn submitted(&mut self, now: Instant, input: &HookInput<'_>) {
        let was_busy = std::mem::replace(&mut self.busy, true);
        let prompt = input.prompt.as_deref().unwrap_or_default();
        let Some(push) = push_of(prompt) else {
            return self.unpushed(now, was_busy, prompt, input);
        };
        if self.is_behind(push) {
            return self.take_over(now, input);
        }
        if let Some(turn) = &mut self.turn {
            let taken = turn.take_steers(prompt);
            if !taken.is_empty() {
                if turn.stage == Stage::Ended(Ended::Interrupted) {
                    // claude begins what waited by itself. The turn is over when that is.
                    turn.since = now;
                    return self.drop_start();
                }
                // It was merged into the running turn, or is what the turn goes on with.
                self.events.extend(taken.into_iter().map(|command| DriverEvent::SteerConsumed { command }));
                if turn.go_on() && turn.interrupted {
                    self.acts.push_back(Act::Keys(ESCAPE));
                }
                return;
            }
            if turn.id.uuid() == push {
                if turn.stage == Stage::Given {
                    return self.begin(input);
                }
                if turn.stage == Stage::Running {
                    // Merged into the turn that it began: there is no way to take it back.
                    return;
                }
            }
        }
        if self.known.contains(&push) || self.turn.as_ref().is_some_and(|turn| turn.id.uuid() == push) {
            if self.ours().is_some_and(|turn| turn.stage == Stage::Running) {
                tracing::warn!(pid = self.pid, "a message of an earlier turn was merged into the one that runs");
                return;
            }
            tracing::warn!(pid = self.pid, "a message began a second time; it is interrupted");
            self.drop_start();
            if self.turn.as_ref().is_some_and(|turn| matches!(turn.stage, Stage::Ended(_))) {
                self.complete(now);
            }
        }
    }

    /// What claude has just begun is nobody's.
    fn drop_start(&mut self) {
        self.dropping = true;
        self.acts.push_back(Act::Keys(ESCAPE));
    }

    pub(super) fn begin(&mut self, input: &HookInput<'_>) {
        let Some(turn) = &mut self.turn else { return };
        turn.stage = Stage::Running;
        self.dropping = false;
        if self.is_too_lax(input) {
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        match ThreadId::parse(&input.session_id) {
            Ok(_) if std::mem::replace(&mut turn.begun, true) => {}
            Ok(thread) => self.events.push_back(DriverEvent::Began { thread }),
            Err(error) => {
                let message = format!("{} gave a session id that cannot be used: {error}", self.spec.id);
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
            }
        }
        if turn.interrupted {
            self.acts.push_back(Act::Keys(ESCAPE));
        }
    }

    /// Whether claude allows more than it was told to; then its process is of no use.
    pub(super) fn is_too_lax(&mut self, input: &HookInput<'_>) -> bool {
        let mode = input.permission_mode.as_deref().filter(|mode| laxer(mode, self.options.permission));
        if let Some(mode) = mode {
            self.broken = Some(words::laxer(&self.spec, mode, self.options.permission));
        }
        mode.is_some()
    }

    fn asked(&mut self, input: &HookInput<'_>) -> Reply {
        let request = self.requests.iter().position(|(_, tool)| *tool == *input.tool_name);
        let request = request.and_then(|at| self.requests.remove(at)).map(|(request, _)| request);
        let ours = self.turn.as_ref().is_some_and(|turn| turn.stage == Stage::Running && !turn.interrupted);
        if !ours || self.dropping || self.questions.len() >= QUESTIONS_MAX {
            // A turn of claude's own has nobody to ask.
            return Reply::Deny;
        }
        self.asked += 1;
        let id = format!("question-{}", self.asked);
        let tool = input.tool_name.to_string();
        let arguments = input.tool_input.map(|input| input.get().to_owned()).unwrap_or_default();
        self.questions.insert(id.clone(), Asked { tool: tool.clone(), arguments: arguments.clone(), request });
        self.events.push_back(DriverEvent::Asked(Question { id: id.clone(), tool, input: arguments }));
        Reply::Hold(id)
    }

    /// A tool has run. If there is still a question about it, a person has answered that on the screen.
    fn has_run(&mut self, input: &HookInput<'_>) {
        let arguments = input.tool_input.map(RawValue::get).unwrap_or_default();
        let is_it = |asked: &Asked| asked.tool == *input.tool_name && asked.arguments == arguments;
        let question = self.questions.iter().find(|(_, asked)| is_it(asked)).map(|(question, _)| question.clone());
        if let Some(question) = question {
            self.questions.remove(&question);
            self.events.push_back(DriverEvent::Allowed { question });
        }
    }

    fn stopped(&mut self, now: Instant, ended: Ended, last: &str) {
        self.busy = false;
        self.idle_since = Some(now);
        if std::mem::take(&mut self.dropping) {
            self.stray = Some(now);
            return self.settle(now);
        }
        if self.turn.is_none() {
            // It was at something of its own; what a person has typed meanwhile is next.
            return self.go_on(now);
        }
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage == Stage::Running) else { return };
        if turn.interrupted {
            self.stray = Some(now);
        }
        // A failure tells no text, so the last pieces may still come: they are waited for with the transcript.
        let shown = if ended == Ended::Stopped { turn.displayed.finish(last) } else { Vec::new() };
        last.clone_into(&mut turn.last);
        turn.since = now;
        turn.stage = Stage::Ended(ended);
        self.show(shown);
        self.settle(now);
    }
}

/// Which push a prompt is: claude puts the message in a tag, and what the caller wrote stands behind it.
fn push_of(prompt: &str) -> Option<Uuid> {
    let tag = prompt.trim_start().strip_prefix("<channel ")?.split_once('>')?.0;
    let id = tag.split_once("message_id=\"")?.1.split_once('"')?.0;
    id.parse().ok()
}
