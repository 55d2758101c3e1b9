//! An agent without turnmux: the same program with the same arguments, spoken to over its own stdio.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, bail};
use memchr::memmem;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Seen;
use super::clock;
use super::programs::{Program, Scratch};

/// The arguments that turnmux gives claude, too.
const ARGS: [&str; 11] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--permission-prompt-tool",
    "stdio",
    "--permission-mode",
    "default",
];

/// A conversation with one process.
pub(crate) struct Direct {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    program: Program,
    request: Vec<u8>,
    /// The first line with text of the last turn.
    first: Vec<u8>,
}

impl Direct {
    /// Starts it and waits until it is ready; every turn will say this text.
    pub(crate) fn start(scratch: &Scratch, text: &str) -> anyhow::Result<Self> {
        Self::start_with(scratch, text, &[])
    }

    /// The same, with more arguments.
    pub(crate) fn start_with(scratch: &Scratch, text: &str, more: &[&str]) -> anyhow::Result<Self> {
        let mut command = scratch.command(scratch.program())?;
        command.args(ARGS).args(["--session-id", &Uuid::new_v4().to_string()]).args(more).stdin(Stdio::piped());
        let mut program = Program::start(command)?;
        let (stdin, stdout) = (program.stdin()?, BufReader::new(program.stdout()?));
        // As turnmux writes it: a blank block behind the text, and the word that nobody typed it.
        let content = json!([{"type": "text", "text": text}, {"type": "text", "text": " "}]);
        let user = json!({"type": "user", "message": {"role": "user", "content": content}, "text_not_typed": true});
        let mut direct = Self { stdin, stdout, program, request: format!("{user}\n").into_bytes(), first: Vec::new() };
        let initialize = json!({"type": "control_request", "request_id": "init", "request": {"subtype": "initialize"}});
        writeln!(direct.stdin, "{initialize}")?;
        direct.until(b"\"control_response\"", scratch)?;
        Ok(direct)
    }

    /// One turn, to its end.
    pub(crate) fn turn(&mut self, scratch: &Scratch) -> anyhow::Result<Seen> {
        let seen = self.begin(scratch)?;
        let result = self.until(b"\"type\":\"result\"", scratch)?;
        if memmem::find(&result, b"\"is_error\":false").is_none() {
            bail!("the turn did not end well: {}", String::from_utf8_lossy(&result));
        }
        Ok(seen)
    }

    /// A turn up to its first text.
    pub(crate) fn begin(&mut self, scratch: &Scratch) -> anyhow::Result<Seen> {
        let sent_ns = clock::now_ns();
        self.stdin.write_all(&self.request)?;
        self.first = self.until(b"\"text_delta\"", scratch)?;
        Ok(Seen { sent_ns, first_ns: clock::now_ns() })
    }

    /// Interrupts the turn that was begun: when that was said, and when its result had come.
    pub(crate) fn interrupt(&mut self, scratch: &Scratch) -> anyhow::Result<(u64, u64)> {
        let request = json!({"type": "control_request", "request_id": "stop", "request": {"subtype": "interrupt"}});
        let said_ns = clock::now_ns();
        writeln!(self.stdin, "{request}")?;
        let result = self.until(b"\"type\":\"result\"", scratch)?;
        let ended_ns = clock::now_ns();
        if memmem::find(&result, b"error_during_execution").is_none() {
            bail!("the turn was not interrupted: {}", String::from_utf8_lossy(&result));
        }
        Ok((said_ns, ended_ns))
    }

    /// The text that the last turn began with.
    pub(crate) fn first_text(&self) -> anyhow::Result<String> {
        let line: Value = serde_json::from_slice(&self.first)?;
        Ok(line["event"]["delta"]["text"].as_str().context("a delta without text")?.to_owned())
    }

    /// Ends it as turnmux does: the end of its input is the end of the session.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let Self { stdin, stdout, program, .. } = self;
        drop(stdin);
        let ended = program.end(None);
        drop(stdout);
        ended
    }

    fn until(&mut self, mark: &[u8], scratch: &Scratch) -> anyhow::Result<Vec<u8>> {
        until(&mut self.stdout, mark)?.with_context(|| format!("the agent ended:\n{}", scratch.complaints()))
    }
}

/// The next line that has this in it; none when the output ends before.
pub(crate) fn until(lines: &mut BufReader<ChildStdout>, mark: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if memmem::find(&line, mark).is_some() {
            return Ok(Some(line));
        }
        line.clear();
    }
    Ok(None)
}
