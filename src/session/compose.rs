//! Whole messages out of their pieces, for those who want no pieces.

use crate::protocol::{EventKind, TurnEnding, TurnId};

/// Collects the pieces of one message of the running turn.
#[derive(Debug, Default)]
pub(super) struct Composer {
    turn: Option<TurnId>,
    text: String,
    reasoning: String,
}

impl Composer {
    /// Takes the next event of a turn; gives what stands before it: the message that it ends, what the turn took. Turns that
    /// wait have no pieces, so theirs change nothing.
    pub(super) fn before(&mut self, turn: TurnId, kind: &EventKind) -> Vec<EventKind> {
        let mut before = Vec::new();
        if matches!(kind, EventKind::Started { .. }) {
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
            EventKind::ToolUse { .. } | EventKind::Ended(_) => {
                self.end_reasoning(&mut before);
                self.end_text(&mut before);
            }
            _ => {}
        }
        if let EventKind::Ended(TurnEnding::Completed { usage, .. }) = kind {
            before.push(EventKind::Usage(*usage));
        }
        before
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
}
