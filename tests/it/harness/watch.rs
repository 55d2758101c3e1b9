//! A client that watches: the events of a session or a turn.

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use super::{Client, Stream, within};

/// An open stream of events.
pub(crate) struct Watch {
    stream: Stream,
}

impl Client {
    /// Watches; returns when the daemon has heard of it.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        let mut stream = self.open(Method::GET, path, Bytes::new()).await;
        assert_eq!(stream.status, 200);
        let greeting = stream.block().await.expect("a greeting");
        assert!(greeting.starts_with(b"id: ") && greeting.ends_with(b"\n: watching\n\n"), "{greeting:?}");
        Watch { stream }
    }
}

impl Watch {
    /// The next event's data; its number and name must stand in front of it. None at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        // Heartbeats may go on and on.
        within("an event", self.event()).await
    }

    async fn event(&mut self) -> Option<Value> {
        loop {
            let block = String::from_utf8(self.stream.block().await?).expect("UTF-8");
            if block.starts_with(':') {
                continue;
            }
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let data: Value = serde_json::from_str(&field("data: ").expect("data")).expect("JSON");
            assert_eq!(field("event: ").as_deref(), data["type"].as_str(), "{block}");
            assert_eq!(field("id: "), data["seq"].as_u64().map(|seq| seq.to_string()), "{block}");
            return Some(data);
        }
    }

    /// Events up to one of this type, that one included.
    pub(crate) async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("no {kind} after {events:?}"));
            let is_it = event["type"] == kind;
            events.push(event);
            if is_it {
                return events;
            }
        }
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The types of events.
pub(crate) fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}
