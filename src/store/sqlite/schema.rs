//! The tables, and how an older file gets them.

use rusqlite::{Connection, Result, TransactionBehavior};

/// What makes a file one of turnmux's: `tmux` would be somebody else's, so `trnm`.
const APPLICATION: i32 = 0x7472_6e6d;

/// Each takes a file from the schema before it to its own; the first from nothing. Those that were released never change.
const MIGRATIONS: [&str; 1] = [include_str!("schema/001.sql")];

/// The newest schema.
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it.
    Empty,
    /// It has tables of something else.
    Foreign,
    /// It has our tables of this schema.
    Ours(u32),
}

/// Looks what a file is; changes nothing.
pub(super) fn look(connection: &Connection) -> Result<Found> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(match (application, tables) {
        (APPLICATION, _) => Found::Ours(u32::try_from(version).unwrap_or(u32::MAX)),
        (0, 0) if version == 0 => Found::Empty,
        _ => Found::Foreign,
    })
}

/// Takes a file from that schema to the newest; whatever happens, it has one of the two or one between, whole.
pub(super) fn migrate(connection: &mut Connection, from: u32) -> Result<()> {
    for (version, migration) in (1..).zip(MIGRATIONS).skip(from as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
