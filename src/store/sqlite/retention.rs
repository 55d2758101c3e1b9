//! What is old goes, and so does what is too much; a little at a time, for whoever writes waits meanwhile.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Result, TransactionBehavior, params};

use super::options::SqliteOptions;
use super::value::millis;

/// Most events that go in one step: some milliseconds.
const STEP_ROWS: usize = 500;
/// Most pages that are given back to the disk in one step.
const STEP_PAGES: i64 = 256;

/// When a turn ended of which a part is deleted already.
const GOING: i64 = 0;

/// One round of it.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Turns that ended before this moment go.
    before: i64,
    bytes_max: u64,
    /// All that is to go is gone, and what it took is given back.
    gives_back: bool,
}

impl Sweep {
    /// A round at that time.
    pub(super) fn new(options: &SqliteOptions, now: SystemTime) -> Self {
        let keep = i64::try_from(options.keep.as_millis()).unwrap_or(i64::MAX);
        Self { before: millis(now).saturating_sub(keep), bytes_max: options.bytes_max, gives_back: false }
    }

    /// Goes on a little; whether anything is left to do.
    pub(super) fn step(&mut self, connection: &mut Connection) -> Result<bool> {
        if self.gives_back {
            return give_back(connection);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut left = STEP_ROWS;
        while left > 0 {
            let Some(turn) = self.next(&transaction)? else {
                self.gives_back = true;
                break;
            };
            let gone = turn.shrink(&transaction, left)?;
            if gone < left {
                // All of its events are gone; the rest goes with it.
                transaction.prepare_cached("DELETE FROM turns WHERE id = ?1")?.execute([turn.id])?;
            }
            left = left.saturating_sub(gone + 1);
        }
        transaction.commit()?;
        Ok(true)
    }

    /// The turn that is to go next, if one is.
    fn next(&self, connection: &Connection) -> Result<Option<Ended>> {
        let sql = "SELECT id, session, first_seq, last_seq, ended_at FROM turns WHERE ended_at IS NOT NULL
            ORDER BY ended_at LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            let turn = Ended { id: row.get(0)?, session: row.get(1)?, first: row.get(2)?, last: row.get(3)? };
            Ok((turn, row.get::<_, i64>(4)?))
        };
        let oldest = connection.prepare_cached(sql)?.query_row((), read).optional()?;
        let Some((turn, ended)) = oldest else { return Ok(None) };
        if ended == GOING {
            return Ok(Some(turn));
        }
        if ended >= self.before && used_bytes(connection)? <= self.bytes_max {
            return Ok(None);
        }
        // From here on it is not read any more, and goes to its end even if the daemon does not get that far.
        let sql = "UPDATE turns SET ended_at = ?2 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute([turn.id, GOING])?;
        Ok(Some(turn))
    }
}

/// A turn that has ended.
#[derive(Debug)]
struct Ended {
    id: i64,
    session: i64,
    first: i64,
    last: Option<i64>,
}

impl Ended {
    /// Deletes that many of its events, oldest first: its ending stays longest.
    fn shrink(&self, connection: &Connection, max: usize) -> Result<usize> {
        let sql = "DELETE FROM events WHERE session = ?1 AND seq IN (
            SELECT seq FROM events WHERE session = ?1 AND seq BETWEEN ?2 AND ?3 AND turn = ?4 ORDER BY seq LIMIT ?5)";
        let last = self.last.unwrap_or(self.first);
        connection.prepare_cached(sql)?.execute(params![self.session, self.first, last, self.id, max as i64])
    }
}

/// How often a round begins, at most.
pub(super) const EVERY: Duration = Duration::from_mins(1);

fn used_bytes(connection: &Connection) -> Result<u64> {
    let pages = number(connection, "PRAGMA page_count")? - number(connection, "PRAGMA freelist_count")?;
    Ok((pages * number(connection, "PRAGMA page_size")?) as u64)
}

/// Gives free pages back to the disk; whether more are left.
fn give_back(connection: &Connection) -> Result<bool> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
    // It does a page for each row that is asked for.
    let mut pages = statement.query(())?;
    while pages.next()?.is_some() {}
    Ok(number(connection, "PRAGMA freelist_count")? > 0)
}

fn number(connection: &Connection, pragma: &str) -> Result<i64> {
    connection.prepare_cached(pragma)?.query_row((), |row| row.get(0))
}
