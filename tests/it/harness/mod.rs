//! What the tests stand on: a daemon of their own in a scratch home, an HTTP client, and the agents.

mod agents;
mod client;
mod command;
mod console;
mod contract;
mod daemon;
mod gate;
mod image;
mod mcp;
mod openclaw;
mod processes;
mod raw;
mod refusal;
mod transcripts;
mod wait;
mod watch;

pub(crate) use agents::{Claude, stand_in};
pub(crate) use client::{Client, Reply, Stream, ask, content};
pub(crate) use command::{Ran, Turnmux};
pub(crate) use console::Console;
pub(crate) use daemon::{Daemon, DaemonBuilder, channel_memory};
pub(crate) use gate::Gate;
pub(crate) use image::{PNG, png, shows};
pub(crate) use mcp::Tools;
pub(crate) use openclaw::Recorded;
pub(crate) use processes::{Fifo, agents_of, all_gone, guard_of, pids};
pub(crate) use transcripts::Transcripts;
pub(crate) use wait::{LIMIT, gone, within, within_at_most};
pub(crate) use watch::{Watch, types};
