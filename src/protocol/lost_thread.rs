//! What becomes of a session whose thread its agent has lost.

use serde::{Deserialize, Serialize};

/// What a session does when its agent does not know its thread any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostThread {
    /// It goes on with a new thread, which is told what was kept of the conversation; the turn says so.
    #[default]
    Continue,
    /// The turn fails, until somebody resets the session.
    Fail,
}
