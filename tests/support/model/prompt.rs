//! What a Messages request asks: its newest user text, how many there were, and how far the tools have come.

use serde_json::Value;

/// Tags whose content is claude's own, or turnmux's, and not the user's.
const OWN_TAGS: [&str; 11] = [
    "system-reminder",
    "local-command-caveat",
    "local-command-stdout",
    "local-command-stderr",
    "command-name",
    "command-message",
    "command-args",
    "command-contents",
    "conversation_so_far",
    "instructions_changed",
    "images",
];
/// Notes of claude's own that are no tag.
const OWN_NOTES: [&str; 3] = ["[Request interrupted by user", "Output token limit hit. Resume directly", "[Image: "];
/// What turnmux puts between a history and the user's text.
const NEWEST_FOLLOWS: &str = "What follows is the newest message.";
/// What stands in a script for the path of the first image.
const IMAGE: &str = "%IMAGE%";
/// How much of a tool's result the default answer repeats, in characters.
const RESULT_SHOWN_MAX: usize = 200;

/// A request, read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Prompt {
    /// The newest user text; empty when there is none.
    pub(super) text: String,
    /// How many user texts the request holds.
    pub(super) turn: usize,
    /// How many tool calls the assistant made since the newest user text.
    pub(super) tools_done: usize,
    /// Text of the newest tool result since the newest user text.
    pub(super) tool_said: Option<String>,
    /// A request that claude makes for itself.
    pub(super) on_the_side: bool,
}

impl Prompt {
    /// Reads a request's body.
    pub(super) fn read(body: &Value) -> Self {
        let mut prompt = Self { on_the_side: is_on_the_side(body), ..Self::default() };
        for message in body["messages"].as_array().into_iter().flatten() {
            let by_user = message["role"] == "user";
            match &message["content"] {
                Value::String(text) if by_user => prompt.take_text(text),
                Value::Array(blocks) => blocks.iter().for_each(|block| prompt.take_block(block, by_user)),
                _ => {}
            }
        }
        prompt
    }

    fn take_block(&mut self, block: &Value, by_user: bool) {
        match block["type"].as_str() {
            Some("text") if by_user => self.take_text(block["text"].as_str().unwrap_or_default()),
            Some("tool_use") if !by_user => self.tools_done += 1,
            Some("tool_result") if by_user => {
                let said = result_text(&block["content"]);
                self.tool_said = Some(said.chars().take(RESULT_SHOWN_MAX).collect());
            }
            _ => {}
        }
    }

    fn take_text(&mut self, text: &str) {
        let shown = first_shown(text);
        let mut text = user_text(text);
        if text.is_empty() {
            return;
        }
        if let Some(path) = shown {
            text = text.replace(IMAGE, path);
        }
        self.text = text;
        self.turn += 1;
        self.tools_done = 0;
        self.tool_said = None;
    }
}

/// What the user typed of a text block: less claude's tags and notes, out of a channel's tag.
fn user_text(text: &str) -> String {
    let mut text = text.to_owned();
    for tag in OWN_TAGS {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        while let Some(start) = text.find(&open) {
            let end = text[start..].find(&close).map_or(text.len(), |at| start + at + close.len());
            text.replace_range(start..end, "");
        }
    }
    let text = text.trim();
    if OWN_NOTES.iter().any(|note| text.starts_with(note)) {
        return String::new();
    }
    let text = in_channel(text).unwrap_or(text).trim();
    text.strip_prefix(NEWEST_FOLLOWS).unwrap_or(text).trim().to_owned()
}

/// Where the first image lies that turnmux names for a claude to look at.
fn first_shown(text: &str) -> Option<&str> {
    let images = text.split_once("<images>")?.1.split_once("</images>")?.0;
    images.lines().find(|line| line.starts_with('/'))
}

/// The content of `<channel source="…" …>content</channel>`.
fn in_channel(text: &str) -> Option<&str> {
    let (_attributes, content) = text.strip_prefix("<channel ")?.split_once('>')?;
    content.rsplit_once("</channel>").map(|(content, _)| content)
}

fn result_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// Requests that claude makes for itself: the quota check asks for one token, titles and topics bring a schema of
/// their own and no tools.
fn is_on_the_side(body: &Value) -> bool {
    let no_tools = body["tools"].as_array().is_none_or(Vec::is_empty);
    body["max_tokens"] == 1 || (no_tools && !body["output_config"]["format"].is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(messages: impl Into<Value>) -> Prompt {
        Prompt::read(&json!({"messages": messages.into()}))
    }

    #[test]
    fn the_newest_user_text_counts() {
        let prompt = read(json!([
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"},
                                         {"type": "text", "text": "one"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "You said: one"}]},
            {"role": "user", "content": "two\n<system-reminder>\n::say no\n</system-reminder>"},
        ]));
        assert_eq!((prompt.text.as_str(), prompt.turn, prompt.tools_done), ("two", 2, 0));
    }

    #[test]
    fn tool_calls_since_then_are_counted() {
        let prompt = read(json!([
            {"role": "user", "content": "old"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "Bash", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]},
            {"role": "user", "content": [{"type": "text", "text": "new"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "b", "name": "Bash", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "hi"}]},
                {"type": "text", "text": "<system-reminder>be good</system-reminder>"}]},
        ]));
        assert_eq!((prompt.text.as_str(), prompt.turn, prompt.tools_done), ("new", 2, 1));
        assert_eq!(prompt.tool_said.as_deref(), Some("hi"));
    }

    #[test]
    fn a_channel_message_is_its_content() {
        let text = "<channel source=\"turnmux\" chat_id=\"a\">\n::say hi\n</channel>";
        assert_eq!(read(json!([{"role": "user", "content": text}])).text, "::say hi");
    }

    #[test]
    fn claudes_own_notes_are_no_user_text() {
        let prompt = read(json!([{"role": "user", "content": [
            {"type": "text", "text": "one"},
            {"type": "text", "text": "[Request interrupted by user]"},
            {"type": "text", "text": "<local-command-stdout>Set model</local-command-stdout>\n"}]}]));
        assert_eq!((prompt.text.as_str(), prompt.turn), ("one", 1));
    }
}
