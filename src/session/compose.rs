//! Whole messages out of their pieces, for those who want no pieces.
//!
//! A session's task has them written behind their pieces. Whoever reads that again takes only what is missing: the message
//! that a turn which runs is at, or one that was cut off with the daemon.

use crate::protocol::{EventKind, TurnEnding, TurnId};

/// Collects the pieces of one message of the running turn.
#[derive(Debug, Default)]
pub struct Composer {
    turn: Option<TurnId>,
    text: String,
    reasoning: String,
}

impl Composer {
    /// Takes the next event of a turn; gives what stands before it: the message that it ends, what the turn took. Turns that
    /// wait have no pieces, so theirs change nothing. A message that comes as a whole needs its pieces no more.
    pub fn before(&mut self, turn: TurnId, kind: &EventKind) -> Vec<EventKind> {
        let mut before = Vec::new();
        // What is left of a turn need not have its beginning.
        if matches!(kind, EventKind::Started { .. }) || (kind.is_delta() && self.turn != Some(turn)) {
            *self = Self { turn: Some(turn), ..Self::default() };
        }
        match kind {
            _ if self.turn != Some(turn) => {}
            EventKind::TextDelta(piece) => {
                self.end_reasoning(&mut before);
                self.text.push_str(piece);
            }
            EventKind::ReasoningDelta(piece) => {
                self.end_text(&mut before);
                self.reasoning.push_str(piece);
            }
            EventKind::AssistantText(_) => self.text.clear(),
            EventKind::Reasoning(_) => self.reasoning.clear(),
            EventKind::ToolUse { .. } | EventKind::Ended(_) => before = self.rest(),
            _ => {}
        }
        if let EventKind::Ended(TurnEnding::Completed { usage, .. }) = kind {
            before.push(EventKind::Usage(*usage));
        }
        before
    }

    /// Gives what has no end yet.
    pub fn rest(&mut self) -> Vec<EventKind> {
        let mut out = Vec::new();
        self.end_reasoning(&mut out);
        self.end_text(&mut out);
        out
    }

    fn end_text(&mut self, out: &mut Vec<EventKind>) {
        if !self.text.is_empty() {
            out.push(EventKind::AssistantText(std::mem::take(&mut self.text)));
        }
    }

    fn end_reasoning(&mut self, out: &mut Vec<EventKind>) {
        if !self.reasoning.is_empty() {
            out.push(EventKind::Reasoning(std::mem::take(&mut self.reasoning)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{FinishReason, InterruptCause, ThreadId, Usage};

    #[test]
    fn a_message_ends_where_something_else_begins() {
        let (mut composer, turn, waiting) = (Composer::default(), TurnId::generate(), TurnId::generate());
        assert_eq!(composer.before(turn, &EventKind::Started { thread: ThreadId::generate() }), []);
        let text = |text: &str| EventKind::TextDelta(text.into());
        let ended = EventKind::Ended(TurnEnding::Completed {
            text: String::new(),
            reasoning: String::new(),
            finish: FinishReason::Stop,
            usage: Usage { output_tokens: 7, ..Usage::default() },
        });
        assert_eq!(composer.before(turn, &EventKind::ReasoningDelta("hm".into())), []);
        assert_eq!(composer.before(turn, &text("a")), [EventKind::Reasoning("hm".into())]);
        assert_eq!(composer.before(turn, &text("b")), []);
        let tool = EventKind::ToolUse { id: "1".into(), name: "Bash".into(), input: "{}".into() };
        assert_eq!(composer.before(turn, &tool), [EventKind::AssistantText("ab".into())]);
        assert_eq!(composer.before(turn, &text("c")), []);
        let gone = EventKind::Ended(TurnEnding::Interrupted(InterruptCause::Request));
        assert_eq!(composer.before(waiting, &gone), []);
        let usage = EventKind::Usage(Usage { output_tokens: 7, ..Usage::default() });
        assert_eq!(composer.before(turn, &ended), [EventKind::AssistantText("c".into()), usage]);
        assert_eq!(composer.before(turn, &gone), []);
    }
    #[test]
    fn what_is_written_already_is_not_given_again() {
        let (mut composer, turn) = (Composer::default(), TurnId::generate());
        let text = |text: &str| EventKind::TextDelta(text.into());
        // The beginning is gone.
        for kind in [text("a"), text("b"), EventKind::AssistantText("ab".into()), EventKind::Reasoning("hm".into())] {
            assert_eq!(composer.before(turn, &kind), [], "{kind:?}");
        }
        assert_eq!(composer.rest(), []);
        assert_eq!(composer.before(turn, &text("c")), []);
        assert_eq!(composer.rest(), [EventKind::AssistantText("c".into())]);
        assert_eq!(composer.rest(), []);
    }
}
