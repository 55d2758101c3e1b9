//! Events, read from the database.

use std::sync::Arc;

use rusqlite::{Connection, Result, params};

use super::kinds::read_kind;
use super::runs::pieces;
use super::value::{moment, unreadable};
use super::{read_sessions, read_turns};
use crate::protocol::{Event, Logged, SessionKey};

// The row that number ?2 is in may begin before it. CROSS JOIN: in the order of the events, one after the other.
const SELECT: &str = "SELECT e.seq, e.at, e.kind, e.text, e.data, e.pieces, t.turn
    FROM events e CROSS JOIN turns t ON t.id = e.turn
    WHERE e.session = ?1 AND e.seq >= coalesce((SELECT max(seq) FROM events WHERE session = ?1 AND seq <= ?2), 0)
    ORDER BY e.seq";

/// A session's events with numbers above `after`, at most `max`.
pub(super) fn events(connection: &Connection, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>> {
    let mut found = Vec::new();
    let Some(session) = read_sessions::id(connection, key)? else { return Ok(found) };
    let mut statement = connection.prepare_cached(SELECT)?;
    let mut rows = statement.query(params![session, i64::try_from(after).unwrap_or(i64::MAX)])?;
    while found.len() < max
        && let Some(row) = rows.next()?
    {
        let (seq, at) = (row.get::<_, i64>(0)? as u64, moment(row.get(1)?));
        let kind = row.get_ref(2)?.as_str().map_err(unreadable)?;
        let text = row.get_ref(3)?.as_str_or_null().map_err(unreadable)?;
        let data = row.get_ref(4)?.as_str_or_null().map_err(unreadable)?;
        let turn = read_turns::turn_id(row, 6)?;
        let mut take = |seq: u64, text: Option<&str>| -> Result<()> {
            if seq > after && found.len() < max {
                found.push(Logged::at(at, Event { seq, turn, kind: read_kind(kind, text, data)? }));
            }
            Ok(())
        };
        match row.get_ref(5)?.as_blob_or_null().map_err(unreadable)? {
            Some(lengths) => {
                for (seq, piece) in (seq..).zip(pieces(text.unwrap_or(""), lengths)?) {
                    take(seq, Some(piece))?;
                }
            }
            None => take(seq, text)?,
        }
    }
    Ok(found)
}
