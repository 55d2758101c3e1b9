//! The side door: a listener on loopback by which the plugin inside an agent (a WebSocket), and the agent's HTTP hooks, reach
//! the daemon. The frames are [`crate::wire::channel`]'s.
//!
//! ```text
//!  Listener ── one task a connection ──▶ door: Origin, Host, route
//!                                          │ GET /bridge: upgrade → hello + token ─▶ Keeper (one task a member) ⇄ Member
//!                                          │ POST /hooks: token → body ─▶ HookCall ─────────────────────────────▶ Member
//! ```
//!
//! * A [`Member`] is what a driver holds for one agent process. Its token is void when it is dropped.
//! * The keeper (`keeper.rs`) owns a member's numbers and its WebSocket, over all connections; nothing here is behind a lock.
//! * The agent and everything else on this machine can reach the listener, so nobody is believed: before a connection has shown
//!   a token it can hold little memory, for a short while, and there are only so many of those.

mod door;
mod event;
mod farewell;
mod greeting;
mod held;
mod hooks;
mod hub;
mod keeper;
mod lifetime;
mod line;
mod listener;
mod liveness;
mod member;
mod outbox;
pub mod plugin;
mod registry;
pub mod sidecar;
mod token;
mod upgrade;

pub use event::{ChannelEvent, HookCall};
pub use hub::{ChannelError, Hub, HubConfig};
pub use listener::Listener;
pub use member::{EVENTS_MAX, Member, PushError, QUEUE_MAX};
pub use token::Token;

pub use crate::wire::channel::Behavior;
