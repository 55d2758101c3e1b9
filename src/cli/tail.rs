//! `turnmux tail`: what happens in a session, while it happens.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Event, session_path};
use super::common::Common;
use super::output;
use super::render::Renderer;
use super::terminal::{Paint, Style};

/// Follow what happens in a session until Ctrl-C, or in a turn until its end. While somebody follows, questions wait
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// The session, such as `ops::42`, or the turn, such as `turn_…`
    of: String,
    /// Begin behind the event of this number; 0 for all that is kept [default: a session from now on, a turn from its beginning]
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Show the lines of the agent's own protocol, too
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: Common,
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    event: &'a str,
    data: &'a RawValue,
}

impl Tail {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.common.connect().await?;
        let mut events = client.events(&self.path()).await?;
        let paint = Paint::of_stdout();
        let mut renderer = Renderer::new(paint);
        while let Some(event) = events.next().await? {
            if self.common.json {
                output::json(&line(&event)?).map_err(Failure::output)?;
            } else if event.name == "over" {
                break;
            } else {
                let mut shown = renderer.event(&event);
                if event.name == "permission_asked" {
                    shown.push_str(&self.how_to_answer(&event, paint));
                }
                output::text(&shown).map_err(Failure::output)?;
            }
        }
        output::text(&renderer.end()).map_err(Failure::output)
    }

    fn path(&self) -> String {
        // A session's key has a `::` in it.
        let is_turn = self.of.starts_with("turn_") && !self.of.contains(':');
        let path = if is_turn { format!("/v1/turns/{}/events", self.of) } else { session_path(&self.of, "events") };
        let after = self.after.map(|after| format!("&after={after}")).unwrap_or_default();
        format!("{path}?raw={}{after}", self.raw)
    }

    fn how_to_answer(&self, event: &Event, paint: Paint) -> String {
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
        let request = data["request"].as_str().unwrap_or_default();
        let session = if self.of.contains(':') { &self.of } else { "SESSION" };
        let how = format!("  turnmux answer '{session}' {request} allow|allow_session|deny");
        format!("{}\n", paint.text(Style::Asks, &how))
    }
}

fn line(event: &Event) -> Result<Line<'_>, Failure> {
    let data = serde_json::from_str(&event.data)
        .map_err(|error| Failure::Failed(format!("the daemon sent an event that is no JSON: {error}")))?;
    Ok(Line { id: event.id, event: &event.name, data })
}
