//! What people see on stderr while they wait: what the agent does, and on a terminal a spinner.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::pieces::Happened;
use crate::cli::terminal::{Paint, Style, one_line};

/// From one picture of the spinner to the next.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The spinner's pictures.
const PICTURES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Longest line about a tool, in characters: a terminal's width, and some room.
const LINE_MAX: usize = 100;

/// Arguments that say best what a tool does, the best first.
const TELLING: [&str; 8] = ["command", "file_path", "path", "notebook_path", "pattern", "query", "url", "description"];

/// Takes the spinner's line away.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Stderr, as a place to say what goes on.
#[derive(Debug)]
pub(super) struct Progress {
    /// Nothing but errors is said.
    quiet: bool,
    /// It is a terminal, so that lines can be taken back.
    terminal: bool,
    paint: Paint,
    began: Instant,
    tick: usize,
    /// What is waited for.
    label: String,
    /// The spinner is on the screen.
    shown: bool,
    /// It rests: the answer is being written on the same screen.
    resting: bool,
    /// The answer has not ended its line there.
    mid_line: bool,
}

impl Progress {
    /// For a call that begins now.
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = stderr().is_terminal();
        let paint = Paint::of_stderr();
        let label = "waiting for the agent".to_owned();
        let began = Instant::now();
        Self { quiet, terminal, paint, began, tick: 0, label, shown: false, resting: false, mid_line: false }
    }

    /// Whether there is a spinner to be kept going.
    pub(super) fn spins(&self) -> bool {
        self.terminal && !self.quiet && !self.resting
    }

    /// Shows the next picture.
    pub(super) fn tick(&mut self) {
        if !self.spins() {
            return;
        }
        self.end_line();
        let picture = PICTURES[self.tick % PICTURES.len()];
        self.tick += 1;
        let (dim, plain) = self.paint.around(Style::Dim);
        let line = format!("{CLEAR_LINE}{dim}{picture} {} {}s{plain}", self.label, self.began.elapsed().as_secs());
        self.shown = true;
        write(&line);
    }

    /// Makes room for some of the answer, which is about to be written to the same terminal.
    pub(super) fn make_room(&mut self, text: &str) {
        self.clear();
        self.resting = true;
        self.mid_line = self.terminal && !text.ends_with('\n');
    }

    /// Takes the spinner away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            write(CLEAR_LINE);
        }
    }

    /// Tells of an event, where people want to know of it.
    pub(super) fn tell(&mut self, happened: &Happened) {
        match happened {
            Happened::TurnWaiting { reason } => match reason.as_str() {
                "starting" => self.wait_for("starting the agent"),
                "capacity" => self.line("waiting: all processes are busy (`sessions.max_live`)"),
                "queued" => self.line("waiting: the session has a turn already"),
                _ => {}
            },
            Happened::TurnStarted {} => self.wait_for("thinking"),
            Happened::ToolUse { name, input } => {
                let (name, what) = (one_line(name, LINE_MAX), telling(input));
                self.line(&if what.is_empty() { name.clone() } else { format!("{name}: {what}") });
                self.wait_for(&format!("running {name}"));
            }
            Happened::ToolResult { is_error, text } => {
                if *is_error {
                    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
                    self.line(&format!("  {}", one_line(first, LINE_MAX)));
                }
                self.wait_for("thinking");
            }
            Happened::PermissionDenied { tool } => {
                self.line(&format!("{} was not allowed (`permission` of its backend)", one_line(tool, LINE_MAX)));
            }
            Happened::PermissionAsked { request, tool, input } => {
                let (tool, what) = (one_line(tool, LINE_MAX), telling(input));
                self.line(&format!("{tool} waits for permission ({request}): {what}"));
            }
            Happened::Retry { status } => {
                let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
                self.line(&format!("the model's service failed{status}; it is asked again"));
            }
            Happened::ContextLost { recalled } => {
                self.line(&format!("the conversation was lost; a new one was told its last {recalled} messages"));
            }
            Happened::TextMismatch {} => self.line("the final answer differs from what was printed"),
            Happened::TurnCompleted { .. } => {}
        }
    }

    /// A line that stays.
    pub(super) fn line(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        self.clear();
        self.end_line();
        let (dim, plain) = self.paint.around(Style::Dim);
        write(&format!("{dim}· {text}{plain}\n"));
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.mid_line) {
            write("\n");
        }
    }

    fn wait_for(&mut self, label: &str) {
        label.clone_into(&mut self.label);
        // What comes next takes a while again.
        self.resting = false;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What a tool's arguments say, in one line.
fn telling(input: &Value) -> String {
    let Some(fields) = input.as_object() else { return String::new() };
    let best = TELLING.iter().find_map(|name| fields.get(*name)?.as_str());
    let text = best.or_else(|| fields.values().find_map(Value::as_str)).unwrap_or_default();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let line = one_line(lines.next().unwrap_or_default(), LINE_MAX);
    if lines.next().is_some() && !line.ends_with('…') { format!("{line} …") } else { line }
}

/// Nobody is told when stderr is closed: that is what whoever closed it wants.
fn write(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_says_what_it_does_in_one_line() {
        for (input, line) in [
            (json!({"description": "List", "command": "ls -l\n\nwc"}), "ls -l …"),
            (json!({"file_path": "/a/b", "old_string": "x"}), "/a/b"),
            (json!({"n": 1, "what": "that"}), "that"),
            (json!({"n": 1}), ""),
            (json!("text"), ""),
            (json!({"command": "printf '\u{1b}[2J'"}), "printf '\\u{1b}[2J'"),
        ] {
            assert_eq!(telling(&input), line);
        }
        assert_eq!(telling(&json!({"command": "x".repeat(300)})), format!("{}…", "x".repeat(LINE_MAX)));
    }
}
