//! The cheapest client that can hold a streamed conversation: requests that were written beforehand, one blocking
//! connection, and no parsing until the turn is over. It shares the machine with what it measures.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};
use memchr::memmem;
use serde_json::json;

use super::clock;

/// How long a turn may be silent.
const SILENCE: Duration = Duration::from_mins(1);
/// Room for one read.
const READ_BYTES: usize = 16 << 10;
/// What stands before the text of a piece. Its first one is empty: it says that the turn was accepted.
pub(crate) const CONTENT: &[u8] = b"\"content\":\"";
/// The end of the last chunk, and of the response.
pub(crate) const END: &[u8] = b"\r\n0\r\n\r\n";

/// One connection, for one session.
pub(crate) struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// When a turn's steps were seen, in `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Before the request was written.
    pub(crate) sent_ns: u64,
    /// When the first bytes of text had been read.
    pub(crate) first_ns: u64,
}

/// What the stand-in says of itself with `::stamps`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamps {
    /// When it had read the user line.
    pub(crate) read_ns: u64,
    /// Before it wrote the first delta.
    pub(crate) written_ns: u64,
}

impl Client {
    /// Connects; every turn will say this text in this session.
    pub(crate) fn connect(address: &str, session: &str, text: &str) -> anyhow::Result<Self> {
        Self::with_request(address, request(address, session, text))
    }

    /// Connects; every turn will be this request.
    pub(crate) fn with_request(address: &str, request: Vec<u8>) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE))?;
        Ok(Self { socket, request, answer: Vec::new() })
    }

    /// One turn, to its end.
    ///
    /// # Errors
    /// When it did not end well, with what was answered.
    pub(crate) fn turn(&mut self) -> anyhow::Result<Seen> {
        let seen = self.begin()?;
        self.rest()?;
        if memmem::find(&self.answer, b"data: [DONE]").is_none() {
            bail!("the turn did not end well: {}", self.shown());
        }
        Ok(seen)
    }

    /// A turn up to its first text. The rest is left to [`Client::rest`].
    ///
    /// # Errors
    /// When it has none, with what was answered.
    pub(crate) fn begin(&mut self) -> anyhow::Result<Seen> {
        self.answer.clear();
        let sent_ns = clock::now_ns();
        self.socket.write_all(&self.request)?;
        loop {
            let first_ns = self.read()?;
            if text(&self.answer).is_some() {
                return Ok(Seen { sent_ns, first_ns });
            }
            if self.over() {
                bail!("the turn has no text: {}", self.shown());
            }
        }
    }

    /// The rest of a turn, however it ends.
    pub(crate) fn rest(&mut self) -> anyhow::Result<()> {
        while !self.over() {
            self.read()?;
        }
        Ok(())
    }

    /// All that was answered to the last turn, as it came.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// An error is answered with a length instead of chunks.
    fn over(&self) -> bool {
        self.answer.ends_with(END) || !self.answer.starts_with(b"HTTP/1.1 200 ")
    }

    /// Reads what is there, and says when it was.
    fn read(&mut self) -> anyhow::Result<u64> {
        let at = self.answer.len();
        self.answer.resize(at + READ_BYTES, 0);
        let read = self.socket.read(&mut self.answer[at..]).context("turnmux fell silent")?;
        let now_ns = clock::now_ns();
        self.answer.truncate(at + read);
        if read == 0 {
            bail!("turnmux closed the connection: {}", self.shown());
        }
        Ok(now_ns)
    }

    /// The stamps that the last turn's text begins with.
    pub(crate) fn stamps(&self) -> anyhow::Result<Stamps> {
        let text = text(&self.answer).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        let end = text.find('"').unwrap_or(text.len());
        stamps(&text[..end])
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }
}

/// The request for a streamed turn that says this text in this session.
pub(crate) fn request(address: &str, session: &str, text: &str) -> Vec<u8> {
    let body = json!({"model": "claude-code", "stream": true, "messages": [{"role": "user", "content": text}]});
    let body = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         x-turnmux-session: {session}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

/// Reads what `::stamps` makes the stand-in say.
pub(crate) fn stamps(text: &str) -> anyhow::Result<Stamps> {
    let numbers = text.split_once(' ').and_then(|(read, written)| Some((read.parse().ok()?, written.parse().ok()?)));
    let (read_ns, written_ns) = numbers.with_context(|| format!("the stand-in gave no stamps, but {text:?}"))?;
    Ok(Stamps { read_ns, written_ns })
}

/// The bytes from the first text that is not empty.
pub(crate) fn text(answer: &[u8]) -> Option<&[u8]> {
    let starts = memmem::find_iter(answer, CONTENT).map(|at| &answer[at + CONTENT.len()..]);
    starts.into_iter().find(|text| text.first().is_some_and(|&byte| byte != b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_text_is_the_first_that_is_not_empty() {
        assert_eq!(text(br#"{"delta":{"content":""}}"#), None);
        assert_eq!(text(br#"{"delta":{"content":""}} {"delta":{"content":"1 2"}}"#).unwrap(), br#"1 2"}}"#);
    }

    #[test]
    fn stamps_are_two_numbers() {
        let Stamps { read_ns, written_ns } = stamps("12 34").unwrap();
        assert_eq!((read_ns, written_ns), (12, 34));
        assert!(stamps("You said: hello").is_err());
    }
}
