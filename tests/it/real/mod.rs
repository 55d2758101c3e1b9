//! The real claude, in both pinned releases, over stdio and in a terminal, behind the real daemon, against a scripted model on loopback.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `threads` | one process for many turns; what is resumed after which end of it |
//! | `lost` | threads that claude does not know any more |
//! | `fork` | a thread that branches off another (by the library: no route asks for it yet) |
//! | `answers` | text, thinking, tools, subagents, endings, usage |
//! | `upstream` | a model service that fails, in each of its ways |
//! | `literal` | client text stays text |
//! | `openclaw` | OpenClaw's recorded requests, one after the other |
//! | `history` | what is told of a turn when it is over |
//! | `images` | what users show reaches the model as it is |
//! | `calls` | nothing of one call is in the next, though the process is the same |
//! | `permissions` | what an agent may do unasked, and what it is told otherwise |
//! | `interrupts` | a turn is stopped, its process is not |
//! | `options` | models, instructions, histories, large prompts |
//! | `offered_tools` | servers of tools that a request brings along |
//! | `processes` | nothing survives: not a kill of claude, not one of the daemon |
//! | `restarts` | what outlives the daemon |
//! | `capacity` | who waits for a process, and who makes room |
//! | `tenants` | two who use the same names |
//! | `sign_in` | claude without an account; secrets in no text |
//! | `terminal` | what only a claude in a terminal does |
//! | `dialogs` | what it asks there before it takes a message |

mod acting;
mod answers;
mod calls;
mod capacity;
mod dialogs;
mod events;
mod fork;
mod history;
mod images;
mod interrupts;
mod literal;
mod lost;
mod offered_tools;
mod openclaw;
mod options;
mod permissions;
mod processes;
mod restarts;
mod sign_in;
mod tenants;
mod terminal;
mod threads;
mod upstream;

use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::LIMIT;
use crate::support::model::{Model, Recorded};

/// The session that most tests use.
const KEY: &str = "tester::chat";

/// Sends a process a signal.
fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).expect("the process is there");
}

/// The model's request for a text of the user's, as soon as it is there.
async fn request_for(model: &Model, text: &str) -> Arc<Recorded> {
    let fits = |request: &Recorded| !request.on_the_side && request.user_text.contains(text);
    model.wait_for_request(fits, LIMIT).await.expect("the model is asked")
}

/// The requests that claude made for its turns, oldest first.
fn requests(model: &Model) -> Vec<Arc<Recorded>> {
    model.requests().into_iter().filter(|request| is_turn(request)).collect()
}

fn is_turn(request: &Recorded) -> bool {
    !request.on_the_side && !request.path.contains("count_tokens")
}

/// What the newest request says that the tools answered.
fn tool_results(model: &Model) -> String {
    let newest = requests(model).pop().expect("a request");
    let messages = newest.body["messages"].as_array().expect("messages").iter();
    let blocks = messages.flat_map(|message| message["content"].as_array().cloned().unwrap_or_default());
    blocks.filter(|block| block["type"] == "tool_result").map(|block| block["content"].to_string()).collect()
}

/// A `::tool` directive that runs a command.
fn bash(command: &str) -> String {
    format!("::tool Bash {}", serde_json::json!({"command": command, "description": "a test"}))
}

/// The `turnmux` part of a piece of a stream.
fn aside(chunk: &Value) -> (&str, &str) {
    let part = &chunk["turnmux"];
    (part["event"].as_str().unwrap_or_default(), part["reason"].as_str().unwrap_or_default())
}

/// The code of the error that a stream ended with. Panics when it ended otherwise.
fn error_code(chunks: &[Value]) -> &str {
    let last = chunks.last().expect("a piece");
    last["error"]["code"].as_str().unwrap_or_else(|| panic!("no error at the end: {last}"))
}
