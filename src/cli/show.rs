//! `turnmux show`: a session, and what was said in it last.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Failure;
use super::client::session_path;
use super::common::{Common, read};
use super::output;
use super::render::{prefixed, shown};
use super::sessions::{SessionList, SessionView};
use super::terminal::{Paint, Style, one_line};

/// How much of a tool's arguments is shown, in characters.
const LINE_MAX: usize = 160;

/// Show a session and what was said in it last
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The session, such as `ops::42`
    session: String,
    /// How many turns to show, the newest; at most 100
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    turns: u8,
    #[command(flatten)]
    common: Common,
}

/// All of it, as JSON.
#[derive(Serialize)]
struct Whole<'a> {
    session: &'a RawValue,
    turns: &'a RawValue,
    has_more: bool,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    has_more: bool,
}

#[derive(Deserialize)]
struct Turn {
    id: String,
    status: String,
    accepted_at: u64,
    cause: Option<String>,
    error: Option<TurnError>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct TurnError {
    message: String,
}

#[derive(Deserialize)]
struct Message {
    seq: u64,
    role: String,
    kind: String,
    text: String,
    #[serde(default)]
    images: Value,
}

#[derive(Deserialize)]
struct ToolCall {
    seq: u64,
    name: String,
    input: Value,
    is_error: Option<bool>,
}

impl Show {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { session, turns, common } = self;
        let client = common.connect().await?;
        let path = format!("{}?expand=messages&limit={turns}", session_path(&session, "turns"));
        // It says so where there is no such session.
        let page: Box<RawValue> = client.get(&path).await?;
        let list: Box<RawValue> = client.get("/v1/sessions").await?;
        let (page, rows): (Page<'_>, Rows<'_>) = (read(&page)?, read(&list)?);
        let at = read::<SessionList>(&list)?.data.into_iter().zip(rows.data).find(|(view, _)| view.key == session);
        // The daemon may forget it between the two questions.
        let (view, row) = at.ok_or_else(|| Failure::NotFound(format!("there is no session `{session}`")))?;
        let printed = if common.json {
            output::json(&Whole { session: row, turns: page.data, has_more: page.has_more })
        } else {
            let paint = Paint::of_stdout();
            let turns: Vec<Turn> = read(page.data)?;
            let shown: String = turns.iter().map(|turn| turn_text(turn, paint)).collect();
            let more = if page.has_more { "\n(there are earlier turns: -n)\n" } else { "" };
            output::text(&format!("{}{more}{shown}", head(&view, paint)))
        };
        printed.map_err(Failure::output)
    }
}

/// The same list, each session as it was said.
#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

fn head(session: &SessionView, paint: Paint) -> String {
    let mut out = String::new();
    paint.lines(&mut out, Style::Bold, &session.key);
    let process = session.pid.map_or_else(|| "none".to_owned(), |pid| pid.to_string());
    let turns = match session.queued {
        0 => session.turns.to_string(),
        queued => format!("{}, and {queued} waiting", session.turns),
    };
    for (name, value) in [
        ("state", &*session.state),
        ("turn", session.turn.as_deref().unwrap_or_default()),
        ("turns", &turns),
        ("backend", &format!("{} ({})", session.backend, session.driver)),
        ("thread", session.thread.as_deref().unwrap_or("none yet")),
        ("directory", &session.directory),
        ("process", &process),
    ] {
        if !value.is_empty() {
            paint.lines(&mut out, Style::Plain, &format!("  {name:<10}{value}"));
        }
    }
    out
}

fn turn_text(turn: &Turn, paint: Paint) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(turn.accepted_at);
    let at = humantime::format_rfc3339_seconds(at);
    let cause = turn.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    let mut out = "\n".to_owned();
    paint.lines(&mut out, Style::Dim, &format!("{at}  {}  {}{cause}", turn.id, turn.status));
    let messages = turn.messages.iter().map(|message| (message.seq, message_line(message)));
    let calls = turn.tool_calls.iter().map(|call| (call.seq, call_line(call)));
    let mut parts: Vec<_> = messages.chain(calls).collect();
    parts.sort_by_key(|(seq, _)| *seq);
    for (_, (style, text)) in parts {
        paint.lines(&mut out, style, &text);
    }
    if let Some(error) = &turn.error {
        paint.lines(&mut out, Style::Bad, &error.message);
    }
    if turn.truncated {
        paint.lines(&mut out, Style::Dim, "(cut: the API's export has all of it)");
    }
    out
}

fn message_line(message: &Message) -> (Style, String) {
    match (&*message.role, &*message.kind) {
        (_, "steer") => (Style::Bold, prefixed(">> ", &message.text)),
        ("user", _) => (Style::Bold, prefixed("> ", &shown(&message.text, &message.images))),
        (_, "reasoning") => (Style::Dim, message.text.clone()),
        _ => (Style::Plain, message.text.clone()),
    }
}

fn call_line(call: &ToolCall) -> (Style, String) {
    let input = match &call.input {
        Value::String(text) => one_line(text, LINE_MAX),
        input => one_line(&input.to_string(), LINE_MAX),
    };
    let style = if call.is_error == Some(true) { Style::Bad } else { Style::Plain };
    (style, format!("* {} {input}", call.name))
}
