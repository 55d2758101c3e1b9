//! `turnmux sessions`: what there is.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Failure;
use super::common::Common;
use super::terminal::{Paint, Style, one_line};

/// Longest key that is shown whole, in characters.
const KEY_MAX: usize = 48;

/// List the sessions
#[derive(Debug, clap::Args)]
pub struct Sessions {
    #[command(flatten)]
    common: Common,
}

/// A session, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct SessionView {
    pub(super) key: String,
    pub(super) state: String,
    pub(super) backend: String,
    pub(super) driver: String,
    pub(super) thread: Option<String>,
    pub(super) directory: String,
    pub(super) turns: u64,
    pub(super) queued: usize,
    pub(super) turn: Option<String>,
    pub(super) pid: Option<u32>,
}

/// The daemon's list.
#[derive(Debug, Deserialize)]
pub(super) struct SessionList {
    pub(super) data: Vec<SessionView>,
}

impl Sessions {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let answer: Box<RawValue> = self.common.connect().await?.get("/v1/sessions").await?;
        self.common.print(&answer, |list: SessionList| table(&list.data, Paint::of_stdout()))
    }
}

fn table(sessions: &[SessionView], paint: Paint) -> String {
    if sessions.is_empty() {
        return "no sessions\n".to_owned();
    }
    let head = ["SESSION", "STATE", "BACKEND", "TURNS", "QUEUED", "PID", "TURN"].map(str::to_owned);
    let rows = sessions.iter().map(|session| {
        [
            one_line(&session.key, KEY_MAX),
            session.state.clone(),
            session.backend.clone(),
            session.turns.to_string(),
            session.queued.to_string(),
            session.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            session.turn.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut out = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let style = match (at, &*row[1]) {
            (0, _) => Style::Dim,
            (_, "active" | "interrupting") => Style::Good,
            _ => Style::Plain,
        };
        out.push_str(&paint.text(style, cells.join("  ").trim_end()));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let session = |key: &str, turn: Option<&str>| SessionView {
            key: key.to_owned(),
            state: "idle".to_owned(),
            backend: "claude-code".to_owned(),
            driver: String::new(),
            thread: None,
            directory: String::new(),
            turns: 3,
            queued: 0,
            turn: turn.map(str::to_owned),
            pid: Some(42),
        };
        let shown = table(&[session("a::\x1b[2J", None), session("ops::long", Some("turn_1"))], Paint::none());
        assert_eq!(
            shown,
            "SESSION       STATE  BACKEND      TURNS  QUEUED  PID  TURN\n\
             a::\\u{1b}[2J  idle   claude-code  3      0       42   -\n\
             ops::long     idle   claude-code  3      0       42   turn_1\n"
        );
        assert_eq!(table(&[], Paint::none()), "no sessions\n");
    }
}
