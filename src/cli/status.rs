//! `turnmux status`: how the daemon is.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;

use super::Failure;
use super::common::Common;
use super::output;
use super::terminal::{Paint, Style, plain};

/// Say how the daemon is; fails when it cannot take turns
#[derive(Debug, clap::Args)]
pub struct Status {
    #[command(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Health {
    ok: bool,
    version: String,
    processes: usize,
    conns: usize,
    sessions: usize,
    queued: usize,
    store: Store,
    backends: BTreeMap<String, Backend>,
}

#[derive(Deserialize)]
struct Store {
    ready: bool,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Backend {
    driver: String,
    note: Option<String>,
    ready: bool,
    reason: Option<String>,
}

impl Status {
    /// Fails when it could not run a turn of its default backend.
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let client = self.common.connect().await?;
        let is_ok = client.health()["ok"] == true;
        let printed = if self.common.json {
            output::json(client.health())
        } else {
            let unreadable = |error: serde_json::Error| Failure::Failed(format!("its health makes no sense: {error}"));
            let health: Health = serde_json::from_value(client.health().clone()).map_err(unreadable)?;
            output::text(&text(client.place().address(), &health, Paint::of_stdout()))
        };
        printed.map_err(Failure::output)?;
        Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn text(address: &str, health: &Health, paint: Paint) -> String {
    let how = if health.ok { paint.text(Style::Good, "runs") } else { paint.text(Style::Bad, "cannot take turns") };
    let mut out = format!("turnmux {} on http://{address} {how}\n", plain(&health.version));
    let Health { processes, conns, sessions, queued, .. } = health;
    out.push_str(&format!(
        "  {sessions} sessions, {processes} processes, {queued} turns waiting, {conns} connections\n"
    ));
    let mut line = |name: &str, ready: bool, note: &str, reason: &Option<String>| {
        let state = if ready { paint.text(Style::Good, "ready") } else { paint.text(Style::Bad, "not ready") };
        let reason = reason.as_ref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
        out.push_str(&format!("  {}{} {state}{reason}\n", plain(name), plain(note)));
    };
    line("store", health.store.ready, "", &health.store.reason);
    for (name, Backend { driver, note, ready, reason }) in &health.backends {
        let note = note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        line(name, *ready, &format!(" ({driver}{note})"), reason);
    }
    out
}
