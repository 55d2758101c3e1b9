//! The answer on stdout.

use std::io::{self, IsTerminal as _, Write as _, stdout};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::cli::terminal::plain;

/// Stdout, as the place of the answer.
#[derive(Debug)]
pub(super) struct Output {
    /// People read it, so what it does to a terminal matters.
    pub(super) terminal: bool,
    /// What was written last does not end its line.
    open_line: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { terminal: stdout().is_terminal(), open_line: false }
    }

    /// Writes; on a thread of its own, for whoever reads may take a while, and Ctrl-C is to be heard meanwhile.
    pub(super) fn write(&mut self, mut text: String) -> JoinHandle<io::Result<()>> {
        if self.terminal {
            text = plain(&text).into_owned();
        }
        self.open_line = text.bytes().next_back().map_or(self.open_line, |last| last != b'\n');
        spawn_blocking(move || {
            let mut stdout = stdout().lock();
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        })
    }

    /// Ends the last line, for programs and prompts that begin with one of their own.
    pub(super) fn end_line(&mut self) -> Option<JoinHandle<io::Result<()>>> {
        self.open_line.then(|| self.write("\n".to_owned()))
    }
}
