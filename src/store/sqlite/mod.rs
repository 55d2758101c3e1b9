//! The store in an SQLite file.
//!
//! ```text
//!  write() ──► queue ──► writer thread ──► one transaction for all that waits ──► progress
//!     │          │            └─ retention, in small steps between transactions
//!     │          └─ pending sessions ─┐
//!  reads ──► two read-only connections┴─► what was written, kept yet or not
//! ```
//! Only the writer thread writes, and only [`SqliteStore::open`] and the reads touch the disk on a thread of the caller's. A
//! transaction that fails is tried again as it was, so nothing is lost or changes its place while the disk is in trouble.

mod apply;
mod check;
mod connection;
mod error;
mod kinds;
mod lock;
mod open;
mod options;
mod queue;
mod read_events;
mod read_sessions;
mod read_turns;
mod retention;
mod runs;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod trouble;
mod value;
mod words;
mod writer;

pub use error::OpenError;
pub use options::SqliteOptions;
pub use store::SqliteStore;
