#![doc = include_str!("../ARCHITECTURE.md")]

pub mod api;
pub mod app;
#[cfg(feature = "broken")]
mod broken;
pub mod channel;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod driver;
pub mod process;
pub mod protocol;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod wire;
