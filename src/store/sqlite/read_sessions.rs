//! Sessions, read from the database.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::value::{path_of, unreadable};
use crate::protocol::{BackendId, Overrides, SessionKey, TenantId, ThreadId, TurnId};
use crate::store::SessionRecord;

const SELECT: &str =
    "SELECT tenant, agent, chat, backend, driver, thread, directory, instructions, generation, boundary, seq,
    reserved, turns, answered, model, permission, allowed, closed, named, first_turn FROM sessions";

/// What is kept of a session.
pub(super) fn session(connection: &Connection, key: &SessionKey) -> Result<Option<SessionRecord>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE tenant = ?1 AND agent = ?2 AND chat = ?3"))?;
    statement.query_row(params![key.tenant().as_str(), key.agent(), key.chat().unwrap_or("")], record).optional()
}

/// A tenant's sessions.
pub(super) fn sessions(connection: &Connection, tenant: &TenantId) -> Result<Vec<SessionRecord>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE tenant = ?1"))?;
    statement.query_map([tenant.as_str()], record)?.collect()
}

/// Other tenants' sessions that have this thread.
pub(super) fn others_with(connection: &Connection, tenant: &TenantId, thread: &ThreadId) -> Result<Vec<SessionKey>> {
    let sql = "SELECT tenant, agent, chat FROM sessions WHERE thread = ?1 AND tenant <> ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([thread.as_str(), tenant.as_str()], |row| key(row, 0))?.collect()
}

/// Which row a session is.
pub(super) fn id(connection: &Connection, key: &SessionKey) -> Result<Option<i64>> {
    let sql = "SELECT id FROM sessions WHERE tenant = ?1 AND agent = ?2 AND chat = ?3";
    let values = params![key.tenant().as_str(), key.agent(), key.chat().unwrap_or("")];
    connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

/// A key: three columns from this one on.
pub(super) fn key(row: &Row<'_>, at: usize) -> Result<SessionKey> {
    let text = |column| row.get_ref(column).and_then(|value| value.as_str().map_err(unreadable));
    let tenant = TenantId::new(text(at)?).map_err(unreadable)?;
    let chat = Some(text(at + 2)?).filter(|chat| !chat.is_empty());
    SessionKey::new(tenant, Some(text(at + 1)?), chat).map_err(unreadable)
}

fn record(row: &Row<'_>) -> Result<SessionRecord> {
    let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
    let text = |column| row.get::<_, String>(column);
    let thread: Option<String> = row.get(5)?;
    let permission: Option<String> = row.get(15)?;
    let first_turn: Option<String> = row.get(19)?;
    let first_turn = first_turn.map(|turn| TurnId::parse(&turn).ok_or_else(|| unreadable("its first turn is none")));
    Ok(SessionRecord {
        key: key(row, 0)?,
        backend: BackendId::new(&text(3)?),
        driver: text(4)?,
        thread: thread.map(|thread| ThreadId::parse(&thread)).transpose().map_err(unreadable)?,
        directory: path_of(row.get_ref(6)?)?,
        instructions: row.get(7)?,
        generation: number(8)?,
        boundary: row.get::<_, Option<i64>>(9)?.map(|boundary| boundary as u64),
        seq: number(10)?,
        reserved: number(11)?,
        turns: number(12)?,
        answered: row.get(13)?,
        first_turn: first_turn.transpose()?,
        overrides: Overrides {
            model: row.get(14)?,
            permission: permission.map(|permission| permission.parse()).transpose().map_err(unreadable)?,
        },
        allowed: serde_json::from_str(&text(16)?).map_err(unreadable)?,
        closed: row.get(17)?,
        unnamed: !row.get::<_, bool>(18)?,
    })
}
