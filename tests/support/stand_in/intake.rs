//! Takes in what reaches the agent: answers control requests at once, and sorts the rest for whoever waits.

use std::{collections::VecDeque, io, path::Path, time::Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    faults::LEFT_ALONE_MAX,
    inbox::{Inbox, Message},
    output::{Output, quoted},
    settings::{Fault, Settings},
};

/// User lines that wait at most; beyond it the newest is dropped, with a word on stderr.
const QUEUED_MAX: usize = 1024;

/// What came, as far as somebody may wait for it.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// An interrupt, already answered.
    Interrupt,
    /// The answer to the question that is open.
    Answer(Value),
    /// The FIFO of that number was opened.
    Opened(u64),
    /// Something that was dealt with here.
    Other,
}

/// A user line.
#[derive(Debug)]
pub(super) struct Input {
    /// What it is known by.
    pub(super) uuid: String,
    /// Its text blocks, blank ones left out. The last is what is asked.
    pub(super) texts: Vec<String>,
    /// Its images, as base64.
    pub(super) images: Vec<String>,
    /// The content, for `--replay-user-messages`.
    pub(super) content: Value,
    /// Whether claude would read commands out of it.
    pub(super) typed: bool,
    /// When its line was read, `CLOCK_MONOTONIC`.
    pub(super) read_ns: u64,
}

impl Input {
    /// What is asked.
    pub(super) fn text(&self) -> &str {
        self.texts.last().map_or("", String::as_str)
    }
}

/// Everything that comes in, and what of it is remembered.
#[derive(Debug)]
pub(super) struct Intake {
    inbox: Inbox,
    /// User lines that wait for their turn.
    pub(super) queue: VecDeque<Input>,
    /// Stdin has ended.
    pub(super) ended: bool,
    /// The model that answers.
    pub(super) model: String,
    /// The permission mode.
    pub(super) mode: String,
    /// Interrupts are neither answered nor obeyed.
    pub(super) deaf: bool,
    /// Id of the `can_use_tool` request that has no answer yet.
    pub(super) question: Option<String>,
    /// An `initialize` whose answer waits for a FIFO: its request id and the FIFO's number.
    late_initialize: Option<(String, u64)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    r#type: String,
    message: Value,
    request_id: String,
    request: Value,
    response: Value,
    text_not_typed: bool,
    uuid: String,
}

impl Intake {
    pub(super) fn new(inbox: Inbox, model: String, mode: String) -> Self {
        Self {
            inbox,
            queue: VecDeque::new(),
            ended: false,
            model,
            mode,
            deaf: false,
            question: None,
            late_initialize: None,
        }
    }

    /// What has come by now, if anything.
    pub(super) fn poll(&mut self, output: &mut Output, settings: &Settings) -> io::Result<Option<Event>> {
        let message = self.inbox.try_next();
        message.map(|message| self.take(message, output, settings)).transpose()
    }

    /// The next thing to come; `None` at the deadline. Without one it waits for ever while stdin is open, and
    /// [`LEFT_ALONE_MAX`] when it has ended.
    pub(super) fn wait(
        &mut self,
        deadline: Option<Instant>,
        output: &mut Output,
        settings: &Settings,
    ) -> io::Result<Option<Event>> {
        output.flush()?;
        let left_alone = || self.ended.then(|| Instant::now() + LEFT_ALONE_MAX);
        let message = self.inbox.next(deadline.or_else(left_alone));
        message.map(|message| self.take(message, output, settings)).transpose()
    }

    /// Waits for a FIFO in the background, and gives the number of its event.
    pub(super) fn watch_fifo(&mut self, path: &Path) -> io::Result<u64> {
        self.inbox.watch_fifo(path.to_owned())
    }

    fn take(&mut self, message: Message, output: &mut Output, settings: &Settings) -> io::Result<Event> {
        match message {
            Message::End => self.ended = true,
            Message::Opened(number) => match self.late_initialize.take_if(|(_, fifo)| *fifo == number) {
                Some((id, _)) => initialized(&id, output)?,
                None => return Ok(Event::Opened(number)),
            },
            Message::Line { bytes, read_ns } => {
                let Ok(line) = serde_json::from_slice::<Line>(&bytes) else {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a line of input is no JSON of this protocol",
                    ));
                };
                match line.r#type.as_str() {
                    "user" => self.enqueue(&line, read_ns, settings),
                    "control_request" => return self.control(&line, output, settings),
                    "control_response" => {
                        let id = line.response["request_id"].as_str();
                        if self.question.as_deref() == id && id.is_some() {
                            self.question = None;
                            return Ok(Event::Answer(line.response["response"].clone()));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Event::Other)
    }

    fn enqueue(&mut self, line: &Line, read_ns: u64, settings: &Settings) {
        if self.queue.len() == QUEUED_MAX {
            use io::Write as _;
            let _ = writeln!(io::stderr(), "stand-in: {QUEUED_MAX} user lines wait already, one was dropped");
            return;
        }
        let content = line.message["content"].clone();
        let typed = !(line.text_not_typed && settings.is_new());
        let (texts, hidden) = texts_of(&content);
        let images = images_of(&content);
        self.queue.push_back(Input {
            uuid: line.uuid.clone(),
            texts,
            images,
            content,
            typed: typed && !hidden,
            read_ns,
        });
    }

    fn control(&mut self, line: &Line, output: &mut Output, settings: &Settings) -> io::Result<Event> {
        let (id, request) = (line.request_id.as_str(), &line.request);
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        match request["subtype"].as_str().unwrap_or_default() {
            "initialize" => self.initialize(id, output, settings)?,
            "interrupt" if self.deaf => return Ok(Event::Other),
            "interrupt" => {
                if let Some(question) = self.question.take() {
                    output.bare(format_args!(
                        "{{\"type\":\"control_cancel_request\",\"request_id\":{}}}",
                        quoted(&question)
                    ))?;
                }
                success(id, settings.is_new().then(|| json!({"still_queued": []})), output)?;
                output.flush()?;
                return Ok(Event::Interrupt);
            }
            "set_model" => {
                self.model = text("model");
                let said = format!("<local-command-stdout>Set model to {}</local-command-stdout>", self.model);
                output.line(format_args!(
                    "\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":{}}},\"parent_tool_use_id\":null,\"isReplay\":true",
                    quoted(&said)
                ))?;
                success(id, settings.is_new().then(|| json!({"model": self.model})), output)?;
            }
            "set_permission_mode" => {
                self.mode = text("mode");
                success(id, Some(json!({"mode": self.mode})), output)?;
            }
            "get_context_usage" => {
                let usage = json!({"categories": [], "totalTokens": 161, "maxTokens": 200_000, "percentage": 0});
                success(id, Some(usage), output)?;
            }
            "get_session_cost" => success(id, Some(json!({"text": "Total cost:            $0.0010"})), output)?,
            "cancel_async_message" => {
                let (waited, uuid) = (self.queue.len(), text("message_uuid"));
                self.queue.retain(|input| input.uuid != uuid);
                success(id, Some(json!({"cancelled": self.queue.len() < waited})), output)?;
            }
            "mcp_message" => success(id, None, output)?,
            other => output.bare(format_args!(
                "{}",
                json!({"type": "control_response", "response": {"subtype": "error", "request_id": id,
                    "error": format!("Unsupported control request subtype: {other}")}})
            ))?,
        }
        output.flush()?;
        Ok(Event::Other)
    }

    fn initialize(&mut self, id: &str, output: &mut Output, settings: &Settings) -> io::Result<()> {
        if settings.has(Fault::NeverReady) {
            return Ok(());
        }
        match &settings.ready_fifo {
            Some(fifo) => {
                let number = self.watch_fifo(fifo)?;
                self.late_initialize = Some((id.to_owned(), number));
                Ok(())
            }
            None => initialized(id, output),
        }
    }
}

fn initialized(id: &str, output: &mut Output) -> io::Result<()> {
    let response = json!({"commands": [], "agents": [], "output_style": "default", "available_output_styles": [],
        "models": [], "account": {"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY", "apiProvider": "firstParty"},
        "pid": std::process::id()});
    success(id, Some(response), output)?;
    output.flush()
}

fn success(id: &str, response: Option<Value>, output: &mut Output) -> io::Result<()> {
    let mut answer = json!({"subtype": "success", "request_id": id});
    if let Some(response) = response {
        answer["response"] = response;
    }
    output.bare(format_args!("{}", json!({"type": "control_response", "response": answer})))
}

/// The text blocks that are not blank, and whether the last block is: claude then reads no command out of those before.
fn texts_of(content: &Value) -> (Vec<String>, bool) {
    let texts: Vec<&str> = match content {
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        content => content.as_str().into_iter().collect(),
    };
    let blank = |text: &&str| text.trim().is_empty();
    let hidden = texts.last().is_some_and(blank);
    (texts.into_iter().filter(|text| !blank(text)).map(str::to_owned).collect(), hidden)
}

fn images_of(content: &Value) -> Vec<String> {
    let blocks = content.as_array().into_iter().flatten();
    blocks.filter_map(|block| block["source"]["data"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_block_hides_what_is_before() {
        let content = json!([{"type": "text", "text": "first"}, {"type": "image"}, {"type": "text", "text": "/clear"}]);
        assert_eq!(texts_of(&content), (vec!["first".into(), "/clear".into()], false));
        let content = json!([{"type": "text", "text": "/clear"}, {"type": "text", "text": " "}]);
        assert_eq!(texts_of(&content), (vec!["/clear".into()], true));
        assert_eq!(texts_of(&json!("plain")), (vec!["plain".into()], false));
    }
}
