//! The integration tests: one binary, for linking is what costs time. Every test starts the real `turnmux` program.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's panic is how it says what is wrong")]

#[macro_use]
mod releases;

mod attach;
mod channel;
mod cli;
mod crash;
mod docs;
mod driver_channel;
mod faults;
mod harness;
mod http;
mod layering;
mod lifecycle;
mod openapi;
mod openclaw;
mod real;
mod running;
mod sdk;
mod sidecar;
mod smoke;
#[path = "../support/mod.rs"]
pub mod support;
