//! What an agent is told before the user's words.

use std::fmt::Write as _;

use super::machine::Recalled;
use crate::protocol::{HistoryMessage, Role};

/// The conversation so far, for an agent that starts a thread in the middle of it. None when there is nothing to tell.
pub(super) fn history(messages: &[HistoryMessage]) -> Option<String> {
    const OPENING: &str =
        "This conversation began before you joined it. These are its earlier messages, oldest first:\n";
    tell(OPENING, messages)
}

/// The conversation that an agent has lost, as far as it was kept. None when there is nothing to tell.
pub(super) fn recalled(conversation: &Recalled) -> Option<String> {
    let mut opening = String::from(
        "Your memory of this conversation was lost. These are its messages as they were written down, oldest first; what you did \
         with tools is not among them.",
    );
    if conversation.is_cut {
        opening.push_str(" The conversation began before these; its earlier messages are left out, for they are too long or are not kept any more.");
    }
    opening.push('\n');
    tell(&opening, &conversation.messages)
}

fn tell(opening: &str, messages: &[HistoryMessage]) -> Option<String> {
    if messages.is_empty() {
        return None;
    }
    let mut text = format!("<conversation_so_far>\n{opening}");
    for message in messages {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        // Writing into a String cannot fail.
        let _ = write!(text, "\n<message role=\"{role}\">\n{}\n</message>\n", message.text);
    }
    text.push_str("</conversation_so_far>\n\nWhat follows is the newest message.");
    Some(text)
}

/// New instructions for an agent that goes by other ones.
pub(super) fn new_instructions(instructions: &str) -> String {
    format!(
        "<instructions_changed>\nThe instructions for this conversation have changed. From now on these count in place of \
         those that you were given before:\n\n{instructions}\n</instructions_changed>"
    )
}

/// The backend's system prompt and the caller's, as one text.
pub(super) fn instructions(backend: Option<&str>, caller: Option<&str>) -> Option<String> {
    match (backend, caller) {
        (Some(backend), Some(caller)) => Some(format!("{backend}\n\n{caller}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}
