//! Pieces of a message that follow one another, in one row.

use std::collections::HashMap;
use std::time::SystemTime;

use rusqlite::Result;

use super::kinds::{REASONING_DELTA, TEXT_DELTA};
use super::value::unreadable;
use crate::protocol::{EventKind, Logged, TurnId};

/// Longest text of such a row, in bytes: whoever reads one piece reads the row. A longer piece stands alone.
const RUN_BYTES_MAX: usize = 64 << 10;

/// The rows that are being put together, one for each turn.
#[derive(Debug, Default)]
pub(super) struct Runs {
    by_turn: HashMap<TurnId, Run>,
}

/// Pieces of one turn and one kind, with consecutive numbers.
#[derive(Debug)]
pub(super) struct Run {
    /// The first one's number.
    pub(super) seq: u64,
    /// When the first one came.
    pub(super) at: SystemTime,
    /// The kind's name.
    pub(super) kind: &'static str,
    /// All of them together.
    pub(super) text: String,
    count: u64,
    lengths: Vec<u8>,
}

impl Runs {
    /// Puts an event behind those of its turn before it: a piece of a message joins a run, and is in no other row. Gives the
    /// run that ends before it, if one does.
    pub(super) fn join(&mut self, logged: &Logged) -> Option<Run> {
        let (kind, piece) = match &logged.kind {
            EventKind::TextDelta(piece) => (TEXT_DELTA, piece),
            EventKind::ReasoningDelta(piece) => (REASONING_DELTA, piece),
            _ => return self.by_turn.remove(&logged.turn),
        };
        if let Some(run) = self.by_turn.get_mut(&logged.turn)
            && (run.kind, run.seq + run.count) == (kind, logged.seq)
            && run.text.len() + piece.len() <= RUN_BYTES_MAX
        {
            run.push(piece);
            return None;
        }
        let mut run = Run { seq: logged.seq, at: logged.at, kind, text: String::new(), count: 0, lengths: Vec::new() };
        run.push(piece);
        self.by_turn.insert(logged.turn, run)
    }

    /// All that are left.
    pub(super) fn into_rest(self) -> impl Iterator<Item = (TurnId, Run)> {
        self.by_turn.into_iter()
    }
}

impl Run {
    /// The number of its last piece.
    pub(super) fn last(&self) -> u64 {
        self.seq + self.count - 1
    }

    /// The lengths of its pieces, where there are several.
    pub(super) fn pieces(&self) -> Option<&[u8]> {
        (self.count > 1).then_some(&self.lengths)
    }

    fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.count += 1;
        let mut left = piece.len();
        while left > 0x7f {
            self.lengths.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        self.lengths.push(left as u8);
    }
}

/// The pieces of which a text was put together.
pub(super) fn pieces<'a>(mut text: &'a str, lengths: &[u8]) -> Result<Vec<&'a str>> {
    let mut found = Vec::new();
    let (mut length, mut shift) = (0_usize, 0);
    for byte in lengths {
        if shift > 28 {
            return Err(unreadable("a length of a piece is none"));
        }
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let (piece, rest) = text.split_at_checked(length).ok_or_else(|| unreadable("a piece is too long"))?;
            found.push(piece);
            (text, length, shift) = (rest, 0, 0);
        }
    }
    if text.is_empty() && shift == 0 { Ok(found) } else { Err(unreadable("its pieces are not the whole text")) }
}
