//! What was found, and how it is shown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::terminal::{Paint, Style, one_line, plain};

/// Longest piece of others' text in a line, in characters.
const QUOTED_MAX: usize = 160;

/// How things stand with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Not there, which is fine for those who do not want it.
    None,
    /// It works less well than it could.
    Warn,
    /// It does not work.
    Bad,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, such as `backend claude-code`.
    pub(super) check: String,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What to do; none where there is nothing to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) todo: Option<String>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the default backend can run.
    pub(super) ok: bool,
    /// Of this turnmux.
    pub(super) version: &'static str,
    pub(super) checks: Vec<Finding>,
}

impl Finding {
    /// A finding that leaves nothing to do.
    pub(super) fn new(check: impl Into<String>, state: State, found: impl Into<String>) -> Self {
        Self { check: check.into(), state, found: found.into(), todo: None }
    }

    /// The same with what to do.
    pub(super) fn todo(self, todo: impl Into<String>) -> Self {
        Self { todo: Some(todo.into()), ..self }
    }
}

impl Report {
    /// For people, one line each.
    pub(super) fn text(&self, paint: Paint) -> String {
        let width = self.checks.iter().map(|finding| finding.check.chars().count()).max().unwrap_or_default();
        let mut text = String::new();
        for Finding { check, state, found, todo } in &self.checks {
            let state = match state {
                State::Ok => paint.text(Style::Good, "ok  "),
                State::None => paint.text(Style::Dim, "-   "),
                State::Warn => paint.text(Style::Asks, "warn"),
                State::Bad => paint.text(Style::Bad, "BAD "),
            };
            let todo = todo.as_ref().map(|todo| format!(". {todo}")).unwrap_or_default();
            let _ = writeln!(text, "{state}  {:width$}  {}{}", plain(check), plain(found), plain(&todo));
        }
        text
    }
}

/// Text of another program on one line, without anything that a terminal would obey.
pub(super) fn quoted(text: &str) -> String {
    one_line(text, QUOTED_MAX)
}

/// What a program calls its release, as numbers: `2.1.329`, or `2026.10.1-beta.2` without what follows the third.
pub(super) fn release(named: &str) -> Option<[u32; 3]> {
    let mut numbers = named.split(['.', '-']).map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_with_what_to_do() {
        let checks = vec![
            Finding::new("port", State::Ok, "127.0.0.1:7433 is free"),
            Finding::new("store", State::Bad, quoted("it\nis\x1b[2J gone")).todo("Bring it back"),
        ];
        let report = Report { ok: true, version: "1", checks };
        let text = "ok    port   127.0.0.1:7433 is free\nBAD   store  it is\\u{1b}[2J gone. Bring it back\n";
        assert_eq!(report.text(Paint::none()), text);
    }
}
