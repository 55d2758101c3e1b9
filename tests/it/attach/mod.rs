//! `turnmux attach`, in a terminal of its own, and the route that it stands on.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `watching` | the real claude's screen, its size, how one leaves, and that nothing is typed by who only watches |
//! | `typing` | what a person types becomes turns of the session |
//! | `lines` | a session without a terminal: its events, and lines as turns |
//! | `route` | `GET /v1/sessions/{key}/terminal` itself: who may, and what it says |

mod lines;
mod route;
mod typing;
mod watching;

use crate::harness::{Claude, Daemon};

/// The session that these tests attach to.
const KEY: &str = "desk::one";

/// A daemon, and the session with one turn behind it.
async fn with_a_turn(claude: Claude) -> Daemon {
    let daemon = Daemon::claude(claude).start().await;
    assert_eq!(daemon.client.session(KEY).ask("the first word").await.text(), "You said: the first word [turn 1]");
    daemon
}
