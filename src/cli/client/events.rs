//! Server-sent events, as they come.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{HeaderMap, Response};

use super::ClientError;

/// Largest event, in bytes: an agent's line may have 64 MiB (`limits.line_bytes`), and is escaped again.
const EVENT_MAX: usize = 256 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its number, where it has one.
    pub id: Option<u64>,
    /// Its type; empty where it says none, as in a chat.
    pub name: String,
    /// What it says: JSON, or `[DONE]`.
    pub data: String,
}

/// A stream of events. Dropped, its connection closes.
#[derive(Debug)]
pub struct Events {
    headers: HeaderMap,
    body: Incoming,
    address: String,
    parser: Parser,
}

impl Events {
    pub(super) fn new(response: Response<Incoming>, address: String) -> Self {
        let (parts, body) = response.into_parts();
        Self { headers: parts.headers, body, address, parser: Parser::default() }
    }

    /// The answer's headers, `x-turnmux-turn` among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header as text; none where there is none.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The last number that the stream gave, with an event or by itself: what follows it was not seen.
    pub fn last_id(&self) -> Option<u64> {
        self.parser.last_id
    }

    /// The next event; none at the stream's proper end. Heartbeats are passed over. May be dropped while it waits and called
    /// again: nothing is lost.
    ///
    /// # Errors
    /// The daemon went away, or sends what is no event.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.parser.next().map_err(|problem| self.unreadable(problem))? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.parser.take(&bytes);
                    }
                }
                Some(Err(error)) => {
                    return Err(ClientError::Closed { address: self.address.clone(), reason: error.to_string() });
                }
            }
        }
    }

    fn unreadable(&self, problem: &str) -> ClientError {
        ClientError::Unreadable { address: self.address.clone(), problem: problem.to_owned() }
    }
}

/// Cuts bytes into lines, and makes events of these.
#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
    /// Where the next line begins.
    begin: usize,
    /// Up to where no line's end was found.
    searched: usize,
    event: Event,
    last_id: Option<u64>,
    /// The event has data, though that may be empty.
    has_data: bool,
}

impl Parser {
    fn take(&mut self, bytes: &Bytes) {
        // What was read is cut off when the rest is asked for, once for many lines.
        self.buffer.drain(..self.begin);
        self.searched -= self.begin;
        self.begin = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event among what was taken.
    fn next(&mut self) -> Result<Option<Event>, &'static str> {
        while let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + found;
            let line = std::str::from_utf8(&self.buffer[self.begin..end]).map_err(|_| "its events are not UTF-8")?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            let is_end = line.is_empty();
            self.event.add(line, &mut self.has_data);
            self.begin = end + 1;
            self.searched = self.begin;
            if is_end {
                let event = std::mem::take(&mut self.event);
                self.last_id = event.id.or(self.last_id);
                // Heartbeats are comments: they end in an empty line, and say nothing.
                if std::mem::take(&mut self.has_data) {
                    return Ok(Some(event));
                }
            }
        }
        self.searched = self.buffer.len();
        if self.buffer.len() - self.begin + self.event.data.len() > EVENT_MAX {
            return Err("an event is larger than 256 MiB");
        }
        Ok(None)
    }
}

impl Event {
    /// Takes a line in; unknown fields and comments mean nothing.
    fn add(&mut self, line: &str, has_data: &mut bool) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = value.parse().ok(),
            "data" => {
                if *has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                *has_data = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser.take(&Bytes::copy_from_slice(piece));
            while let Some(event) = parser.next().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let text =
            ": watching\n\nid: 7\nevent: text_delta\ndata: {\"text\":\"ü\"}\n\ndata:a\r\ndata: b\r\n\r\n: quiet\n\n\
                    data: [DONE]\n\nevent: never\n\ndata: half"
                .as_bytes();
        let event = |id, name: &str, data: &str| Event { id, name: name.to_owned(), data: data.to_owned() };
        let expected =
            [event(Some(7), "text_delta", "{\"text\":\"ü\"}"), event(None, "", "a\nb"), event(None, "", "[DONE]")];
        assert_eq!(read(&[text]), expected);
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(read(&[head, tail]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes), expected);
    }

    #[test]
    fn a_number_may_come_without_an_event() {
        let mut parser = Parser::default();
        parser.take(&Bytes::from_static(b"id: 7\n: watching\n\n: quiet\n\n"));
        assert_eq!((parser.next(), parser.last_id), (Ok(None), Some(7)));
        parser.take(&Bytes::from_static(b"id: 8\ndata: x\n\ndata: y\n\nid: 9\ndata: half"));
        while parser.next().unwrap().is_some() {}
        assert_eq!(parser.last_id, Some(8));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let mut parser = Parser::default();
        parser.take(&Bytes::from_static(b"data: \xff\n\n"));
        assert!(parser.next().is_err());
    }
}
