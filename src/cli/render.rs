//! The events of a session as people read them on a terminal.

use serde_json::Value;

use super::client::Event;
use super::terminal::{Paint, Style, one_line, plain};

/// How much of a tool's arguments, or of what it said, is shown, in characters.
const LINE_MAX: usize = 160;

/// Makes text of events, one after the other. What agents said is made harmless ([`plain`]).
#[derive(Debug)]
pub struct Renderer {
    paint: Paint,
    /// What is being written piece by piece, until a message ends or something else comes.
    open: Open,
}

/// What the last line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Complete.
    Nothing,
    Text,
    Reasoning,
}

impl Renderer {
    /// For output that is painted so.
    pub fn new(paint: Paint) -> Self {
        Self { paint, open: Open::Nothing }
    }

    /// An event's text, ready to be written: whole lines, but for pieces of messages. Empty where there is nothing to show.
    pub fn event(&mut self, event: &Event) -> String {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let text = |field: &str| data[field].as_str().unwrap_or_default();
        match &*event.name {
            "text_delta" => self.piece(Open::Text, text("text")),
            "reasoning_delta" => self.piece(Open::Reasoning, text("text")),
            "assistant_text" => self.message(Open::Text, text("text")),
            "reasoning" => self.message(Open::Reasoning, text("text")),
            "tool_result" if text("text").is_empty() && data["is_error"] != true => String::new(),
            name => {
                let (style, line) = line(name, &data);
                let mut shown = self.end();
                self.paint.lines(&mut shown, style, &line);
                shown
            }
        }
    }

    /// Ends the line that is being written.
    pub fn end(&mut self) -> String {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => String::new(),
            Open::Text => "\n".to_owned(),
            Open::Reasoning => format!("{}\n", self.paint.around(Style::Dim).1),
        }
    }

    fn piece(&mut self, kind: Open, text: &str) -> String {
        let mut out = String::new();
        if self.open != kind {
            out.push_str(&self.end());
            self.open = kind;
            if kind == Open::Reasoning {
                out.push_str(self.paint.around(Style::Dim).0);
            }
        }
        out.push_str(&plain(text));
        out
    }

    /// A whole message, of which the pieces were shown if there were any.
    fn message(&mut self, kind: Open, text: &str) -> String {
        let whole = if self.open == kind { String::new() } else { self.piece(kind, text) };
        whole + &self.end()
    }
}

/// What all other events say, and how that looks.
fn line(name: &str, data: &Value) -> (Style, String) {
    let text = |field: &str| data[field].as_str().unwrap_or_default();
    let short = |field: &str| match &data[field] {
        Value::String(text) => one_line(text, LINE_MAX),
        Value::Null => String::new(),
        other => one_line(&other.to_string(), LINE_MAX),
    };
    let number = |field: &str| data[field].as_u64().unwrap_or_default();
    match name {
        "turn_waiting" => (Style::Dim, format!("{} waits: {}", text("turn"), short("reason"))),
        "turn_started" => (Style::Dim, format!("{} runs", text("turn"))),
        "user_text" => (Style::Bold, prefixed("> ", &shown(text("text"), &data["images"]))),
        "tool_use" => (Style::Plain, format!("* {} {}", text("name"), short("input"))),
        "tool_result" if data["is_error"] == true => (Style::Bad, format!("  failed: {}", short("text"))),
        "tool_result" => (Style::Dim, format!("  {}", short("text"))),
        "file_change" => (Style::Plain, format!("  {}: {}", short("change"), short("path"))),
        "subagent" => (Style::Dim, format!("  | {}", short("text"))),
        "permission_asked" => {
            (Style::Asks, format!("? {} {}\n  asks as {}", text("tool"), short("input"), text("request")))
        }
        "permission_answered" => {
            (Style::Dim, format!("  {}: {}, by {}", text("request"), short("decision"), text("by")))
        }
        "permission_denied" => (Style::Bad, format!("  {} may not run", text("tool"))),
        "steered" => (Style::Bold, prefixed(">> ", text("text"))),
        "steer_consumed" => (Style::Dim, format!("  {} is read", text("steer"))),
        "steer_dropped" => (Style::Bad, format!("  {} was never read", text("steer"))),
        "typed" => (Style::Dim, "  typed in the agent's own terminal".to_owned()),
        "context_lost" => {
            let told = number("recalled");
            (Style::Bad, format!("! its thread {} is lost; the new one is told {told} messages", text("from")))
        }
        "retry" => (Style::Dim, format!("  the model's service is asked again (attempt {})", number("attempt"))),
        "text_mismatch" => (Style::Bad, "! the final text is another one than was streamed".to_owned()),
        "usage" => {
            let input = number("input_tokens") + number("cache_creation_tokens") + number("cache_read_tokens");
            (Style::Dim, format!("  {input} tokens in, {} out", number("output_tokens")))
        }
        "turn_completed" => (Style::Dim, format!("{} is done", text("turn"))),
        "turn_interrupted" => (Style::Bad, format!("{} was interrupted: {}", text("turn"), short("reason"))),
        "error" => (Style::Bad, format!("{} failed: {}", text("turn"), text("message"))),
        "missed" => (Style::Bad, format!("! events {} to {} are not kept any more", number("from"), number("to"))),
        "raw" => (Style::Dim, text("line").to_owned()),
        // Of a later daemon.
        other => (Style::Dim, format!("  ({other})")),
    }
}

/// What a user said, with a line for each image.
pub(super) fn shown(text: &str, images: &Value) -> String {
    let images = images.as_array().into_iter().flatten();
    let lines = Some(text).filter(|text| !text.is_empty()).into_iter().map(str::to_owned);
    let image =
        |image: &Value| format!("[{}, {} bytes]", image["media_type"].as_str().unwrap_or("image"), image["bytes"]);
    lines.chain(images.map(image)).collect::<Vec<_>>().join("\n")
}

/// A text with something before each of its lines.
pub(super) fn prefixed(prefix: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{prefix}{line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(events: &[(&str, Value)]) -> String {
        let mut renderer = Renderer::new(Paint::none());
        let event = |(name, data): &(&str, Value)| Event { id: None, name: (*name).to_owned(), data: data.to_string() };
        let mut out: String = events.iter().map(|it| renderer.event(&event(it))).collect();
        out.push_str(&renderer.end());
        out
    }

    #[test]
    fn a_message_is_shown_once() {
        let delta = |text: &str| ("text_delta", json!({"text": text}));
        let whole = |text: &str| ("assistant_text", json!({"text": text}));
        assert_eq!(shown(&[delta("a"), delta("b"), whole("ab"), whole("c")]), "ab\nc\n");
        let think = ("reasoning_delta", json!({"text": "hm"}));
        assert_eq!(shown(&[think, delta("a")]), "hm\na\n");
        let tool = ("tool_use", json!({"name": "Bash", "input": {"command": "ls\n-l"}}));
        assert_eq!(shown(&[delta("a"), tool]), "a\n* Bash {\"command\":\"ls\\n-l\"}\n");
    }

    #[test]
    fn nobody_can_write_in_turnmuxs_name() {
        let events = [
            ("text_delta", json!({"text": "\u{1b}[2J"})),
            ("user_text", json!({"text": "one\n\u{1b}[1A two", "images": [{"media_type": "image/png", "bytes": 97}]})),
            ("tool_result", json!({"text": "a\nturn_1 is done"})),
            ("permission_asked", json!({"tool": "B\u{7}", "input": "x\ny", "request": "req_1"})),
            ("turn_completed", json!({"turn": "turn_1"})),
        ];
        assert_eq!(
            shown(&events),
            "\\u{1b}[2J\n> one\n> \\u{1b}[1A two\n> [image/png, 97 bytes]\n  a turn_1 is done\n? B\\u{7} x y\n  asks as req_1\nturn_1 is done\n"
        );
    }

    #[test]
    fn every_event_of_the_api_has_its_words() {
        let document: Value = serde_json::from_str(include_str!("../api/openapi.json")).unwrap();
        let kinds = document["components"]["schemas"]["Event"]["oneOf"].as_array().unwrap();
        let names: Vec<_> = kinds.iter().filter_map(|kind| kind["properties"]["type"]["const"].as_str()).collect();
        assert!(names.len() > 20, "the document lists the events: {names:?}");
        for name in names.iter().filter(|name| !matches!(**name, "over" | "assistant_text" | "reasoning")) {
            assert!(name.ends_with("_delta") || line(name, &json!({})).1 != format!("  ({name})"), "{name}");
        }
    }
}
