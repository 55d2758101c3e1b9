//! What lasts: sessions, turns and events behind a port; in a database, or in memory.

mod memory;
mod port;
mod session;
mod sqlite;
#[cfg(test)]
mod tests;
mod turn;

pub use memory::MemoryStore;
pub use port::{AcceptedTurn, EventStore, Rerun, StoreError, StoreProgress, TurnQuery, Unfinished, Write};
pub use session::SessionRecord;
pub use sqlite::{OpenError, SqliteOptions, SqliteStore};
pub use turn::{TurnRecord, TurnStatus};
