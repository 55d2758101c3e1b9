//! The log of runs: what this agent was given and what it finished, on disk before anybody hears of it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use serde_json::json;

use super::clock;

/// A file that several agents write, each line at once.
#[derive(Debug)]
pub(super) struct Runs {
    file: File,
}

impl Runs {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file })
    }

    /// The agent takes this text.
    pub(super) fn begin(&mut self, text: &str) -> io::Result<()> {
        self.line("begin", text)
    }

    /// It is done with this text, and says so next.
    pub(super) fn end(&mut self, text: &str) -> io::Result<()> {
        self.line("end", text)
    }

    fn line(&mut self, mark: &str, text: &str) -> io::Result<()> {
        let line = json!({"at_ns": clock::now_ns(), "pid": std::process::id(), "mark": mark, "text": text});
        self.file.write_all(format!("{line}\n").as_bytes())?;
        self.file.sync_data()
    }
}
