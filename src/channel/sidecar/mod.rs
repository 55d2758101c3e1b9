//! `turnmux channel`: the MCP server inside an agent's process tree, which carries frames between the agent and the daemon.
//!
//! ```text
//!  agent ── MCP on stdio ─▶ server ── sayings (64) ─▶ bridge ── outbox (until acknowledged) ─▶ socket ── /bridge ─▶ daemon
//!        ◀─ notifications ─ inbox (64 frames, 64 MiB) ◀─────── bridge ◀─────────────────────── socket ◀──────────
//! ```
//!
//! The agent starts it and owns it: it ends when its stdin ends, whatever the socket does. It has no configuration; what it
//! must know stands in three environment variables ([`VARIABLES`]). When the socket is cut it connects again by itself, and
//! what was not acknowledged is sent again, so that nothing is lost or doubled. It prints nothing but MCP on stdout, and
//! on stderr only warnings, without what was said and without the token.

mod bridge;
mod inbox;
mod mentions;
mod outbox;
mod patience;
mod place;
mod run;
mod server;
mod socket;
mod stdio;
mod tool;

pub use place::{PlaceError, VARIABLES};
pub use run::{SidecarError, run};
