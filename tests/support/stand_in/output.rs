//! The lines that go out. They are formatted into one buffer, and written when somebody waits for them.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd as _,
};

use serde_json::Value;
use uuid::Uuid;

/// Bytes that are gathered at most before they are written.
const GATHERED_BYTES: usize = 64 * 1024;

/// Standard output, line by line.
#[derive(Debug)]
pub(super) struct Output {
    stdout: File,
    buffer: Vec<u8>,
    /// Ends every line of a thread: `"session_id":…,"uuid":"` and the first 23 characters of the uuid.
    tail: String,
    uuid_prefix: String,
    lines: u64,
    /// Whether `stream_event` lines are wanted.
    pub(super) partial: bool,
}

impl Output {
    /// Takes standard output.
    pub(super) fn open(partial: bool) -> io::Result<Self> {
        // A file of our own, for `Stdout` looks for line ends in all that it is given.
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        // One random prefix and a count are as unique as a random number each, and cost nothing.
        let mut uuid_prefix = Uuid::new_v4().to_string();
        uuid_prefix.truncate(24);
        let mut output = Self { stdout, buffer: Vec::new(), tail: String::new(), uuid_prefix, lines: 0, partial };
        output.set_session("");
        Ok(output)
    }

    /// Names the session that the lines to come belong to.
    pub(super) fn set_session(&mut self, id: &str) {
        self.tail = format!(",\"session_id\":{},\"uuid\":\"{}", quoted(id), self.uuid_prefix);
    }

    /// A line of the session: `object` is everything between the braces. Gives the line's uuid.
    pub(super) fn line(&mut self, object: std::fmt::Arguments<'_>) -> io::Result<String> {
        self.lines += 1;
        // Writing to a Vec does not fail.
        let _ = writeln!(self.buffer, "{{{object}{}{:012x}\"}}", self.tail, self.lines);
        self.flush_if_full()?;
        Ok(format!("{}{:012x}", self.uuid_prefix, self.lines))
    }

    /// A `stream_event` line, unless partial messages are not wanted; `event` is a whole JSON object. `more` stands
    /// behind it, and begins with a comma if it is not empty.
    pub(super) fn event(&mut self, event: std::fmt::Arguments<'_>, more: &str) -> io::Result<()> {
        if !self.partial {
            return Ok(());
        }
        self.lines += 1;
        let _ = writeln!(
            self.buffer,
            "{{\"type\":\"stream_event\",\"event\":{event},\"parent_tool_use_id\":null{more}{}{:012x}\"}}",
            self.tail, self.lines
        );
        self.flush_if_full()
    }

    /// A line as it is, which belongs to no session.
    pub(super) fn bare(&mut self, line: std::fmt::Arguments<'_>) -> io::Result<()> {
        let _ = writeln!(self.buffer, "{line}");
        self.flush_if_full()
    }

    /// Bytes as they are, written at once.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.stdout.write_all(bytes)
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.stdout.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() >= GATHERED_BYTES { self.flush() } else { Ok(()) }
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
