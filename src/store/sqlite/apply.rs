//! Writes, as statements of one transaction.
//!
//! Nothing in here fails because of what was written before, such as a turn of a session that is gone: a transaction that can
//! never succeed would keep out all after it.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::kinds::KindRow;
use super::queue::Batch;
use super::runs::{Run, Runs};
use super::value::{millis, path_value};
use super::words::Word as _;
use crate::protocol::{EventKind, Logged, SessionKey, ThreadId, TurnId};
use crate::store::{AcceptedTurn, SessionRecord, TurnStatus, Write};

/// What the writer knows of all sessions. It holds once the transaction is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// How many there are.
    pub(super) sessions: usize,
    /// When the last one was saved, in milliseconds since 1970.
    pub(super) saved_at: i64,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Apply<'a> {
    connection: &'a Connection,
    sessions_max: usize,
    standing: Standing,
    runs: Runs,
    /// Turns that this transaction gives to an agent, but for those that it has accepted as given.
    given: HashSet<TurnId>,
    /// Turns that were looked up, with the numbers of their last events so far.
    turns: HashMap<TurnId, Option<TurnRow>>,
    /// Named sessions that gave way.
    lost: Vec<SessionKey>,
}

#[derive(Debug, Clone, Copy)]
struct TurnRow {
    id: i64,
    session: i64,
    last: Option<u64>,
}

impl Standing {
    /// As the file has it.
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        let sql = "SELECT count(*), coalesce(max(saved_at), 0) FROM sessions";
        connection
            .query_row(sql, (), |row| Ok(Self { sessions: row.get::<_, i64>(0)? as usize, saved_at: row.get(1)? }))
    }
}

impl<'a> Apply<'a> {
    /// Nothing yet, within a transaction of that connection.
    pub(super) fn new(connection: &'a Connection, sessions_max: usize, standing: Standing) -> Self {
        let (runs, given, turns, lost) = (Runs::default(), HashSet::new(), HashMap::new(), Vec::new());
        Self { connection, sessions_max, standing, runs, given, turns, lost }
    }

    /// Writes all of it; gives what holds then, and which named sessions gave way.
    pub(super) fn all(mut self, group: &[Batch]) -> Result<(Standing, Vec<SessionKey>)> {
        let writes = || group.iter().flat_map(|batch| &batch.writes);
        self.given.extend(writes().filter_map(given));
        for write in writes() {
            match write {
                Write::Session(record) => self.save(record)?,
                Write::Forget(key) => self.forget(key)?,
                Write::Accepted(accepted) => self.accept(accepted)?,
                Write::Given(turn) if self.given.contains(turn) => self.give(*turn)?,
                Write::Given(_) => {}
                Write::Event(logged) => self.event(logged)?,
                Write::Unread(turn) => {
                    let sql = "UPDATE turns SET unread = 1 WHERE turn = ?1";
                    self.execute(sql, params![turn.to_string()])?;
                }
            }
        }
        for (turn, run) in std::mem::take(&mut self.runs).into_rest() {
            self.insert_run(turn, &run)?;
        }
        for turn in self.turns.values().flatten() {
            if let Some(last) = turn.last {
                self.execute("UPDATE turns SET last_seq = ?2 WHERE id = ?1", params![turn.id, last as i64])?;
            }
        }
        Ok((self.standing, self.lost))
    }

    fn save(&mut self, record: &SessionRecord) -> Result<()> {
        self.standing.saved_at = millis(SystemTime::now()).max(self.standing.saved_at + 1);
        // Most are there already.
        if self.put(UPDATE_SESSION, record)? > 0 {
            return Ok(());
        }
        while self.standing.sessions >= self.sessions_max && self.make_room()? {}
        self.put(INSERT_SESSION, record)?;
        self.standing.sessions += 1;
        Ok(())
    }

    fn put(&self, sql: &str, record: &SessionRecord) -> Result<usize> {
        // A list of texts cannot fail to be written.
        let allowed = serde_json::to_string(&record.allowed).unwrap_or_else(|_| "[]".to_owned());
        let values = params![
            record.key.tenant().as_str(),
            record.key.agent(),
            record.key.chat().unwrap_or(""),
            record.backend.as_str(),
            record.driver,
            record.thread.as_ref().map(ThreadId::as_str),
            path_value(&record.directory),
            record.instructions,
            record.generation as i64,
            record.boundary.map(|boundary| boundary as i64),
            record.seq as i64,
            record.reserved as i64,
            record.turns as i64,
            record.answered,
            record.overrides.model,
            record.overrides.permission.map(|permission| permission.to_string()),
            allowed,
            record.closed,
            !record.unnamed,
            self.standing.saved_at,
            record.first_turn.map(|turn| turn.to_string()),
        ];
        self.execute(sql, values)
    }

    /// Forgets the session whose turn it is; none when all have turns without an ending.
    fn make_room(&mut self) -> Result<bool> {
        let sql = "SELECT id, named, tenant, agent, chat FROM sessions s
             WHERE NOT EXISTS (SELECT 1 FROM turns t WHERE t.session = s.id AND t.ended_at IS NULL)
             ORDER BY named, saved_at LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, super::read_sessions::key(row, 2)?))
        };
        let Some((id, named, key)) = self.connection.prepare_cached(sql)?.query_row((), read).optional()? else {
            return Ok(false);
        };
        self.forget_row(id)?;
        if named {
            self.lost.push(key);
        }
        Ok(true)
    }

    fn forget(&mut self, key: &SessionKey) -> Result<()> {
        match super::read_sessions::id(self.connection, key)? {
            Some(id) => self.forget_row(id),
            None => Ok(()),
        }
    }

    fn forget_row(&mut self, id: i64) -> Result<()> {
        // All that belongs to it goes with it.
        self.standing.sessions -= self.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
        self.turns.retain(|_, turn| turn.is_none_or(|turn| turn.session != id));
        Ok(())
    }

    fn accept(&mut self, accepted: &AcceptedTurn) -> Result<()> {
        let AcceptedTurn { turn, name, rerun } = accepted;
        let Some(session) = super::read_sessions::id(self.connection, &turn.session)? else {
            tracing::warn!(turn = %turn.id, session = %turn.session, "a turn is not kept: its session is gone");
            return Ok(());
        };
        let is_given = self.given.contains(&turn.id);
        let values = params![
            turn.id.to_string(),
            session,
            turn.session.tenant().as_str(),
            turn.backend.as_str(),
            turn.status.word(),
            turn.thread.as_str(),
            millis(turn.accepted_at),
            turn.started_at.map(millis),
            turn.ended_at.map(millis),
            turn.first_seq as i64,
            turn.last_seq.map(|seq| seq as i64),
            turn.is_unread,
            is_given,
        ];
        if self.execute(INSERT_TURN, values)? == 0 {
            return Ok(());
        }
        let id = self.connection.last_insert_rowid();
        self.turns.insert(turn.id, Some(TurnRow { id, session, last: None }));
        self.given.remove(&turn.id);
        for (name, value) in &turn.tags {
            self.execute("INSERT INTO tags (turn, name, value) VALUES (?1, ?2, ?3)", params![id, name, value])?;
        }
        if let Some(name) = name {
            let sql = "INSERT OR REPLACE INTO names (tenant, name, turn, digest) VALUES (?1, ?2, ?3, ?4)";
            self.execute(sql, params![turn.session.tenant().as_str(), name.key, id, name.digest as i64])?;
        }
        if let Some(rerun) = rerun
            && !is_given
        {
            match serde_json::to_string(&rerun.request) {
                Ok(request) => {
                    let sql = "INSERT INTO reruns (turn, request, directory) VALUES (?1, ?2, ?3)";
                    self.execute(sql, params![id, request, path_value(&rerun.directory)])?;
                }
                // A path in it is not UTF-8.
                Err(error) => tracing::warn!(turn = %turn.id, %error, "a turn would not run after a restart"),
            }
        }
        Ok(())
    }

    fn give(&mut self, turn: TurnId) -> Result<()> {
        let Some(TurnRow { id, .. }) = self.turn(turn)? else { return Ok(()) };
        self.execute("UPDATE turns SET given = 1 WHERE id = ?1", [id])?;
        self.execute("DELETE FROM reruns WHERE turn = ?1", [id])?;
        Ok(())
    }

    fn event(&mut self, logged: &Logged) -> Result<()> {
        if let Some(run) = self.runs.join(logged) {
            self.insert_run(logged.turn, &run)?;
        }
        if logged.kind.is_delta() {
            return Ok(());
        }
        let row = KindRow::of(&logged.kind);
        let Some(turn) = self.reach(logged.turn, logged.seq)? else { return Ok(()) };
        let (seq, at) = (logged.seq as i64, millis(logged.at));
        self.execute(
            INSERT_EVENT,
            params![turn.session, seq, turn.id, at, row.kind, row.text, row.data, None::<&[u8]>],
        )?;
        match &logged.kind {
            EventKind::Started { thread } => {
                let sql = "UPDATE turns SET status = ?2, thread = ?3, started_at = ?4 WHERE id = ?1";
                self.execute(sql, params![turn.id, TurnStatus::InProgress.word(), thread.as_str(), at])?;
            }
            EventKind::ToolUse { id, name, .. } => {
                let sql =
                    "INSERT OR REPLACE INTO tool_calls (turn, call, name, asked, asked_at) VALUES (?1, ?2, ?3, ?4, ?5)";
                self.execute(sql, params![turn.id, id, name, seq, at])?;
            }
            EventKind::ToolResult { id, is_error, .. } => {
                let sql = "UPDATE tool_calls SET answered = ?3, answered_at = ?4, is_error = ?5 WHERE turn = ?1 AND call = ?2";
                self.execute(sql, params![turn.id, id, seq, at, is_error])?;
            }
            EventKind::Ended(ending) => {
                let status = TurnStatus::of(ending);
                let sql = "UPDATE turns SET status = ?2, ended_at = ?3, ending = ?4 WHERE id = ?1";
                self.execute(sql, params![turn.id, status.word(), at, seq])?;
                self.execute("DELETE FROM reruns WHERE turn = ?1", [turn.id])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn insert_run(&mut self, turn: TurnId, run: &Run) -> Result<()> {
        let Some(turn) = self.reach(turn, run.last())? else { return Ok(()) };
        let (seq, at) = (run.seq as i64, millis(run.at));
        self.execute(
            INSERT_EVENT,
            params![turn.session, seq, turn.id, at, run.kind, run.text, None::<&str>, run.pieces()],
        )?;
        Ok(())
    }

    /// A turn whose last event has this number.
    fn reach(&mut self, turn: TurnId, seq: u64) -> Result<Option<TurnRow>> {
        let row = self.turn(turn)?;
        if row.is_none() {
            tracing::debug!(%turn, seq, "an event is not kept: its turn is gone");
        }
        if let Some(Some(row)) = self.turns.get_mut(&turn) {
            row.last = Some(seq);
        }
        Ok(row)
    }

    fn turn(&mut self, turn: TurnId) -> Result<Option<TurnRow>> {
        if let Some(row) = self.turns.get(&turn) {
            return Ok(*row);
        }
        let mut statement = self.connection.prepare_cached("SELECT id, session FROM turns WHERE turn = ?1")?;
        let read = |row: &rusqlite::Row<'_>| Ok(TurnRow { id: row.get(0)?, session: row.get(1)?, last: None });
        let row = statement.query_row([turn.to_string()], read).optional()?;
        self.turns.insert(turn, row);
        Ok(row)
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }
}

/// The turn of which a write says that an agent is given it.
fn given(write: &Write) -> Option<TurnId> {
    #[cfg(feature = "broken")]
    if crate::broken::has(crate::broken::Fault::RerunLost) {
        return None;
    }
    match write {
        Write::Given(turn) => Some(*turn),
        _ => None,
    }
}

const INSERT_SESSION: &str =
    "INSERT INTO sessions (tenant, agent, chat, backend, driver, thread, directory, instructions,
    generation, boundary, seq, reserved, turns, answered, model, permission, allowed, closed, named, saved_at,
    first_turn)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";

const UPDATE_SESSION: &str = "UPDATE sessions SET backend = ?4, driver = ?5, thread = ?6, directory = ?7, instructions = ?8,
    generation = ?9, boundary = ?10, seq = ?11, reserved = ?12, turns = ?13, answered = ?14, model = ?15, permission = ?16,
    allowed = ?17, closed = ?18, named = ?19, saved_at = ?20, first_turn = ?21
    WHERE tenant = ?1 AND agent = ?2 AND chat = ?3";

// A turn is accepted once, and a number is given once; should that not be so, the first stays and nothing fails.
const INSERT_TURN: &str =
    "INSERT OR IGNORE INTO turns (turn, session, tenant, backend, status, thread, accepted_at, started_at,
    ended_at, first_seq, last_seq, unread, given) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

const INSERT_EVENT: &str = "INSERT OR IGNORE INTO events (session, seq, turn, at, kind, text, data, pieces)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
