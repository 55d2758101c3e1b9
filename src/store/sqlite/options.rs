//! The bounds of a store.

use std::time::Duration;

/// The bounds of a store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Sessions that are kept, at least one. Past it the one that was saved longest ago gives way, unnamed ones first; one
    /// that has a turn without an ending stays.
    pub sessions_max: usize,
    /// How long a turn is kept after its end.
    pub keep: Duration,
    /// Bytes that the file may use. Past it turns go, those that ended first before others; sessions stay.
    pub bytes_max: u64,
    /// What another daemon is told that wants the same file: who has it.
    pub holder: String,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            sessions_max: 10_000,
            keep: Duration::from_hours(90 * 24),
            bytes_max: 2 << 30,
            holder: format!("pid {}", std::process::id()),
        }
    }
}
