//! The integration tests: one binary, for linking is what costs time. Every test starts the real `turnmux` program.

mod harness;
mod layering;
mod smoke;
#[path = "../support/mod.rs"]
pub mod support;
