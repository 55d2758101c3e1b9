//! Whether sessions and turns can be kept.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::Path;

use super::finding::{Finding, State};
use crate::process::is_writable;

/// What every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

pub(super) fn examine(path: Option<&Path>) -> Finding {
    let Some(path) = path else {
        return Finding::new("store", State::Ok, "in memory alone: nothing outlives the daemon (store.ephemeral)");
    };
    let bad = |found: String| Finding::new("store", State::Bad, found);
    let shown = path.display();
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => existing(file, path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match path.ancestors().find(|path| path.is_dir())
        {
            Some(folder) if is_writable(folder) => {
                Finding::new("store", State::Ok, format!("{shown} is not there yet; the daemon makes it"))
            }
            folder => bad(format!("{shown} cannot be made: {} may not be written", folder.unwrap_or(path).display()))
                .todo("Name another file as store.path, or let turnmux keep nothing (--ephemeral)"),
        },
        Err(error) => bad(format!("{shown} cannot be written: {error}"))
            .todo("Give it back to yourself, or name another as store.path"),
    }
}

fn existing(mut file: File, path: &Path) -> Finding {
    let shown = path.display();
    let bytes = file.metadata().map(|file| file.len()).unwrap_or_default();
    let mut head = [0; MAGIC.len()];
    // An empty file is a database that nothing is in yet.
    if bytes > 0 && (file.read_exact(&mut head).is_err() || head != *MAGIC) {
        return Finding::new("store", State::Bad, format!("{shown} is no SQLite database"))
            .todo("Move it away, or name another file as store.path");
    }
    Finding::new("store", State::Ok, format!("{shown}, {:.1} MiB", bytes as f64 / f64::from(1 << 20)))
}
