//! What tools answer, as text for events.

use serde::Deserialize;

use crate::wire::claude::{ToolBlock, ToolContent};

/// Longest text of a tool's answer that travels in an event, in bytes; the model has the whole of it.
const TEXT_MAX: usize = 16 << 10;

/// The text of a tool's answer as the Messages API has it, cut at a bound.
pub(in crate::driver) fn text(content: &str) -> String {
    match serde_json::from_str(content) {
        Ok(ToolContent::Text(text)) => cut(text.into_owned()),
        Ok(ToolContent::Blocks(blocks)) => {
            let texts: Vec<_> = blocks.into_iter().filter_map(|ToolBlock { text }| text).collect();
            cut(texts.join("\n"))
        }
        Err(_) => String::new(),
    }
}

/// The text of a tool's answer as hooks have it: each tool has an object of its own. What a command printed is taken out of
/// Bash's; of others the JSON is the text.
pub(in crate::driver) fn hook_text(response: &str) -> String {
    #[derive(Deserialize)]
    struct Printed {
        stdout: String,
        #[serde(default)]
        stderr: String,
    }
    if let Ok(Printed { stdout, stderr }) = serde_json::from_str(response) {
        let between = if stdout.is_empty() || stderr.is_empty() { "" } else { "\n" };
        return cut(format!("{stdout}{between}{stderr}"));
    }
    let known = text(response);
    if known.is_empty() { cut(response.to_owned()) } else { known }
}

/// Cuts a text at the bound.
pub(in crate::driver) fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_answer_is_text() {
        assert_eq!(hook_text(r#"{"stdout":"hi","stderr":"","interrupted":false}"#), "hi");
        assert_eq!(hook_text(r#"{"stdout":"hi","stderr":"oh"}"#), "hi\noh");
        assert_eq!(hook_text(r#"[{"type":"text","text":"sent"}]"#), "sent");
        assert_eq!(hook_text(r#""plain""#), "plain");
        assert_eq!(hook_text(r#"{"file":{"content":"x"}}"#), r#"{"file":{"content":"x"}}"#);
        assert_eq!(hook_text(&format!("{:?}", "é".repeat(TEXT_MAX))).len(), TEXT_MAX + '…'.len_utf8());
    }
}
