//! A request's messages as what a session takes: instructions, history, input.

use serde_json::Value;

use crate::api::respond::ApiError;
use crate::protocol::{HistoryMessage, Role};
use crate::wire::openai::ChatMessage;

/// One message, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Said {
    /// Who says it.
    pub(in crate::api) speaker: Speaker,
    /// What.
    pub(in crate::api) text: String,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Speaker {
    /// Whoever set the conversation up: system and developer.
    System,
    /// The user.
    User,
    /// The user, in something that belongs to the past wherever it stands.
    Earlier,
    /// The agent.
    Assistant,
}

/// What the messages say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conversation {
    /// System and developer messages, wherever they stand.
    pub(super) instructions: Option<String>,
    /// What stands before the input.
    pub(super) history: Vec<HistoryMessage>,
    /// The user's messages behind the last one of the assistant: a session that has a thread needs nothing else.
    pub(super) input: String,
}

/// Reads the messages.
///
/// # Errors
/// When one is no text, or of a role or kind that is not supported; names the field.
pub(in crate::api) fn said(messages: &[ChatMessage]) -> Result<Vec<Said>, ApiError> {
    let read = |(at, message): (usize, &ChatMessage)| {
        let text = text(&message.content, at)?;
        let speaker = match message.role.as_str() {
            "system" | "developer" => Speaker::System,
            "user" => Speaker::User,
            "assistant" if message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()) => {
                return Err(unsupported_tools(&format!("messages[{at}].tool_calls")));
            }
            "assistant" => Speaker::Assistant,
            "tool" | "function" => return Err(unsupported_tools(&format!("messages[{at}].role"))),
            other => {
                let message =
                    format!("`messages[{at}].role`: `{other}` is no role; use system, developer, user or assistant");
                return Err(ApiError::field(format!("messages[{at}].role"), "invalid_role", message));
            }
        };
        Ok(Said { speaker, text })
    };
    messages.iter().enumerate().map(read).collect()
}

/// Tells instructions, history and input apart.
///
/// # Errors
/// When there is no user message behind the last one of the assistant.
pub(super) fn conversation(said: Vec<Said>) -> Result<Conversation, ApiError> {
    let mut instructions = Vec::new();
    let mut history = Vec::new();
    let mut input: Vec<String> = Vec::new();
    for Said { speaker, text } in said {
        match speaker {
            Speaker::System => instructions.push(text),
            Speaker::User => input.push(text),
            Speaker::Earlier => history.push(HistoryMessage { role: Role::User, text }),
            Speaker::Assistant => {
                history.extend(input.drain(..).map(|text| HistoryMessage { role: Role::User, text }));
                history.push(HistoryMessage { role: Role::Assistant, text });
            }
        }
    }
    let Some(input) = join(input) else {
        let message = "no user message found behind the last assistant message: there is nothing to answer";
        return Err(ApiError::field("messages", "no_user_message", message));
    };
    history.retain(|message| !message.text.is_empty());
    Ok(Conversation { instructions: join(instructions), history, input })
}

fn join(mut texts: Vec<String>) -> Option<String> {
    texts.retain(|text| !text.trim().is_empty());
    match texts.len() {
        0 => None,
        // The usual case, and the one that may be ten megabytes: not copied.
        1 => texts.pop(),
        _ => Some(texts.join("\n\n")),
    }
}

/// A message's content as text; parts are joined with a newline.
fn text(content: &Value, at: usize) -> Result<String, ApiError> {
    let wrong = |path: String, what: &str| {
        let message = format!("`{path}`: {what}");
        Err(ApiError::field(path, "invalid_content", message))
    };
    let parts = match content {
        Value::Null => return Ok(String::new()),
        Value::String(text) => return Ok(text.clone()),
        Value::Array(parts) => parts,
        _ => return wrong(format!("messages[{at}].content"), "expected a string or a list of parts"),
    };
    let mut texts = Vec::with_capacity(parts.len());
    for (nth, part) in parts.iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].content[{nth}]{field}");
        match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(text)) => texts.push(text),
            (Some("text"), None) => return wrong(path(".text"), "expected a string"),
            (Some(kind), _) => {
                let what = format!("parts of type `{kind}` are not supported; send text");
                return wrong(path(".type"), &what);
            }
            (None, _) => return wrong(path(".type"), "expected a string such as `text`"),
        }
    }
    Ok(texts.join("\n"))
}

/// Tools of the caller's are refused: dropping them would change what is asked.
pub(super) fn unsupported_tools(param: &str) -> ApiError {
    let message = format!(
        "`{param}`: tools of the caller's are not supported; the agent uses its own. Leave them out (OpenClaw: \
         `compat.supportsTools: false` for this model)"
    );
    ApiError::field(param, "unsupported_parameter", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(messages: Value) -> Result<Conversation, ApiError> {
        conversation(said(&serde_json::from_value::<Vec<ChatMessage>>(messages).unwrap())?)
    }

    #[test]
    fn the_input_is_what_follows_the_last_assistant_message() {
        let read = read_json(json!([
            {"role":"system","content":"be brief"},
            {"role":"user","content":"one"},
            {"role":"assistant","content":"1"},
            {"role":"developer","content":"be kind"},
            {"role":"user","content":[{"type":"text","text":"two"},{"type":"text","text":"lines"}]},
            {"role":"user","content":"three"},
        ]));
        let read = read.unwrap();
        assert_eq!(read.instructions.as_deref(), Some("be brief\n\nbe kind"));
        assert_eq!(read.input, "two\nlines\n\nthree");
        assert_eq!(
            read.history,
            [
                HistoryMessage { role: Role::User, text: "one".into() },
                HistoryMessage { role: Role::Assistant, text: "1".into() }
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (messages, param) in [
            (json!([]), "messages"),
            (json!([{"role":"assistant","content":"hello"}]), "messages"),
            (json!([{"role":"user","content":"a"},{"role":"assistant","content":"b"}]), "messages"),
            (json!([{"role":"user","content":""}]), "messages"),
            (json!([{"role":"user","content":5}]), "messages[0].content"),
            (json!([{"role":"bot","content":"x"}]), "messages[0].role"),
            (json!([{"role":"tool","content":"x"}]), "messages[0].role"),
            (json!([{"role":"user","content":[{"type":"image_url"}]}]), "messages[0].content[0].type"),
            (json!([{"role":"user","content":[{"type":"text","text":1}]}]), "messages[0].content[0].text"),
            (json!([{"role":"assistant","content":null,"tool_calls":[{}]}]), "messages[0].tool_calls"),
        ] {
            let error = read_json(messages.clone()).unwrap_err();
            assert_eq!(error.body().error.param, Some(param), "{messages}");
        }
    }
}
