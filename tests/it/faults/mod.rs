//! What an agent can do wrong, played by the stand-in: each fault has its answer, and the session works again after it.

mod beside;
mod disk;
mod lines;
mod lost;
mod results;
mod secrets;
mod start;
mod stubborn;
mod upstream;

use crate::harness::Daemon;

/// Asserts that the session goes on with what it knew: its next turn is the K-th of the same thread.
async fn goes_on(daemon: &Daemon, key: &str, turn: usize) {
    let text = daemon.client.session(key).ask("next").await.text();
    assert_eq!(text, format!("You said: next [turn {turn}]"));
}
