//! What lasts: session records behind a port, in memory for now.

mod memory;
mod port;

pub use memory::MemoryStore;
pub use port::{SessionRecord, SessionStore};
