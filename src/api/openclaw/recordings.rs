//! What OpenClaw really sent, for the tests of this module.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Reading, Signs, read};
use crate::api::openai::{Said, Speaker, said};
use crate::wire::openai::ChatMessage;

/// Those that are turns of a conversation.
pub(super) const TURNS: [&str; 12] = [
    "affinity-turn1",
    "after-abort",
    "after-compaction",
    "before-abort",
    "default-turn1",
    "error-retry",
    "gateway-turn1",
    "gateway-turn2",
    "gateway-turn3",
    "idle-retry",
    "image",
    "provider-plugin-turn",
];

/// A recording.
pub(super) struct Recorded {
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Recorded {
    pub(super) fn load(name: &str) -> Self {
        let path = format!("{}/tests/recordings/openclaw/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let recorded: Value = serde_json::from_str(&text).unwrap();
        let pairs = recorded["headers"].as_object().unwrap().iter();
        let pair = |(name, value): (&String, &Value)| {
            (name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse::<HeaderValue>().unwrap())
        };
        Self { headers: pairs.map(pair).collect(), body: recorded["body"].clone() }
    }

    /// All that is said in it, as it came.
    pub(super) fn said(&self) -> Vec<Said> {
        let messages: Vec<ChatMessage> = serde_json::from_value(self.body["messages"].clone()).unwrap();
        said(messages).unwrap()
    }

    /// Reads it.
    pub(super) fn read(&self) -> (Reading, Vec<Said>) {
        let affinity = self.headers.get("x-session-affinity");
        let affinity = affinity.map(|value| ("x-session-affinity", value.to_str().unwrap().to_owned()));
        let mut said = self.said();
        (read(&Signs::of(&self.headers), affinity, &mut said), said)
    }
}

/// The first user message of a recording, as it came.
pub(super) fn user_text(name: &str) -> String {
    text_of(name, Speaker::User)
}

/// The system prompt of a recording, as it came.
pub(super) fn system_text(name: &str) -> String {
    text_of(name, Speaker::System)
}

fn text_of(name: &str, speaker: Speaker) -> String {
    let said = Recorded::load(name).said();
    said.into_iter().find(|said| said.speaker == speaker).expect("such a message").text
}
