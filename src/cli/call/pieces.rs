//! What comes of a turn: the events of a chat stream, as far as `call` goes by them.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One thing that happened.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// More of the answer.
    Text(String),
    /// What the agent does, or what becomes of the turn.
    Happened(Happened),
    /// The turn did not complete, and why.
    Failed(Failure),
    /// All has been said.
    Done,
}

/// An event of the turn, as far as people are told of it.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Happened {
    /// It waits.
    TurnWaiting { reason: String },
    /// The agent has it.
    TurnStarted {},
    /// A tool is called.
    ToolUse { name: String, input: Value },
    /// A tool has answered.
    ToolResult { is_error: bool, text: String },
    /// A tool was not allowed.
    PermissionDenied { tool: String },
    /// The agent asks whether it may.
    PermissionAsked { request: String, tool: String, input: Value },
    /// The model's service is asked again.
    Retry { status: Option<u16> },
    /// The session's thread was lost, and a new one told of so many messages.
    ContextLost { recalled: u64 },
    /// The final text is another one than its pieces.
    TextMismatch {},
    /// The final text.
    TurnCompleted { text: String },
}

/// Why a turn did not complete.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Failure {
    /// As in the API.
    pub(super) code: String,
    /// For people.
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default, borrow)]
    turnmux: Option<Aside<'a>>,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Deserialize, Default)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Aside<'a> {
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

impl Piece {
    /// Reads the data of one event of a chat stream; none where it says nothing that is wanted here.
    pub(super) fn read(data: &str) -> serde_json::Result<Option<Self>> {
        if data == "[DONE]" {
            return Ok(Some(Self::Done));
        }
        let Chunk { choices, turnmux, error } = serde_json::from_str(data)?;
        if let Some(failure) = error {
            return Ok(Some(Self::Failed(failure)));
        }
        if let Some(data) = turnmux.and_then(|aside| aside.data) {
            // What else is told is for others.
            return Ok(serde_json::from_str(data.get()).ok().map(Self::Happened));
        }
        let text = choices.into_iter().find_map(|choice| choice.delta.content);
        Ok(text.filter(|text| !text.is_empty()).map(Self::Text))
    }
}

/// The event that one of a chat stream's tells of, as it is; none where it tells of none.
pub(super) fn event(data: &str) -> serde_json::Result<Option<&str>> {
    if data == "[DONE]" {
        return Ok(None);
    }
    let chunk: Chunk<'_> = serde_json::from_str(data)?;
    Ok(chunk.turnmux.and_then(|aside| aside.data).map(RawValue::get))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_chat_says_is_read() {
        let read = |data| Piece::read(data).unwrap();
        assert_eq!(read(r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#), None);
        assert_eq!(read(r#"{"choices":[{"delta":{"content":"Grüße\n"}}]}"#), Some(Piece::Text("Grüße\n".into())));
        assert_eq!(read(r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#), None);
        assert_eq!(read(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#), None);
        assert_eq!(read("[DONE]"), Some(Piece::Done));
        let failure = Failure { code: "agent_lost".into(), message: "no".into() };
        let error = r#"{"error":{"message":"no","type":"server_error","param":null,"code":"agent_lost"}}"#;
        assert_eq!(read(error), Some(Piece::Failed(failure)));
        assert!(Piece::read("<html>").is_err());
    }

    #[test]
    fn what_happens_is_read_and_the_rest_is_passed_over() {
        let read = |event: &str| {
            let data =
                format!(r#"{{"choices":[{{"delta":{{"content":""}}}}],"turnmux":{{"event":"x","data":{event}}}}}"#);
            Piece::read(&data).unwrap()
        };
        let tool = r#"{"seq":4,"turn":"t","at":5,"type":"tool_use","id":"1","name":"Bash","input":{"command":"ls"}}"#;
        let input = serde_json::json!({"command": "ls"});
        assert_eq!(read(tool), Some(Piece::Happened(Happened::ToolUse { name: "Bash".into(), input })));
        assert_eq!(read(r#"{"seq":4,"type":"of_another_day"}"#), None);
        assert_eq!(
            read(r#"{"seq":4,"type":"turn_started","thread":"t"}"#),
            Some(Piece::Happened(Happened::TurnStarted {}))
        );
    }
}
