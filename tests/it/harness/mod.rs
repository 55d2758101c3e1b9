//! What the tests stand on: a daemon of their own in a scratch home, an HTTP client, and the agents.

mod agents;
mod client;
mod daemon;
mod wait;

pub(crate) use agents::{Claude, stand_in};
pub(crate) use client::{Client, Reply, Stream};
pub(crate) use daemon::{Daemon, DaemonBuilder};
pub(crate) use wait::{LIMIT, gone, within};
