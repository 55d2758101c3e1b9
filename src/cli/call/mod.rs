//! `turnmux call`: one question to an agent, as a program of the shell.
//!
//! ```text
//!  arguments, stdin, files ─▶ prompt ─┐                        ┌─▶ stdout: the answer, its JSON, or all events
//!                                     ├─▶ chat (streamed) ─────┤
//!  place: found, started, alone ──────┘   ◀─ abort ─ Ctrl-C    └─▶ stderr: what the agent does, a spinner
//! ```
//!
//! * What can be wrong with the arguments is said before anything is started or asked.
//! * The turn belongs to the call: Ctrl-C, a closed stdout, the end of `--timeout` and a kill interrupt it, and leave its
//!   session and process as they were.
//! * Without `--session` the daemon gives the turn a warm process with an empty context (`context.rs`).
//!
//! What is absent: questions to the person at the terminal. An agent that needs permission gets it from those who watch the
//! session, or is told that nobody is there.

mod alone;
mod args;
mod background;
mod context;
mod error;
mod output;
mod pieces;
mod progress;
mod prompt;
mod run;
mod schema;
mod turn;

pub use alone::{Serve, Served};
pub use args::CallArgs;
pub use background::StartError;
pub use error::CallError;
pub use prompt::PromptError;
pub use run::run;
pub use schema::SchemaError;
