//! The verbs of the command line: the daemon's own, and those that ask a daemon (`verbs.rs`) by its HTTP API (`client/`).

mod answer;
mod attach;
pub mod call;
pub mod client;
mod close;
pub mod common;
pub mod doctor;
mod failure;
pub mod init;
mod interrupt;
mod logs;
pub mod output;
pub mod pages;
pub mod render;
mod reset;
pub mod service;
mod sessions;
mod show;
mod status;
mod steer;
mod stop;
mod tail;
pub mod terminal;
mod verbs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use call::CallArgs;
pub use failure::Failure;
pub use verbs::Ask;

use crate::config::Overrides;
use crate::process::{ProcessName, Ward};
use crate::protocol::Permission;

/// The verb of the daemon's guard, for whoever starts one.
pub const GUARD: &str = "guard";

/// The verb of the process that an agent starts to talk with the daemon.
pub const CHANNEL: &str = "channel";

/// What is to be done.
#[derive(Debug)]
pub enum Verb {
    /// Run the daemon.
    Serve(Overrides),
    /// Write a configuration file to begin with.
    Init(init::Init),
    /// Say what there is, and what is missing.
    Doctor(doctor::Doctor),
    /// Run the daemon as a service of the user.
    InstallService(service::InstallService),
    /// Print what a shell completes.
    Completions(pages::Completions),
    /// Print or write pages for `man`.
    Man(pages::Man),
    /// Carry messages between an agent and the daemon.
    Channel,
    /// Wait for a daemon's end, then end what it left behind.
    Guard(Ward),
    /// Ask an agent, and print its answer.
    Call(Box<CallArgs>),
    /// Ask a daemon.
    Ask(Box<Ask>),
}

/// Reads the arguments.
///
/// # Errors
/// The exit code, where there is nothing more to do: help was asked for, or the arguments make no sense.
pub fn parse() -> Result<Verb, ExitCode> {
    // Every agent has one of these: without clap it takes less memory and starts sooner.
    if std::env::args_os().skip(1).eq([CHANNEL]) {
        return Ok(Verb::Channel);
    }
    match Args::try_parse() {
        Ok(Args { command: Command::Serve(serve) }) => Ok(Verb::Serve(serve.into())),
        Ok(Args { command: Command::Init(init) }) => Ok(Verb::Init(init)),
        Ok(Args { command: Command::Doctor(doctor) }) => Ok(Verb::Doctor(doctor)),
        Ok(Args { command: Command::InstallService(service) }) => Ok(Verb::InstallService(service)),
        Ok(Args { command: Command::Completions(completions) }) => Ok(Verb::Completions(completions)),
        Ok(Args { command: Command::Man(man) }) => Ok(Verb::Man(man)),
        Ok(Args { command: Command::Channel }) => Ok(Verb::Channel),
        Ok(Args { command: Command::Guard { pid, start, instance, records } }) => {
            Ok(Verb::Guard(Ward { daemon: ProcessName { pid, start }, instance, records }))
        }
        Ok(Args { command: Command::Call(call) }) => Ok(Verb::Call(Box::new(call))),
        Ok(Args { command: Command::Ask(ask) }) => Ok(Verb::Ask(Box::new(ask))),
        Err(message) if message.exit_code() != 0 && output::wants_json() => {
            let said = message.render().to_string();
            output::error("usage", said.trim().trim_start_matches("error: "));
            Err(Failure::Usage(said).exit_code())
        }
        Err(message) => {
            // Where it goes, stdout for help and stderr for complaints, clap knows; if that is closed nobody listens.
            let _ = message.print();
            Err(ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2)))
        }
    }
}

/// The whole command line, for those who describe it.
pub fn command() -> clap::Command {
    Args::command()
}

/// One warm coding-agent process per conversation, behind the OpenAI API.
#[derive(Debug, Parser)]
#[command(name = "turnmux", version, after_help = failure::EXIT_CODES)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or Ctrl-C.
    Serve(Serve),
    Call(CallArgs),
    /// Write a configuration file with every key in it, commented out
    Init(init::Init),
    /// Say which backends can run, who has the port, and what to do about what is missing
    Doctor(doctor::Doctor),
    /// Run turnmux as a service of this user (systemd or launchd)
    InstallService(service::InstallService),
    /// Print what a shell needs to complete turnmux's arguments
    Completions(pages::Completions),
    /// Print turnmux's page for `man`, or write a page for each verb
    Man(pages::Man),
    /// Started by an agent: carries messages between it and the daemon that started it.
    #[command(hide = true, name = CHANNEL)]
    Channel,
    /// Started by `serve`: ends what a killed daemon leaves behind.
    #[command(hide = true, name = GUARD)]
    Guard {
        #[arg(long)]
        pid: i32,
        #[arg(long)]
        start: Option<u64>,
        #[arg(long)]
        instance: String,
        #[arg(long)]
        records: Option<PathBuf>,
    },
    #[command(flatten)]
    Ask(Ask),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// The configuration file [default: `$TURNMUX_CONFIG`, ./turnmux.toml, ~/.config/turnmux/turnmux.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:7433]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Port to listen on; 0 takes a free one
    #[arg(long)]
    port: Option<u16>,
    /// What agents may do unasked: `ask`, `accept_edits`, `deny` or `bypass` [default: ask]
    #[arg(long)]
    permission: Option<Permission>,
    /// The backend of requests that name no model [default: claude-code]
    #[arg(long, value_name = "ID")]
    backend: Option<String>,
    /// Agent processes that may live at the same time [default: half of the memory / 350 MB, at most 16]
    #[arg(long, value_name = "N")]
    max_live: Option<usize>,
    /// The database of sessions and turns [default: ~/.local/state/turnmux/store/turnmux.db]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Keep nothing: sessions and turns end with the daemon
    #[arg(long, conflicts_with = "store")]
    ephemeral: bool,
}

impl From<Serve> for Overrides {
    fn from(serve: Serve) -> Self {
        let Serve { config, listen, port, permission, backend, max_live, store, ephemeral } = serve;
        Self { config, listen, port, permission, backend, max_live, store, ephemeral }
    }
}
