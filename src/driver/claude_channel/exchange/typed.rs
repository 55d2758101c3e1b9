//! Turns that a person begins by typing in the terminal.
//!
//! claude calls `UserPromptSubmit` for them as for pushes, with what was typed. While it is idle it begins them at once. While it
//! is at something, 2.1.329 calls the hook at Enter, and 2.1.197 does when it begins them; what it merges into its turn
//! instead, the transcript says (`QueuedCommand`), for 2.1.197 nothing else. So:
//!
//! ```text
//!            claude idle: ─────────────────────────────────────────▶ a turn of the session's
//!  a prompt ─┤                     ┌─ merged, says the transcript: it has steered the turn
//!            claude at work: waits ┤
//!                                  └─ the turn has ended: it begins, and is a turn ──▶ nothing shows for ten seconds: it was
//!                                                                                      merged unseen, and the turn is empty
//! ```
//!
//! What the session gives meanwhile waits behind the person's turn. If it was pushed in the same moment, claude may merge it
//! into that: then it takes the turn over.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Exchange;
use super::commands::content;
use crate::driver::claude_channel::turn::{Ended, Stage, Turn, names};
use crate::driver::{CommandId, DriverEvent, TurnInput};
use crate::protocol::{ErrorKind, ThreadId, TurnError, TurnId, TurnOptions};
use crate::wire::claude_hooks::HookInput;

/// Prompts that may wait for claude to take them.
const TYPED_MAX: usize = 32;

/// How long a turn may show nothing of which it is only supposed that claude has begun it.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// Hooks that show claude at work.
const AT_WORK: [&str; 7] =
    ["MessageDisplay", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest", "Stop", "StopFailure"];

/// How prompts begin that claude makes by itself.
const OWN: [&str; 2] = ["<task-notification", "<channel "];

impl Exchange {
    /// Somebody has pressed these keys.
    pub(in crate::driver::claude_channel) fn keys(&mut self, keys: &[u8]) {
        self.entered |= keys.contains(&b'\r') || keys.contains(&b'\n');
        // The session's process is not to be ended for want of work while somebody types.
        if self.ready && self.turn.is_none() && !self.events.iter().any(|event| *event == DriverEvent::Alive) {
            self.events.push_back(DriverEvent::Alive);
        }
    }

    /// A prompt that names no push.
    pub(super) fn unpushed(&mut self, now: Instant, was_busy: bool, prompt: &str, input: &HookInput<'_>) {
        if !self.is_typed(prompt) {
            tracing::debug!(pid = self.pid, "claude began a turn of its own");
            return;
        }
        if self.is_too_lax(input) {
            return;
        }
        if self.turn.as_ref().is_some_and(|turn| matches!(turn.stage, Stage::Ended(_))) {
            // It was idle, or had begun what waited; of the turn before nothing more is to come.
            self.complete(now);
        }
        let runs = self.turn.as_ref().is_some_and(|turn| turn.stage == Stage::Running);
        if runs || was_busy || self.dropping {
            self.typed.push_back(prompt.to_owned());
            if self.typed.len() > TYPED_MAX {
                self.typed.pop_front();
            }
            return;
        }
        if self.turn.as_ref().is_some_and(|turn| turn.interrupted) {
            // It had not begun; should it, it is dropped.
            if let Some(turn) = &mut self.turn {
                turn.stage = Stage::Ended(Ended::Interrupted);
            }
            self.end_turn();
        }
        self.behind = self.turn.take().or_else(|| self.behind.take());
        self.begin_typed(now, prompt.to_owned());
    }

    /// A turn is over: a person's begins, or else what has waited behind it.
    pub(super) fn go_on(&mut self, now: Instant) {
        if self.turn.is_some() || self.broken.is_some() {
            return;
        }
        if !self.typed.is_empty() {
            // claude makes one turn of all that waits.
            let text = self.typed.drain(..).collect::<Vec<_>>().join("\n");
            self.begin_typed(now, text);
            if let Some(turn) = &mut self.turn {
                turn.presumed_until = Some(now + SHOWS_WITHIN);
            }
            return;
        }
        let Some(mut behind) = self.behind.take() else { return };
        behind.since = now;
        let is_pushed = behind.pushes > 0;
        self.turn = Some(behind);
        if !is_pushed {
            self.push_again(now);
        }
    }

    fn begin_typed(&mut self, now: Instant, text: String) {
        let thread = match ThreadId::parse(&self.session_id) {
            Ok(thread) => thread,
            Err(error) => {
                let message = format!("{} gave a session id that cannot be used: {error}", self.spec.id);
                self.broken = Some(TurnError::new(ErrorKind::AgentLost, message));
                return;
            }
        };
        let turn = TurnId::generate();
        self.turn = Some(Turn::typed(turn, now));
        self.busy = true;
        self.events.push_back(DriverEvent::TypedTurn { turn, thread, text });
    }

    /// A hook that shows claude at work. Where a prompt waits behind a turn that has ended, it has begun that.
    pub(super) fn shows_typed(&mut self, now: Instant, input: &HookInput<'_>) {
        if !AT_WORK.contains(&&*input.name) {
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        if matches!(turn.stage, Stage::Ended(_)) && !self.typed.is_empty() && !self.dropping {
            // The last words of the turn that has ended may come behind its end.
            let is_late = input.name == "MessageDisplay" && turn.last.contains(&*input.delta);
            if !is_late {
                self.complete(now);
            }
        }
        if let Some(turn) = &mut self.turn {
            turn.presumed_until = None;
        }
    }

    /// Nothing shows of a person's turn: claude has read it as a part of the one before.
    pub(super) fn never_began(&mut self, now: Instant) {
        self.busy = false;
        if let Some(turn) = &mut self.turn {
            turn.presumed_until = None;
            turn.stage = Stage::Ended(Ended::Stopped);
        }
        self.complete(now);
    }

    /// The transcript says what was merged into the turn.
    pub(super) fn merged_typed(&mut self, text: &str) {
        if !self.is_typed(text) {
            return;
        }
        self.forget_typed(text);
        if self.turn.as_ref().is_some_and(|turn| turn.stage != Stage::Given) {
            self.events.push_back(DriverEvent::TypedSteer { text: text.trim().to_owned() });
        }
    }

    /// A prompt does not wait any more.
    pub(super) fn forget_typed(&mut self, text: &str) {
        if let Some(at) = self.typed.iter().position(|typed| typed.trim() == text.trim()) {
            self.typed.remove(at);
        }
    }

    // ── what the session gives meanwhile ────────────────────────────────────────────────────────────────────────────

    /// The session's turn waits for the end of a person's.
    pub(super) fn put_behind(
        &mut self,
        now: Instant,
        id: CommandId,
        turn: TurnId,
        input: &TurnInput,
        options: TurnOptions,
    ) {
        self.options.system_prompt = options.system_prompt;
        self.behind = Some(Turn::waiting(turn, content(input), now));
        self.ack(id, Ok(()));
    }

    /// Whether a push is that of the turn which waits behind a person's.
    pub(super) fn is_behind(&self, push: Uuid) -> bool {
        self.behind.as_ref().is_some_and(|behind| behind.id.uuid() == push)
    }

    /// Whether a merged prompt is the turn that waits behind a person's.
    pub(super) fn is_named_behind(&self, prompt: &str) -> bool {
        self.behind.as_ref().is_some_and(|behind| names(prompt, behind.id.uuid()))
    }

    /// claude has begun the session's turn: behind the person's, or as a part of it.
    pub(super) fn take_over(&mut self, now: Instant, input: &HookInput<'_>) {
        let Some(mut behind) = self.behind.take() else { return };
        self.cut_short();
        self.end_turn();
        behind.since = now;
        self.turn = Some(behind);
        self.begin(input);
    }

    /// claude has read the session's turn as a part of the person's, and the transcript alone says so.
    pub(super) fn taken_along(&mut self, now: Instant) {
        let Some(mut behind) = self.behind.take() else { return };
        let thread = ThreadId::parse(&self.session_id);
        let has_stopped = self.turn.as_ref().is_some_and(|turn| turn.stage != Stage::Running);
        if let Some(turn) = &self.turn {
            behind.last.clone_from(&turn.last);
        }
        self.cut_short();
        self.end_turn();
        behind.since = now;
        behind.begun = true;
        behind.stage = Stage::Running;
        let shown = if has_stopped { behind.displayed.finish(&behind.last) } else { Vec::new() };
        if has_stopped {
            behind.stage = Stage::Ended(Ended::Stopped);
        }
        self.turn = Some(behind);
        self.events.extend(thread.ok().map(|thread| DriverEvent::Began { thread }));
        self.show(shown);
    }

    /// The person's turn ends with what it has said so far, if claude has not ended it.
    fn cut_short(&mut self) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.stage == Stage::Running) else { return };
        turn.stage = Stage::Ended(Ended::Stopped);
        let shown = turn.displayed.finish("");
        self.show(shown);
    }

    /// Whether a person has typed it.
    fn is_typed(&self, prompt: &str) -> bool {
        self.entered && self.ready && !OWN.iter().any(|own| prompt.trim_start().starts_with(own))
    }
}
