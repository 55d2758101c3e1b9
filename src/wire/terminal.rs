//! What goes over the WebSocket of `GET /v1/sessions/{key}/terminal`. Bytes for the terminal and keys for the agent are binary
//! messages; these are the text messages beside them, as JSON.

use serde::{Deserialize, Serialize};

/// Longest message of a client, in bytes: keys that were pasted come in several.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// The close code of a client that may watch alone, and types.
pub const CLOSE_WATCH_ONLY: u16 = 4403;

/// The close code of a client that does not read.
pub const CLOSE_SLOW: u16 = 4408;

/// The close code of a client that says something else than is said here.
pub const CLOSE_BAD_MESSAGE: u16 = 4400;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromViewer {
    /// Its screen has another size.
    Resize {
        /// In lines.
        rows: u16,
        /// In characters.
        cols: u16,
    },
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToViewer {
    /// The terminal is of this size from now on; the next binary message clears the screen and shows it whole.
    Size {
        /// In lines.
        rows: u16,
        /// In characters.
        cols: u16,
    },
}
