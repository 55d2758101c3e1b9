//! Sessions: one task each, which owns the queue, the attached thread and the readers.

mod actor;
mod capacity;
mod delivery;
pub mod machine;
mod preface;
mod registry;
#[cfg(test)]
mod tests;

pub use capacity::{Capacity, Place};
pub use delivery::{EventReader, READER_MAX};
pub use machine::{Act, Acted, Denial, Job, Policy, Refused};
pub use registry::{Accepted, Interrupted, Registry, RegistryConfig, SessionView, Status, Submitted};
