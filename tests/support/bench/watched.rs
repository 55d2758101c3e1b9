//! A claude that is watched: the real one as a child of this program, which hands on what it and its caller say, and notes
//! when a turn came in, when its first text came out, and when its result did. So a turn can be told apart into what is the
//! agent's and what is that of those in front of it, whoever they are.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use anyhow::Context as _;
use memchr::memmem;
use tempfile::TempDir;

use super::client::Seen;
use super::clock;
use super::tap::Passed;

/// A program that is claude to everybody, and the notes of all its runs.
#[derive(Debug)]
pub(crate) struct Watched {
    folder: TempDir,
}

impl Watched {
    /// Makes one of this claude.
    pub(crate) fn new(claude: &Path) -> anyhow::Result<Self> {
        let watched = Self { folder: tempfile::tempdir().context("cannot make a scratch folder")? };
        let bench = std::env::current_exe()?;
        let claude = claude.canonicalize().context("no claude there")?;
        let script = format!(
            "#!/bin/sh\nexec '{}' --watch '{}' -- '{}' \"$@\"\n",
            bench.display(),
            watched.notes().display(),
            claude.display()
        );
        fs::write(watched.program(), script)?;
        fs::set_permissions(watched.program(), fs::Permissions::from_mode(0o755))?;
        File::create(watched.notes())?;
        Ok(watched)
    }

    /// The program.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("claude")
    }

    /// The agent's part of the last turn that lies between these times.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn turn(&self, from_ns: u64, to_ns: u64) -> anyhow::Result<Passed> {
        let notes = fs::read_to_string(self.notes())?;
        let turns = notes.lines().rev().filter_map(read);
        let mut inside = turns.filter(|turn| turn.seen.sent_ns >= from_ns && turn.ended_ns <= to_ns);
        inside.next().context("claude had no turn meanwhile")
    }

    fn notes(&self) -> PathBuf {
        self.folder.path().join("notes")
    }
}

/// Is claude: runs the program with its arguments, and notes its turns. True when it ended well.
///
/// # Errors
/// When it cannot be started.
#[expect(clippy::disallowed_methods, reason = "the bench is a program of its own, which starts what it measures")]
pub(crate) fn be(notes: &Path, program: &[OsString]) -> anyhow::Result<bool> {
    let (claude, arguments) = program.split_first().context("no program to watch")?;
    let mut notes = File::options().append(true).open(notes)?;
    let mut child = Command::new(claude).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("its stdin is a pipe")?;
    let output = BufReader::new(child.stdout.take().context("its stdout is a pipe")?);
    // A lock, for each way has its thread: when the turn came in that has no result yet.
    let asked = std::sync::Arc::new(Mutex::new(None));
    let came = asked.clone();
    // Its end is the end of claude's input. It ends with the process, wherever it is then.
    thread::Builder::new().spawn(move || {
        lines(io::stdin().lock(), |now_ns, line| {
            if memmem::find(line, b"\"type\":\"user\"").is_some() {
                came.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now_ns);
            }
            input.write_all(line)
        })
    })?;
    let mut first = None;
    let mut out = io::stdout().lock();
    let _ = lines(output, |now_ns, line| {
        if first.is_none() && memmem::find(line, b"\"text_delta\"").is_some() {
            first = Some(now_ns);
        }
        if memmem::find(line, b"\"type\":\"result\"").is_some() {
            let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(asked), Some(first)) = (asked, first.take()) {
                // Before anybody knows that the turn is over, so that it can be read then; and in one piece.
                notes.write_all(format!("{asked} {first} {now_ns}\n").as_bytes())?;
            }
        }
        out.write_all(line)?;
        out.flush()
    });
    Ok(child.wait()?.success())
}

/// Shows each line with the time at which it was there, until the end or an error.
fn lines(mut from: impl BufRead, mut show: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        show(clock::now_ns(), &line)?;
        line.clear();
    }
    Ok(())
}

/// One line of the notes.
fn read(line: &str) -> Option<Passed> {
    let mut times = line.split(' ').map(|time| time.parse().ok());
    let (sent_ns, first_ns, ended_ns) = (times.next()??, times.next()??, times.next()??);
    Some(Passed { seen: Seen { sent_ns, first_ns }, ended_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_the_last_between_two_times() {
        let watched = Watched::new(Path::new("/bin/sh")).unwrap();
        fs::write(watched.notes(), "10 20 30\n40 50 60\n70 80 90\n").unwrap();
        assert_eq!(watched.turn(5, 65).unwrap().ended_ns, 60);
        assert!(watched.turn(41, 89).is_err());
    }
}
