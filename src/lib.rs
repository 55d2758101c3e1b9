//! turnmux.
pub mod process;
