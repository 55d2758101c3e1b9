//! What is to be done, as a value.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

/// All that it takes, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    /// Run first.
    pub(super) before: Vec<Step>,
    /// Then written, or removed.
    pub(super) files: Vec<Unit>,
    /// Then run.
    pub(super) after: Vec<Step>,
    /// What people should know.
    pub(super) note: String,
}

/// A file of the service manager's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Unit {
    pub(super) path: PathBuf,
    /// What it is to say; none removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// Whether anything has to be done about it.
    pub(super) changes: bool,
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub(super) command: Vec<String>,
    /// Whether it may fail: what it is for may be so already.
    pub(super) may_fail: bool,
}

/// What a plan is made from.
#[derive(Debug, Clone)]
pub(super) struct Service {
    /// This program.
    pub(super) program: String,
    /// The file to be named with `--config`, where it is not found without.
    pub(super) config: Option<String>,
    /// `server.listen`.
    pub(super) listen: String,
    /// PATH, for the service and its agents.
    pub(super) path: String,
    pub(super) home: PathBuf,
    /// The folder of the user's configuration files.
    pub(super) config_home: PathBuf,
}

impl Step {
    /// One that has to succeed.
    pub(super) fn new(command: &[&str]) -> Self {
        Self { command: command.iter().map(ToString::to_string).collect(), may_fail: false }
    }

    /// One that need not.
    pub(super) fn try_to(command: &[&str]) -> Self {
        Self { may_fail: true, ..Self::new(command) }
    }
}

impl Unit {
    /// A file that is to say this.
    pub(super) fn written(path: PathBuf, text: String) -> Self {
        let changes = std::fs::read_to_string(&path).map_or(true, |there| there != text);
        Self { path, text: Some(text), changes }
    }

    /// A file that is not to be there.
    pub(super) fn removed(path: PathBuf) -> Self {
        let changes = path.symlink_metadata().is_ok();
        Self { path, text: None, changes }
    }
}

impl Plan {
    /// Whether any file changes.
    pub(super) fn changes(&self) -> bool {
        self.files.iter().any(|file| file.changes)
    }

    /// What would be done, for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let run = |text: &mut String, steps: &[Step]| {
            for step in steps {
                let _ = writeln!(text, "run     {}", step.command.join(" "));
            }
        };
        run(&mut text, &self.before);
        for Unit { path, text: says, changes } in &self.files {
            let verb = match (says, changes) {
                (_, false) => "keep  ",
                (Some(_), true) => "write ",
                (None, true) => "remove",
            };
            let _ = writeln!(text, "{verb}  {}", path.display());
            for line in says.iter().filter(|_| *changes).flat_map(|says| says.lines()) {
                let _ = writeln!(text, "        {line}");
            }
        }
        run(&mut text, &self.after);
        text
    }
}
