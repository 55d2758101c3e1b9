//! A stand-in for the `claude` program in stream mode. See [`stand_in`].

pub mod script;
pub mod stand_in;

use std::process::ExitCode;

fn main() -> ExitCode {
    stand_in::run()
}
