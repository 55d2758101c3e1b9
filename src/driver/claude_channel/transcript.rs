//! What claude writes down about a turn while it runs: the tail of its transcript file. Pure: bytes in, entries out.
//!
//! The hooks come first; claude writes what they tell of some 50 to 150 ms later. What only the file has are the tokens that a
//! message took, the status of a service that failed, that a turn was interrupted, and what became of a prompt that
//! waited.

use std::collections::VecDeque;

use crate::protocol::Usage;
use crate::wire::claude::ResultUsage;
use crate::wire::claude_transcript::{AssistantLine, Line, QueueLine, QueuedCommand};

#[cfg(test)]
mod tests;

/// The longest line that is taken, in bytes: a prompt with some images in base64 has 20 million.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// What is kept of the buffer's memory after a long line, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// Messages of a turn whose tokens may still change: claude writes one message after the other.
const OPEN_MESSAGES_MAX: usize = 8;

/// How claude begins its remark that a turn was interrupted.
const INTERRUPTED: &str = "[Request interrupted by user";

/// claude's name for the model of messages that it made up itself.
const SYNTHETIC: &str = "<synthetic>";

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// A finished part of a message.
    Assistant(Said),
    /// The turn was interrupted; no more of it follows.
    Interrupted {
        /// While a tool ran, or waited for permission.
        in_tool: bool,
    },
    /// A prompt waits.
    Enqueued(String),
    /// A turn takes a prompt that waited, the first one; several of these in a row are merged into one turn.
    Dequeued,
    /// A prompt waits no more: the running turn took it, or somebody took it back. Only 2.1.329 says which prompt.
    Removed(Option<String>),
    /// A prompt was merged into the running turn.
    QueuedCommand(String),
    /// A turn has ended. It is missing after an interrupt, and on 2.1.329 after a failure.
    TurnDuration,
    /// Anything else.
    Other,
}

/// A part of a message: one block of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// The message.
    pub(super) message_id: String,
    /// The block's text, where it is one.
    pub(super) text: String,
    /// Why the model stopped.
    pub(super) stop_reason: Option<String>,
    /// What the whole message took.
    pub(super) usage: Usage,
    /// Whether claude made the message up.
    pub(super) synthetic: bool,
    /// What went wrong, if the message tells of that; `text` has it in words for people.
    pub(super) failure: Option<Failure>,
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// claude's word for it, the same as the `StopFailure` hook has: `rate_limit`, `server_error` …
    pub(super) kind: String,
    /// The status of the model's service, where that answered with an error; not when the connection was cut, the output too
    /// long, or the answer refused.
    pub(super) status: Option<u16>,
}

/// The tail of a transcript, as it is read.
#[derive(Debug)]
pub(super) struct Tail {
    /// Where to read on.
    offset: u64,
    /// The beginning of a line.
    buffer: Vec<u8>,
    line_bytes_max: usize,
    /// The line is too long: the rest of it is left out.
    skipping: bool,
    malformed: u64,
    overlong: u64,
}

impl Tail {
    /// From so many bytes into the file on, where a line begins. (In the middle of one, its rest counts as malformed.)
    pub(super) fn from(offset: u64) -> Self {
        Self::with_limit(offset, LINE_BYTES_MAX)
    }

    fn with_limit(offset: u64, line_bytes_max: usize) -> Self {
        Self { offset, buffer: Vec::new(), line_bytes_max, skipping: false, malformed: 0, overlong: 0 }
    }

    /// Takes what was read at [`Tail::offset`], cut anywhere; gives what its whole lines say, one entry a line.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Entry> {
        self.offset += bytes.len() as u64;
        let mut entries = Vec::new();
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            entries.extend(self.end_line(line));
        }
        self.keep(bytes);
        entries
    }

    /// How far into the file it was read, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines that were no transcript lines.
    pub(super) fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Lines that were longer than 64 MiB.
    pub(super) fn overlong(&self) -> u64 {
        self.overlong
    }

    fn keep(&mut self, part: &[u8]) {
        if self.buffer.len() + part.len() > self.line_bytes_max {
            self.skipping = true;
            self.buffer = Vec::new();
        }
        if !self.skipping {
            self.buffer.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, end: &[u8]) -> Option<Entry> {
        self.keep(end);
        if std::mem::take(&mut self.skipping) {
            self.overlong += 1;
            return None;
        }
        let entry = match Line::parse(&self.buffer) {
            _ if self.buffer.trim_ascii().is_empty() => None,
            Ok(line) => Some(entry(&line)),
            Err(_) => {
                self.malformed += 1;
                None
            }
        };
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        entry
    }
}

/// What a turn took: the sum over its messages, as claude's own result of a turn has it in stream mode. Subagents do not
/// count, nor retries that failed: what claude makes up to tell of them says that it took nothing.
#[derive(Debug, Default)]
pub(super) struct TurnUsage {
    settled: Usage,
    /// The last messages, by id: a later line of the same message counts instead of the earlier one.
    open: VecDeque<(String, Usage)>,
}

impl TurnUsage {
    /// Takes a part of a message of the turn.
    pub(super) fn add(&mut self, said: &Said) {
        if let Some((_, usage)) = self.open.iter_mut().find(|(id, _)| *id == said.message_id) {
            *usage = said.usage;
            return;
        }
        if self.open.len() == OPEN_MESSAGES_MAX
            && let Some((_, usage)) = self.open.pop_front()
        {
            self.settled = sum(self.settled, usage);
        }
        self.open.push_back((said.message_id.clone(), said.usage));
    }

    /// The sum so far; what it cost is not in the file.
    pub(super) fn total(&self) -> Usage {
        self.open.iter().fold(self.settled, |total, (_, usage)| sum(total, *usage))
    }
}

fn entry(line: &Line<'_>) -> Entry {
    match line {
        Line::Assistant(line) => Entry::Assistant(said(line)),
        Line::User(line) => {
            let block = line.message.only_block().filter(|block| block.kind == "text");
            let text = block.and_then(|block| block.text).unwrap_or_default();
            match text.strip_prefix(INTERRUPTED) {
                Some(rest) => Entry::Interrupted { in_tool: rest.starts_with(" for tool use") },
                None => Entry::Other,
            }
        }
        Line::QueueOperation(line) => queue(line),
        Line::QueuedCommand(command) => Entry::QueuedCommand(prompt(command)),
        Line::TurnDuration(_) => Entry::TurnDuration,
        Line::Other => Entry::Other,
    }
}

fn said(line: &AssistantLine<'_>) -> Said {
    let message = &line.message;
    let texts: Vec<&str> = message.content.iter().filter_map(|block| block.text.as_deref()).collect();
    let failure = line.is_api_error.then(|| Failure {
        kind: line.error.as_deref().unwrap_or("unknown").to_owned(),
        status: line.api_error_status,
    });
    Said {
        message_id: message.id.to_string(),
        text: texts.join("\n\n"),
        stop_reason: message.stop_reason.as_deref().map(str::to_owned),
        usage: message.usage.as_ref().map(usage).unwrap_or_default(),
        synthetic: message.model.as_deref() == Some(SYNTHETIC),
        failure,
    }
}

fn queue(line: &QueueLine<'_>) -> Entry {
    let content = line.content.as_deref().map(str::to_owned);
    match &*line.operation {
        "enqueue" => Entry::Enqueued(content.unwrap_or_default()),
        "dequeue" => Entry::Dequeued,
        "remove" => Entry::Removed(content),
        _ => Entry::Other,
    }
}

/// The text of a prompt; nothing where it has images.
fn prompt(command: &QueuedCommand<'_>) -> String {
    command.prompt.and_then(|prompt| serde_json::from_str(prompt.get()).ok()).unwrap_or_default()
}

fn usage(usage: &ResultUsage) -> Usage {
    Usage {
        input_tokens: usage.input_tokens,
        cache_creation_tokens: usage.cache_creation_input_tokens,
        cache_read_tokens: usage.cache_read_input_tokens,
        output_tokens: usage.output_tokens,
        cost_usd: None,
    }
}

fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        input_tokens: one.input_tokens.saturating_add(other.input_tokens),
        cache_creation_tokens: one.cache_creation_tokens.saturating_add(other.cache_creation_tokens),
        cache_read_tokens: one.cache_read_tokens.saturating_add(other.cache_read_tokens),
        output_tokens: one.output_tokens.saturating_add(other.output_tokens),
        cost_usd: None,
    }
}
