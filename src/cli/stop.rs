//! `turnmux stop`: ends the daemon in order.
//!
//! By a signal, not by the API: the system itself then sees to it that nobody stops another user's daemon, no client and no
//! page of a browser can, and whoever has a key to talk with agents has none to the daemon. Which process it is the daemon
//! says, by pid and start time, which no other process has: through a tunnel, or out of a container, it names none here.

use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::Failure;
use super::client::Client;
use super::common::Common;
use super::output;
use super::terminal::{Paint, Style};
use crate::process::{OtherProcess, ProcessName};

/// Stop the daemon: turns that run may finish within `server.shutdown_grace`
#[derive(Debug, clap::Args)]
pub struct Stop {
    /// Interrupt the turns that run
    #[arg(long)]
    now: bool,
    /// How long to wait for its end; it goes on ending after that
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    wait: Duration,
    #[command(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Health {
    process: ProcessName,
}

impl Stop {
    /// Fails when it has not ended in time.
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let Self { now, wait, common } = self;
        // Most of all one of another version is to be stopped.
        let client = common.place()?.connect_any_version().await?;
        let address = client.place().address().to_owned();
        let pid = named(&client)?.pid;
        let process = find(&client)?;
        // The connection is not to be among those that it waits for.
        drop(client);
        let refused =
            |error| Failure::Failed(format!("process {pid}, the daemon at {address}, cannot be stopped: {error}"));
        process.terminate(now).map_err(refused)?;
        let has_ended = timeout(wait, process.ended()).await.is_ok();
        let printed = if common.json {
            output::json(&json!({"object": "daemon.stopped", "pid": pid, "stopped": has_ended}))
        } else if has_ended {
            output::text(&format!("the daemon at {address} has stopped\n"))
        } else {
            let said = format!("the daemon at {address} is stopping, and has not yet; `turnmux stop --now` hurries it");
            output::text(&format!("{}\n", Paint::of_stdout().text(Style::Asks, &said)))
        };
        printed.map_err(Failure::output)?;
        Ok(if has_ended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The daemon's process, by its own words.
fn named(client: &Client) -> Result<ProcessName, Failure> {
    let unnamed = |error| Failure::Failed(format!("the daemon does not say which process it is: {error}"));
    Ok(Health::deserialize(client.health()).map_err(unnamed)?.process)
}

fn find(client: &Client) -> Result<OtherProcess, Failure> {
    let name = named(client)?;
    OtherProcess::find(name).ok_or_else(|| {
        let address = client.place().address();
        Failure::Failed(format!(
            "the daemon at {address} is no process that can be told from others here (it runs in a container, behind a tunnel, \
             or on a system without /proc); stop it where it runs, with: kill {}",
            name.pid
        ))
    })
}
