//! A bounded line reader for what agents print: many small lines, and now and then one of megabytes.
//!
//! A line over the limit is an error where every line counts, and is skipped where only some are looked for.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line that is taken unless told otherwise: 64 MiB. A message with some images in base64 has 20.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Room for one read: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;
/// After a line longer than this its memory is given back.
const LARGE_LINE_BYTES: usize = 4 * READ_BYTES;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line without its end (`\n` or `\r\n`). It shares memory with its neighbours: a line that is to be kept for
    /// long is better copied.
    pub bytes: Bytes,
    /// False if the input ended in the middle of it.
    pub is_complete: bool,
}

/// Why there are no more lines.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line is longer than the reader takes. Where the next one begins is not known, so this is the end.
    #[error("a line of more than {limit} bytes was received: raise the limit, or see what the program prints")]
    TooLong {
        /// In bytes, without the line's end.
        limit: usize,
    },
    /// The source failed.
    #[error("reading failed: {0}")]
    Read(#[from] std::io::Error),
}

/// Splits a source into lines, up to a limit for each. Memory: up to twice the longest line, given back after it.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    /// What was read and not given out. No line end lies in the first `scanned` bytes.
    buffer: BytesMut,
    scanned: usize,
    limit: usize,
    state: State,
    /// Whether lines that are too long are left out.
    skips: bool,
    /// What a line begins with that may be left out where others may not.
    spared: Option<&'static [u8]>,
    /// Whether the buffer begins inside of one.
    is_skipping: bool,
    skipped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Overlong,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// With the usual limit, [`LINE_BYTES_MAX`].
    pub fn new(source: R) -> Self {
        Self::with_limit(source, LINE_BYTES_MAX)
    }

    /// With a limit in bytes, the line's end not counted.
    pub fn with_limit(source: R, limit: usize) -> Self {
        Self {
            source,
            buffer: BytesMut::new(),
            scanned: 0,
            limit,
            state: State::Open,
            skips: false,
            spared: None,
            is_skipping: false,
            skipped: 0,
        }
    }

    /// With a limit in bytes, and without the lines that are longer: they are left out and counted.
    pub fn skipping(source: R, limit: usize) -> Self {
        Self { skips: true, ..Self::with_limit(source, limit) }
    }

    /// Lines that begin so are left out when they are too long, whatever becomes of others.
    #[must_use]
    pub fn sparing(self, beginning: &'static [u8]) -> Self {
        Self { spared: Some(beginning), ..self }
    }

    /// How many lines were left out so far, the one that is just being read included.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next line; none after the last. After [`LineError::TooLong`], which a reader that skips never gives, there
    /// is only that. Cancel-safe: what was read stays in the reader.
    pub async fn next(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            if let Some(line) = self.take() {
                return Ok(Some(line));
            }
            match self.state {
                State::Overlong => return Err(LineError::TooLong { limit: self.limit }),
                State::Ended => return Ok(None),
                State::Open => {}
            }
            self.buffer.reserve(READ_BYTES);
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                self.state = State::Ended;
            }
        }
    }

    /// The next line, if it has been read.
    fn take(&mut self) -> Option<Line> {
        while self.state != State::Overlong {
            let line = match memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
                Some(found) => self.split(self.scanned + found, 1),
                None if self.state == State::Ended && !self.buffer.is_empty() => self.split(self.buffer.len(), 0),
                None => {
                    self.keep();
                    return None;
                }
            };
            if std::mem::take(&mut self.is_skipping) {
                // That was the rest of it.
            } else if line.bytes.len() > self.limit {
                let skips = self.may_skip(&line.bytes);
                self.refuse(skips);
            } else {
                return Some(line);
            }
        }
        None
    }

    /// Takes out what ends at `end`, where `separator` bytes follow that belong to nobody.
    fn split(&mut self, end: usize, separator: usize) -> Line {
        let mut line = self.buffer.split_to(end + separator);
        self.scanned = 0;
        line.truncate(end);
        let is_complete = separator > 0;
        if is_complete && line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        if end > LARGE_LINE_BYTES {
            // The rest lies at the end of the line's large block: moved out, the block goes when the line does.
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        Line { bytes: line.freeze(), is_complete }
    }

    /// Keeps the beginning of a line, unless it is too long already or belongs to one that was.
    fn keep(&mut self) {
        self.scanned = self.buffer.len();
        if self.is_skipping {
            self.forget();
        } else if self.buffer.len() > self.limit + 1 {
            // One more than the limit may be the `\r` of the line's end.
            self.is_skipping = self.may_skip(&self.buffer);
            self.forget();
            self.refuse(self.is_skipping);
        }
    }

    fn may_skip(&self, line: &[u8]) -> bool {
        self.skips || self.spared.is_some_and(|beginning| line.starts_with(beginning))
    }

    fn refuse(&mut self, skips: bool) {
        if skips {
            self.skipped += 1;
        } else {
            self.state = State::Overlong;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.buffer = BytesMut::new();
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests;
