//! The session as a pure value: [`Input`] → [`Effect`]s. It knows no task, channel or clock.
//!
//! ```text
//!              turn wanted               place granted            ready
//!  NotLoaded ──────────────▶ Waiting ──────────────▶ Starting ──────────▶ Idle ◀─────────┐
//!      ▲  ▲ ▲                   │ no place in time      │ died, hung       │ ▲           │
//!      │  │ └───────────────────┘                       │                  │ │           │
//!      │  └──── Recalling ◀── the thread is lost ───────┤                  │ │           │
//!      │                                                ▼                  │ │ ended     │
//!      │        turn wanted after repeated failures  NotLoaded     start   ▼ │           │ ended
//!      │◀── Backoff ◀───────────────────────────────────┘                Active ──▶ Interrupting
//!      │                                                                   │ died        │ died, or
//!      │                gone (the next turn resumes)                       ▼             ▼ no end in time
//!      └──────────────────────── Stopping ◀── idle for long, place wanted, reset, restart, shutdown
//!                                    └──────▶ Closed   (closed, or the daemon went down)
//! ```
//!
//! What holds:
//! * Every accepted turn gets exactly one [`EventKind::Ended`](crate::protocol::EventKind::Ended), and no event after it.
//! * Turns begin in the order in which they were accepted, one at a time.
//! * A turn that was given to an agent is never given to one again.
//! * A question is answered once, and only the running turn has any; a steer is told once what became of it.
//! * No turn runs without its session's thread in silence: what a new one is told instead is an event (`lost.rs`).
//! * No thread but a new one is given to a turn that is to find a clean context, and none twice in which a call was
//!   answered that keeps nothing. A process gets a new one by `Clearing`, from `Idle` or right behind a turn, where its
//!   driver can do that; it is ended where not, or when it does not do it (`clear.rs`).
//! * A person's turn is none that was asked for: it begins when the agent says so, and what the agent was given meanwhile waits
//!   behind it (`typed.rs`).
//! * A thread belongs to one conversation of the caller's: a turn with another `boundary` begins a new one, in its turn.
//! * A place is asked for before a process is opened, and given back once, after it is gone.

mod acting;
mod agent;
mod asking;
mod boundary;
mod clear;
mod core;
mod flow;
mod intake;
mod lost;
mod stops;
#[cfg(test)]
mod tests;
mod time;
mod typed;
mod types;

pub use acting::{Act, Acted, AskId, Change, Refused};
pub use core::Machine;
pub use types::{After, Denial, DriverRef, Effect, Input, Job, Policy, Recalled};
