//! What tools answer, as text for events.

use std::borrow::Cow;

use serde::Deserialize;

use crate::protocol::FileChangeKind;
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

/// Which file a tool changes, by the tool's name and its arguments; none for tools that change none, or do not say which.
pub(in crate::driver) fn changes(name: &str, input: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Arguments {
        #[serde(alias = "notebook_path")]
        file_path: String,
    }
    let writes = matches!(name, "Write" | "Edit" | "MultiEdit" | "NotebookEdit");
    let arguments: Option<Arguments> = writes.then(|| serde_json::from_str(input).ok()).flatten();
    arguments.map(|arguments| arguments.file_path)
}

/// What became of the file that a tool changed, by what the tool says of it (in a hook, or beside its answer).
pub(in crate::driver) fn change(response: Option<&str>) -> FileChangeKind {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    match response.and_then(|response| serde_json::from_str(response).ok()) {
        Some(Response { kind }) if kind == "create" => FileChangeKind::Created,
        _ => FileChangeKind::Modified,
    }
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
    fn files_that_tools_change_are_named() {
        assert_eq!(changes("Write", r#"{"file_path":"a","content":"x"}"#).as_deref(), Some("a"));
        assert_eq!(changes("NotebookEdit", r#"{"notebook_path":"b"}"#).as_deref(), Some("b"));
        assert_eq!(changes("Read", r#"{"file_path":"a"}"#), None);
        assert_eq!(changes("Write", "{}"), None);
        assert_eq!(change(Some(r#"{"type":"create","filePath":"a"}"#)), FileChangeKind::Created);
        assert_eq!(change(Some(r#"{"type":"update","filePath":"a"}"#)), FileChangeKind::Modified);
        assert_eq!(change(Some(r#"{"filePath":"a"}"#)), FileChangeKind::Modified);
    }

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
