//! What claude writes down, as it comes: its log, and its transcript.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Host, Over};
use crate::driver::claude_channel::transcript::{Entry, Tail};
use crate::process::FileWatch;
use crate::protocol::{ErrorKind, TurnError};

/// Read of the transcript at once, in bytes.
const TRANSCRIPT_BYTES: usize = 256 << 10;

/// claude's own record of the conversation, read from where it stood when the first turn began.
pub(super) struct Transcript {
    path: PathBuf,
    watch: FileWatch,
    tail: Tail,
}

impl Host<'_> {
    /// A line of claude's log.
    pub(super) fn log_line(&mut self, line: &[u8]) -> Option<Over> {
        if memchr::memmem::find(line, b"[onCancel]").is_some() {
            self.exchange.cancelled(std::time::Instant::now());
            return None;
        }
        let notice = memchr::memmem::find(line, b"Channel notifications ")?;
        let said = String::from_utf8_lossy(line.get(notice..)?).into_owned();
        if !self.exchange.ready() && memchr::memmem::find(line, b"turnmux").is_some() {
            if said.starts_with("Channel notifications registered") {
                self.exchange.registered();
            } else if let Some((_, reason)) = said.split_once("skipped: ") {
                return Some(Over::Unavailable(self.unavailable(reason.trim())));
            }
        }
        None
    }

    fn unavailable(&self, reason: &str) -> TurnError {
        let message = format!(
            "{}: claude has no channels here ({reason}). They are switched on by the account's service, and off by \
             CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC; `driver = \"claude-stream\"` needs none, and `driver = \"claude\"` takes \
             channels where there are some",
            self.name
        );
        TurnError::new(ErrorKind::StartFailed, message)
    }

    /// The conversation is written there.
    pub(super) fn follow_transcript(&mut self, path: &Path) {
        // Somebody with the keyboard may have begun another conversation.
        if self.transcript.as_ref().is_none_or(|transcript| transcript.path != path) {
            self.transcript = Transcript::open(path);
        }
    }

    /// Tells the exchange what was added to the transcript.
    pub(super) fn read_transcript(&mut self) {
        let now = std::time::Instant::now();
        if let Some(transcript) = &mut self.transcript {
            for entry in transcript.read() {
                self.exchange.entry(now, entry);
            }
        }
    }
}

impl Transcript {
    fn open(path: &Path) -> Option<Self> {
        let watch =
            FileWatch::new(path).map_err(|error| tracing::warn!(%error, "claude's transcript cannot be watched"));
        // What stands there already is of earlier turns.
        let at = std::fs::metadata(path).map_or(0, |found| found.len());
        Some(Self { path: path.to_owned(), watch: watch.ok()?, tail: Tail::from(at) })
    }

    /// Lines that could not be read.
    pub(super) fn skipped(&self) -> u64 {
        self.tail.malformed() + self.tail.overlong()
    }

    /// What was added. Bounded by what the tail keeps of a line.
    fn read(&mut self) -> Vec<Entry> {
        let mut found = Vec::new();
        let Ok(mut file) = File::open(&self.path) else { return found };
        if file.seek(SeekFrom::Start(self.tail.offset())).is_err() {
            return found;
        }
        let mut buffer = vec![0; TRANSCRIPT_BYTES];
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            found.extend(self.tail.feed(buffer.get(..count).unwrap_or_default()));
        }
        found
    }
}

/// Returns when the transcript has changed; never without one.
pub(super) async fn changed(transcript: Option<&mut Transcript>) {
    let watched = match transcript {
        Some(transcript) => transcript.watch.changed().await,
        None => std::future::pending().await,
    };
    if watched.is_err() {
        std::future::pending::<()>().await;
    }
}
