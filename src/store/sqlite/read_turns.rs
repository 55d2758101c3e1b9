//! Turns, read from the database.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params, params_from_iter};

use super::read_sessions;
use super::value::{moment, path_of, unreadable, word};
use crate::protocol::{BackendId, Event, Logged, TenantId, ThreadId, TurnId};
use crate::store::{Rerun, TurnQuery, TurnRecord, Unfinished};

// A turn that retention has begun to delete, by its ended_at, is not there any more.
// The order of turns: by time, and within a session by number. A turn's id ends with its order among those of one moment.
const SELECT: &str =
    "SELECT t.turn, s.tenant, s.agent, s.chat, t.backend, t.status, t.thread, t.accepted_at, t.started_at,
    t.ended_at, t.first_seq, t.last_seq, t.unread, t.id, e.seq, e.at, e.kind, e.text, e.data
    FROM turns t JOIN sessions s ON s.id = t.session LEFT JOIN events e ON e.session = t.session AND e.seq = t.ending";

/// A turn of a tenant.
pub(super) fn turn(connection: &Connection, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE t.turn = ?1 AND t.tenant = ?2 AND t.ended_at IS NOT 0"))?;
    let found = statement.query_row([&turn.to_string(), tenant.as_str()], |row| record(connection, row));
    found.optional()
}

/// The turns that a query means, newest first.
pub(super) fn turns(connection: &Connection, query: &TurnQuery) -> Result<Vec<TurnRecord>> {
    let mut values = vec![Value::from(query.tenant.as_str().to_owned())];
    let mut value = |value: Value| {
        values.push(value);
        values.len()
    };
    // Tags come first where there are any: they leave few turns, so SQLite is to begin with them.
    let (mut from, mut when) = (String::from("turns t"), String::from("t.tenant = ?1 AND t.ended_at IS NOT 0"));
    for (at, (name, tag)) in query.tags.iter().enumerate() {
        let (name, tag) = (value(name.clone().into()), value(tag.clone().into()));
        let also = if at == 0 { String::new() } else { format!("g{at}.turn = g0.turn AND ") };
        when = format!("{also}g{at}.name = ?{name} AND g{at}.value = ?{tag} AND {when}");
    }
    if !query.tags.is_empty() {
        let tags: Vec<_> = (0..query.tags.len()).map(|at| format!("tags g{at}")).collect();
        from = format!("{} CROSS JOIN turns t ON t.id = g0.turn", tags.join(" CROSS JOIN "));
    }
    if let Some(session) = &query.session {
        let Some(id) = read_sessions::id(connection, session)? else { return Ok(Vec::new()) };
        let id = value(id.into());
        when = format!("{when} AND t.session = ?{id}");
    }
    if let Some(before) = query.before {
        let sql = "SELECT accepted_at, first_seq FROM turns WHERE turn = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        // One that is not there is before none.
        if let Some((at, seq)) = statement.query_row([before.to_string()], read).optional()? {
            let (at, seq, turn) = (value(at.into()), value(seq.into()), value(before.to_string().into()));
            when = format!("{when} AND (t.accepted_at, t.first_seq, t.turn) < (?{at}, ?{seq}, ?{turn})");
        }
    }
    let limit = value(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
    let order = "t.accepted_at DESC, t.first_seq DESC, t.turn DESC";
    let sql = format!("SELECT t.id FROM {from} WHERE {when} ORDER BY {order} LIMIT ?{limit}");
    let mut statement = connection.prepare_cached(&sql)?;
    let ids: Vec<i64> = statement.query_map(params_from_iter(values), |row| row.get(0))?.collect::<Result<_>>()?;
    drop(statement);
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE t.id = ?1"))?;
    // One may have gone since.
    let mut load = |id| statement.query_row([id], |row| record(connection, row)).optional().transpose();
    ids.into_iter().filter_map(&mut load).collect()
}

/// The turns that have no ending, in the order in which they were accepted.
pub(super) fn unfinished(connection: &Connection) -> Result<Vec<Unfinished>> {
    let sql = format!("{SELECT} WHERE t.ended_at IS NULL ORDER BY t.accepted_at, t.first_seq, t.turn");
    let mut statement = connection.prepare(&sql)?;
    let read = |row: &Row<'_>| {
        let id: i64 = row.get(13)?;
        let given = connection.query_row("SELECT given FROM turns WHERE id = ?1", [id], |row| row.get(0))?;
        Ok(Unfinished { turn: record(connection, row)?, given, rerun: rerun(connection, id)? })
    };
    statement.query_map((), read)?.collect()
}

/// The turn that has this name, and the digest of its request.
pub(super) fn named(connection: &Connection, tenant: &TenantId, name: &str) -> Result<Option<(TurnId, u64)>> {
    let sql = "SELECT t.turn, n.digest FROM names n JOIN turns t ON t.id = n.turn WHERE n.tenant = ?1 AND n.name = ?2
        AND t.ended_at IS NOT 0";
    let read = |row: &Row<'_>| Ok((turn_id(row, 0)?, row.get::<_, i64>(1)? as u64));
    connection.prepare_cached(sql)?.query_row(params![tenant.as_str(), name], read).optional()
}

/// A turn's id in that column.
pub(super) fn turn_id(row: &Row<'_>, column: usize) -> Result<TurnId> {
    let text = row.get_ref(column)?.as_str().map_err(unreadable)?;
    TurnId::parse(text).ok_or_else(|| unreadable(format!("`{text}` is no turn")))
}

fn record(connection: &Connection, row: &Row<'_>) -> Result<TurnRecord> {
    let text = |column| row.get_ref(column).and_then(|value| value.as_str().map_err(unreadable));
    let at = |column| row.get::<_, Option<i64>>(column).map(|at| at.map(moment));
    let id = turn_id(row, 0)?;
    let ending = match row.get::<_, Option<i64>>(14)? {
        Some(seq) => {
            let said = row.get_ref(17)?.as_str_or_null().map_err(unreadable)?;
            let data = row.get_ref(18)?.as_str_or_null().map_err(unreadable)?;
            let kind = super::kinds::read_kind(text(16)?, said, data)?;
            Some(Logged::at(moment(row.get(15)?), Event { seq: seq as u64, turn: id, kind }))
        }
        None => None,
    };
    let mut tags = connection.prepare_cached("SELECT name, value FROM tags WHERE turn = ?1")?;
    let tags = tags.query_map([row.get::<_, i64>(13)?], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(TurnRecord {
        id,
        session: read_sessions::key(row, 1)?,
        backend: BackendId::new(text(4)?),
        status: word(text(5)?)?,
        thread: ThreadId::parse(text(6)?).map_err(unreadable)?,
        accepted_at: moment(row.get(7)?),
        started_at: at(8)?,
        ended_at: at(9)?,
        first_seq: row.get::<_, i64>(10)? as u64,
        last_seq: row.get::<_, Option<i64>>(11)?.map(|seq| seq as u64),
        tags: tags.collect::<Result<_>>()?,
        is_unread: row.get(12)?,
        ending,
    })
}

fn rerun(connection: &Connection, turn: i64) -> Result<Option<Rerun>> {
    let mut statement = connection.prepare_cached("SELECT request, directory FROM reruns WHERE turn = ?1")?;
    let read = |row: &Row<'_>| {
        let request = row.get_ref(0)?.as_str().map_err(unreadable)?;
        Ok(Rerun { request: serde_json::from_str(request).map_err(unreadable)?, directory: path_of(row.get_ref(1)?)? })
    };
    statement.query_row([turn], read).optional()
}
