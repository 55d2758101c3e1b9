//! The one tool that the agent gets: `reply`.

use rmcp::model::{JsonObject, Tool};
use serde_json::{Value, json};

use crate::wire::channel::Reply;

/// The tool's name. In claude it is `mcp__plugin_turnmux_turnmux__reply`.
pub(super) const NAME: &str = "reply";

/// Longest text, in bytes: more than any model says at once, and short enough for 64 of them to wait.
const TEXT_MAX: usize = 1 << 20;

/// What the agent's model is told of the tool.
pub(super) fn definition() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": {
            "text": { "type": "string", "description": "What the sender is to see now" },
            "final": { "type": "boolean", "description": "Whether nothing more follows for this message; false if left out" },
        },
        "required": ["text"],
    });
    let schema = match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::default(),
    };
    let description = "Sends text to the sender of the message right away, while you work on. \
                       You need not call it: what you write as your answer reaches the sender, too.";
    Tool::new(NAME, description, schema)
}

/// Reads the arguments of a call.
///
/// # Errors
/// A sentence for the model.
pub(super) fn reply(arguments: Option<JsonObject>) -> Result<Reply<'static>, String> {
    let mut arguments = arguments.unwrap_or_default();
    let is_final = match arguments.get("final") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_final)) => *is_final,
        Some(_) => return Err("not sent: `final` is true or false".to_owned()),
    };
    // Models that know other channels call it `content`.
    let text = arguments.remove("text").or_else(|| arguments.remove("content"));
    let Some(Value::String(text)) = text else {
        return Err("not sent: give the text as a string in `text`".to_owned());
    };
    if text.is_empty() && !is_final {
        return Err("not sent: `text` is empty".to_owned());
    }
    if text.len() > TEXT_MAX {
        return Err(format!("not sent: the text is longer than {TEXT_MAX} bytes; send it in parts"));
    }
    Ok(Reply { seq: None, content: text.into(), is_final })
}
