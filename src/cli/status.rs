//! `turnmux status`: how the daemon is.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;

use super::Failure;
use super::common::Common;
use super::output;
use super::terminal::{Paint, Style};
use crate::process::ProcessName;

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
    process: ProcessName,
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
    let Health { ok, version, process, processes, conns, sessions, queued, store, backends } = health;
    let mut out = String::new();
    let (style, how) = if *ok { (Style::Good, "runs") } else { (Style::Bad, "cannot take turns") };
    paint.lines(&mut out, style, &format!("turnmux {version} {how}: http://{address}, pid {}", process.pid));
    let counts = format!("{sessions} sessions, {processes} processes, {queued} turns waiting, {conns} connections");
    paint.lines(&mut out, Style::Plain, &format!("  {counts}"));
    let mut line = |what: &str, ready: bool, reason: &Option<String>| {
        let (style, state) = if ready { (Style::Plain, "ready") } else { (Style::Bad, "not ready") };
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        paint.lines(&mut out, style, &format!("  {what} {state}{reason}"));
    };
    line("store", store.ready, &store.reason);
    for (name, Backend { driver, note, ready, reason }) in backends {
        let note = note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        line(&format!("{name} ({driver}{note})"), *ready, reason);
    }
    out
}
