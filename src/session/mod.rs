//! Sessions: one task each, which owns the queue, the attached thread and the readers; and a journal of what happens in them.

mod actor;
mod capacity;
mod compose;
mod delivery;
mod journal;
pub mod machine;
mod names;
mod observer;
mod outbox;
mod pool;
mod preface;
mod recall;
mod registry;
mod submission;
#[cfg(test)]
mod tests;
mod writes;

pub use capacity::{Capacity, Place};
pub use compose::Composer;
pub use delivery::{EventReader, READER_MAX};
pub use journal::{Journal, WatchError};
pub use machine::{Act, Acted, Change, Denial, Job, Policy, Refused};
pub use observer::{Observer, Seen};
// What a registry gives to whoever attaches to a terminal.
pub use crate::driver::{Hands, NotSeated, Picture, VIEWERS_MAX, Viewer};
pub use registry::{Accepted, Interrupted, Registry, RegistryConfig, Restarted, SessionView, Status, Submitted};
