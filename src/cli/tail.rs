//! `turnmux tail`: what happens in a session, while it happens.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::Failure;
use super::client::{ClientError, Event, Events, Place, session_path};
use super::common::Common;
use super::output;
use super::render::Renderer;
use super::terminal::{Paint, Style, plain};

/// How long to wait before the first try to come back; it doubles with each …
const AGAIN_FIRST: Duration = Duration::from_millis(100);

/// … up to this. A connection that held so long was one; a shorter one without any event was another try.
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// Follow what happens in a session until Ctrl-C, or in a turn until its end. While somebody follows, questions wait
///
/// When the daemon goes away it goes on where it was as soon as the daemon is back.
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
    /// How long to wait for a daemon that went away, such as `90s` or `10m`
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    reconnect: Duration,
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

/// A daemon that went away.
struct Away {
    gives_up: Instant,
    /// Until the next try.
    wait: Duration,
    why: ClientError,
}

impl Tail {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let place = self.common.place()?;
        let mut after = self.after;
        let mut events = self.open(&place, after).await?;
        let (mut since, mut away) = (Instant::now(), None);
        let paint = Paint::of_stdout();
        let mut renderer = Renderer::new(paint);
        loop {
            let why = match events.next().await {
                Ok(Some(event)) => {
                    away = None;
                    self.show(&event, &mut renderer, paint)?;
                    if event.name == "over" {
                        return output::text(&renderer.end()).map_err(Failure::output);
                    }
                    continue;
                }
                // As a daemon does that ends.
                Ok(None) => {
                    ClientError::Closed { address: place.address().to_owned(), reason: "its stream ended".to_owned() }
                }
                Err(error @ ClientError::Closed { .. }) => error,
                Err(error) => return Err(error.into()),
            };
            after = events.last_id().or(after);
            let still = away.take().filter(|_| since.elapsed() < AGAIN_MAX);
            let still = still.unwrap_or_else(|| self.away(&place, why));
            let (back, still) = self.come_back(&place, after, still).await?;
            (events, away, since) = (back, Some(still), Instant::now());
        }
    }

    fn show(&self, event: &Event, renderer: &mut Renderer, paint: Paint) -> Result<(), Failure> {
        let shown = if self.common.json {
            return output::json(&line(event)?).map_err(Failure::output);
        } else if event.name == "permission_asked" {
            renderer.event(event) + &self.how_to_answer(event, paint)
        } else if event.name == "over" {
            return Ok(());
        } else {
            renderer.event(event)
        };
        output::text(&shown).map_err(Failure::output)
    }

    async fn open(&self, place: &Place, after: Option<u64>) -> Result<Events, ClientError> {
        place.connect().await?.events(&self.path(after)).await
    }

    fn away(&self, place: &Place, why: ClientError) -> Away {
        output::note(&format!("turnmux: the daemon at {} went away; waiting for it", plain(place.address())));
        Away { gives_up: Instant::now() + self.reconnect, wait: AGAIN_FIRST, why }
    }

    /// Opens the stream anew, behind what was seen.
    async fn come_back(&self, place: &Place, after: Option<u64>, mut away: Away) -> Result<(Events, Away), Failure> {
        loop {
            let rest = away.gives_up.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(Failure::Away { limit: self.reconnect, why: away.why });
            }
            sleep(away.wait.min(rest)).await;
            away.wait = (away.wait * 2).min(AGAIN_MAX);
            match self.open(place, after).await {
                Ok(events) => return Ok((events, away)),
                Err(error) if error.may_pass() => away.why = error,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn path(&self, after: Option<u64>) -> String {
        // A session's key has a `::` in it.
        let is_turn = self.of.starts_with("turn_") && !self.of.contains(':');
        let path = if is_turn { format!("/v1/turns/{}/events", self.of) } else { session_path(&self.of, "events") };
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
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
