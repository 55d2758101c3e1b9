//! A session without a terminal: its events as people read them, and lines that become its turns.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::keys;
use crate::cli::Failure;
use crate::cli::client::{Client, ClientError, Event, session_path};
use crate::cli::output;
use crate::cli::render::Renderer;
use crate::cli::terminal::{Paint, Style, plain};

/// Longest line, in bytes; a longer one becomes several.
const LINE_MAX: usize = 1 << 20;

/// The daemon's answer to a line.
#[derive(Deserialize)]
struct Submitted {
    turn: String,
}

/// Shows what happens, and gives the session each line as a turn, until the end of stdin; of what was typed before that, the
/// ends are waited for.
pub(super) async fn attach(client: &Client, session: &str, watch: bool) -> Result<(), Failure> {
    let mut events = client.events(&session_path(session, "events")).await?;
    let how = if watch { "Ctrl-C detaches" } else { "a line is a turn; Ctrl-D or Ctrl-C detaches" };
    output::note(&format!("turnmux: attached to the events of {}; {how}", plain(session)));
    let paint = Paint::of_stdout();
    let mut renderer = Renderer::new(paint);
    let mut lines = Lines::new(watch)?;
    let mut open = BTreeSet::new();
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event?.filter(|event| event.name != "over") else { break };
                output::text(&shown(&mut renderer, paint, session, &event)).map_err(Failure::output)?;
                let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
                if matches!(&*event.name, "turn_completed" | "turn_interrupted" | "error") {
                    open.remove(data["turn"].as_str().unwrap_or_default());
                }
            }
            line = lines.next() => {
                if let Some(line) = line.filter(|line| !line.trim().is_empty()) {
                    open.extend(submit(client, session, &line).await?);
                }
            }
        }
        if lines.is_over && open.is_empty() {
            break;
        }
    }
    output::text(&renderer.end()).map_err(Failure::output)
}

/// Gives the session a turn, whose id this is; none when it does not take it now.
async fn submit(client: &Client, session: &str, line: &str) -> Result<Option<String>, Failure> {
    match client.post(&session_path(session, "submit"), &json!({"input": line})).await {
        Ok(Submitted { turn }) => Ok(Some(turn)),
        Err(error @ ClientError::Api { .. }) => {
            output::note(&format!("turnmux: {}", plain(&error.to_string())));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn shown(renderer: &mut Renderer, paint: Paint, session: &str, event: &Event) -> String {
    let mut shown = renderer.event(event);
    if event.name == "permission_asked" {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let request = data["request"].as_str().unwrap_or_default();
        let how = format!("  turnmux answer '{session}' {request} allow|allow_session|deny");
        shown.push_str(&paint.text(Style::Asks, &how));
        shown.push('\n');
    }
    shown
}

/// What is typed, line by line.
struct Lines {
    /// None when nothing is read.
    typed: Option<mpsc::Receiver<Bytes>>,
    buffer: Vec<u8>,
    is_over: bool,
}

impl Lines {
    fn new(watch: bool) -> Result<Self, Failure> {
        let typed = if watch { None } else { Some(keys::stdin().map_err(Failure::output)?) };
        Ok(Self { typed, buffer: Vec::new(), is_over: false })
    }

    /// The next line, without its end; none when stdin has ended, and after that never again. Cancel-safe.
    async fn next(&mut self) -> Option<String> {
        loop {
            let end = memchr::memchr(b'\n', &self.buffer);
            if end.is_some() || self.buffer.len() > LINE_MAX {
                let rest = self.buffer.split_off(end.map_or(self.buffer.len(), |end| end + 1));
                let line = std::mem::replace(&mut self.buffer, rest);
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            let Some(typed) = &mut self.typed else { return std::future::pending().await };
            if let Some(read) = typed.recv().await {
                self.buffer.extend_from_slice(&read);
                continue;
            }
            self.typed = None;
            self.is_over = true;
            let rest = std::mem::take(&mut self.buffer);
            return (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned());
        }
    }
}
