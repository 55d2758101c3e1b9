//! A request's messages as what a session takes: instructions, history, input.

use serde_json::Value;

use super::images::{ImagePart, Room};
use crate::api::respond::ApiError;
use crate::protocol::{HistoryMessage, Image, Role, in_words};
use crate::wire::openai::ChatMessage;

/// What stands in the input for an image that is left out.
const LEFT_OUT: &str = "[an image that could not be shown]";

/// One message: words, and images beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Said {
    /// Who says it.
    pub(in crate::api) speaker: Speaker,
    /// The words.
    pub(in crate::api) text: String,
    /// The images, as they came.
    pub(in crate::api) images: Vec<ImagePart>,
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
    /// The user's messages behind the last one of the assistant: a session that has a thread needs nothing else. Empty where
    /// they are images alone.
    pub(super) input: String,
    /// The images of those messages.
    pub(super) images: Vec<Image>,
}

impl Said {
    /// Whether it says nothing at all.
    pub(in crate::api) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.images.is_empty()
    }

    /// As a message of the history, in which an image has its place and is not shown.
    fn into_history(self, role: Role) -> HistoryMessage {
        HistoryMessage { role, text: in_words(self.text, self.images.len()) }
    }
}

/// Reads the messages. What stands in an image is looked at later: of most nothing is needed.
///
/// # Errors
/// When one is neither text nor image, or of a role or kind that is not supported; names the field.
pub(in crate::api) fn said(messages: Vec<ChatMessage>) -> Result<Vec<Said>, ApiError> {
    let read = |(at, message): (usize, ChatMessage)| {
        let (text, images) = content(message.content, at)?;
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
        match images.first().filter(|_| speaker == Speaker::System) {
            Some(image) => Err(image.refuse("invalid_content", "instructions are text; show images in a user message")),
            None => Ok(Said { speaker, text, images }),
        }
    };
    messages.into_iter().enumerate().map(read).collect()
}

/// Tells instructions, history and input apart.
///
/// # Errors
/// When there is no user message behind the last one of the assistant, or an image of the newest cannot be taken.
pub(super) fn conversation(said: Vec<Said>) -> Result<Conversation, ApiError> {
    let mut instructions = Vec::new();
    let mut history = Vec::new();
    let mut input: Vec<Said> = Vec::new();
    for said in said {
        match said.speaker {
            Speaker::System => instructions.push(said.text),
            Speaker::User => input.push(said),
            Speaker::Earlier => history.push(said.into_history(Role::User)),
            Speaker::Assistant => {
                history.extend(input.drain(..).map(|said| said.into_history(Role::User)));
                history.push(said.into_history(Role::Assistant));
            }
        }
    }
    let images = shown(&mut input)?;
    let input = match join(input.into_iter().map(|said| said.text).collect()) {
        Some(input) => input,
        None if !images.is_empty() => String::new(),
        None => {
            let message = "no user message found behind the last assistant message: there is nothing to answer";
            return Err(ApiError::field("messages", "no_user_message", message));
        }
    };
    history.retain(|message| !message.text.is_empty());
    Ok(Conversation { instructions: join(instructions), history, input, images })
}

/// The images of the input. What is wrong with one of the newest message is said. One before that stands in a message that got
/// no answer, perhaps for its sake, and that its client sends again with each that follows: it is left out.
fn shown(input: &mut [Said]) -> Result<Vec<Image>, ApiError> {
    let newest = input.iter().rposition(|said| !said.is_empty());
    let (mut room, mut shown) = (Room::default(), Vec::new());
    // The newest first, so that it has room whatever stands before it.
    for (at, said) in input.iter_mut().enumerate().rev() {
        let mut images = Vec::with_capacity(said.images.len());
        for part in std::mem::take(&mut said.images) {
            match room.take(part) {
                Ok(image) => images.push(image),
                Err(error) if newest == Some(at) => return Err(error),
                Err(_) if said.text.is_empty() => said.text.push_str(LEFT_OUT),
                Err(_) => said.text.extend(["\n", LEFT_OUT]),
            }
        }
        shown.push(images);
    }
    Ok(shown.into_iter().rev().flatten().collect())
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

/// A message's content as text, its parts joined with a newline, and its images.
fn content(content: Value, at: usize) -> Result<(String, Vec<ImagePart>), ApiError> {
    let wrong = |path: String, what: &str| {
        let message = format!("`{path}`: {what}");
        Err(ApiError::field(path, "invalid_content", message))
    };
    let parts = match content {
        Value::Null => return Ok(Default::default()),
        Value::String(text) => return Ok((text, Vec::new())),
        Value::Array(parts) => parts,
        _ => return wrong(format!("messages[{at}].content"), "expected a string or a list of parts"),
    };
    let (mut texts, mut images) = (Vec::with_capacity(parts.len()), Vec::new());
    for (nth, mut part) in parts.into_iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].content[{nth}]{field}");
        match part.get("type").and_then(Value::as_str) {
            Some("text") => match part.get_mut("text").map(Value::take) {
                Some(Value::String(text)) => texts.push(text),
                _ => return wrong(path(".text"), "expected a string"),
            },
            Some("image_url") => images.push(ImagePart::of(&mut part, path(".image_url.url"))),
            Some(kind) => {
                let what = format!("parts of type `{kind}` are not supported; send `text` or `image_url`");
                return wrong(path(".type"), &what);
            }
            None => return wrong(path(".type"), "expected a string such as `text`"),
        }
    }
    let text = if texts.len() == 1 { texts.pop().unwrap_or_default() } else { texts.join("\n") };
    Ok((text, images))
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
        conversation(said(serde_json::from_value::<Vec<ChatMessage>>(messages).unwrap())?)
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

    /// A part that shows an image.
    fn shows(url: &str) -> Value {
        json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}})
    }

    #[test]
    fn images_of_the_input_are_read_and_earlier_ones_are_named() {
        let png = "data:image/png;base64,iVBORw0KGgo=";
        let read = read_json(json!([
            {"role":"user","content":[{"type":"text","text":"this?"}, shows("https://example.com/a.png"), shows(png)]},
            {"role":"user","content":[shows("nonsense")]},
            {"role":"assistant","content":"a dot"},
            {"role":"user","content":[{"type":"text","text":"and"}, shows(png), {"type":"text","text":"this?"}]},
            {"role":"user","content":[shows(png)]},
        ]));
        let read = read.unwrap();
        let texts: Vec<_> = read.history.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["this?\n[image]\n[image]", "[image]", "a dot"]);
        assert_eq!((read.input.as_str(), read.images.len()), ("and\nthis?", 2));
        assert_eq!(read.images[0].base64(), "iVBORw0KGgo=");
    }

    #[test]
    fn an_image_that_stopped_a_message_does_not_stop_the_next() {
        let (png, gif) = ("data:image/png;base64,iVBORw0KGgo=", "data:image/gif;base64,R0lGODlh");
        let first = json!({"role":"user","content":[{"type":"text","text":"look"}, shows(png), shows("nonsense")]});
        let error = read_json(json!([first])).unwrap_err();
        assert_eq!(error.body().error.param, Some("messages[0].content[2].image_url.url"));
        let read = read_json(json!([first, {"role":"user","content":[shows(gif)]}])).unwrap();
        assert_eq!(read.input, "look\n[an image that could not be shown]");
        let shown: Vec<_> = read.images.iter().map(Image::base64).collect();
        assert_eq!(shown, ["iVBORw0KGgo=", "R0lGODlh"], "in their order");
    }

    #[test]
    fn an_image_alone_is_an_input() {
        let read = read_json(json!([{"role":"user","content":[shows("data:image/gif;base64,R0lGODlh")]}])).unwrap();
        assert_eq!((read.input.as_str(), read.images.len()), ("", 1));
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
            (json!([{"role":"user","content":[{"type":"input_audio"}]}]), "messages[0].content[0].type"),
            (json!([{"role":"user","content":[{"type":"image_url"}]}]), "messages[0].content[0].image_url.url"),
            (json!([{"role":"system","content":[{"type":"image_url"}]}]), "messages[0].content[0].image_url.url"),
            (json!([{"role":"user","content":[{"type":"text","text":1}]}]), "messages[0].content[0].text"),
            (json!([{"role":"assistant","content":null,"tool_calls":[{}]}]), "messages[0].tool_calls"),
        ] {
            let error = read_json(messages.clone()).unwrap_err();
            assert_eq!(error.body().error.param, Some(param), "{messages}");
        }
    }
}
