//! What is known from outside: what clients and watchers saw, what agents ran, how each life of the daemon ended, and what the
//! daemon has kept in the end.

use std::collections::BTreeMap;

use serde_json::Value;

/// A daemon from its start to its end; counted from 1.
pub(super) type Life = u32;

/// A place in the order of everything that the clients did.
pub(super) type Stamp = u64;

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// Turns that were asked for.
    pub(super) asked: Vec<Asked>,
    /// Turns of which the daemon said that an interrupt had ended them.
    pub(super) stopped: Vec<String>,
    /// What watchers saw, each in its own order.
    pub(super) seen: Vec<Seen>,
    /// Watchers that were told that what they had seen has not happened.
    pub(super) denied: Vec<String>,
    /// What agents ran.
    pub(super) marks: Vec<Mark>,
    /// How lives ended.
    pub(super) downs: Vec<Down>,
    /// What the daemon has kept, by session.
    pub(super) kept: BTreeMap<String, Kept>,
}

/// A request for a turn.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// When it was sent, …
    pub(super) at: Stamp,
    /// … and when its client knew that it was accepted.
    pub(super) answered: Option<Stamp>,
    pub(super) life: Life,
    pub(super) session: String,
    /// The first line of the text. No two requests have the same, but for those that repeat another by its name.
    pub(super) text: String,
    /// The `Idempotency-Key`.
    pub(super) name: Option<String>,
    /// It runs whoever reads it.
    pub(super) detached: bool,
    pub(super) answer: Answer,
}

/// What the client knows of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// The connection broke before an answer: it may have been accepted, or not.
    Lost,
    /// No, with the code of an error.
    Refused(String),
    /// It became part of another turn.
    Steered,
    /// Yes.
    Accepted {
        turn: String,
        /// The pieces that came, if they come as pieces.
        said: Option<String>,
        ending: Option<Ending>,
    },
}

/// An ending as a client knows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// With the whole text, where the client got that.
    Completed(Option<String>),
    /// With the code of an error.
    Error(String),
}

/// An event that a watcher saw.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Which of its connections, over all watchers.
    pub(super) stream: u64,
    pub(super) session: String,
    pub(super) event: Event,
}

/// An event of a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) turn: String,
    pub(super) kind: String,
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    /// All the rest.
    pub(super) body: Value,
}

/// A line in the agents' log.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at_ns: u64,
    pub(super) pid: u32,
    /// The daemon that started the agent.
    pub(super) life: Life,
    pub(super) is_begin: bool,
    /// As in [`Asked`].
    pub(super) text: String,
}

/// The end of a life.
#[derive(Debug, Clone)]
pub(super) struct Down {
    /// By SIGKILL. Any other leaves everything in order.
    pub(super) is_kill: bool,
    /// Between these moments, in milliseconds since 1970.
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

/// What the daemon has kept of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// Its events, oldest first.
    pub(super) log: Vec<Entry>,
    /// Its turns by their ids, as the API shows them.
    pub(super) turns: BTreeMap<String, View>,
}

/// A step in what is kept.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Event(Event),
    /// Events of these numbers are not kept.
    Missed {
        from: u64,
        to: u64,
    },
}

/// A turn as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) status: String,
    /// The code of its error.
    pub(super) code: Option<String>,
    pub(super) last_seq: Option<u64>,
}

impl Event {
    /// Out of the `data` of an event; none when it is not one of a session's numbered events.
    pub(super) fn read(data: &Value) -> Option<Self> {
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let mut body = data.clone();
        for name in ["seq", "turn", "type", "at"] {
            body.as_object_mut()?.remove(name);
        }
        let (seq, at_ms) = (data["seq"].as_u64()?, data["at"].as_u64()?);
        Some(Self { seq, turn: text("turn")?, kind: text("type")?, at_ms, body })
    }

    /// Whether a turn ends with it.
    pub(super) fn is_ending(&self) -> bool {
        matches!(&*self.kind, "turn_completed" | "turn_interrupted" | "error")
    }

    /// A text in its body.
    pub(super) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// Whether it says the same. The time may differ by what several pieces in one place cost.
    pub(super) fn says_same(&self, other: &Self) -> bool {
        (&self.turn, &self.kind, &self.body) == (&other.turn, &other.kind, &other.body)
    }
}

impl History {
    /// Whether that life ended by SIGKILL.
    pub(super) fn was_killed(&self, life: Life) -> bool {
        self.downs.get(life as usize - 1).is_some_and(|down| down.is_kill)
    }
}

impl Asked {
    /// Whether it runs after a restart if it has not begun before.
    pub(super) fn reruns(&self) -> bool {
        self.detached || self.name.is_some()
    }

    /// Its turn, if it has one for certain.
    pub(super) fn turn(&self) -> Option<&str> {
        match &self.answer {
            Answer::Accepted { turn, .. } => Some(turn),
            _ => None,
        }
    }
}

/// The first line of what was said: what a turn is known by.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
