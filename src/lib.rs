//! turnmux keeps one warm coding-agent process per conversation and puts the OpenAI API in front of it.
pub mod api;
pub mod config;
pub mod dispatch;
pub mod driver;
pub mod process;
pub mod protocol;
pub mod session;
pub mod store;
pub mod wire;
