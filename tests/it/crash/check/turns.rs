//! Acceptance and endings: every accepted turn is known, once, and has one ending, which is the one that its clients saw.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Violation};
use crate::crash::history::{Answer, Asked, Ending, Entry, Event, History, View, first_line};

/// How the event of an ending says that its client went away, …
const CLIENT_GONE: &str = "its client went away";
/// … and that the daemon went down before it began.
const NOT_BEGUN: &str = "turnmux is shutting down, and the turn had not begun";

/// The error after which a client does not know how its turn ended.
const READER_LOST: &str = "reader_detached";

/// A turn as it is kept.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) id: &'a str,
    pub(super) session: &'a str,
    /// The first line of what was said.
    pub(super) text: &'a str,
    /// The number of its acceptance.
    pub(super) accepted: u64,
    pub(super) events: Vec<&'a Event>,
    view: Option<&'a View>,
}

impl Turn<'_> {
    pub(super) fn ending(&self) -> Option<&Event> {
        self.events.iter().find(|event| event.is_ending()).copied()
    }

    /// All pieces of its answer.
    fn said(&self) -> String {
        let pieces = self.events.iter().filter(|event| event.kind == "text_delta");
        pieces.map(|event| event.text("text")).collect()
    }

    fn wrong(&self, kind: Kind, found: impl Into<String>) -> Violation {
        Violation { kind, about: self.id.to_owned(), found: found.into() }
    }
}

/// The turns that are kept, by their ids.
pub(super) fn of(history: &History) -> BTreeMap<&str, Turn<'_>> {
    let mut turns = BTreeMap::new();
    for (session, kept) in &history.kept {
        for entry in &kept.log {
            let Entry::Event(event) = entry else { continue };
            let turn = turns.entry(&*event.turn).or_insert_with(|| Turn {
                id: &event.turn,
                session,
                text: "",
                accepted: event.seq,
                events: Vec::new(),
                view: kept.turns.get(&event.turn),
            });
            if event.kind == "user_text" {
                turn.text = first_line(event.text("text"));
            }
            turn.events.push(event);
        }
    }
    turns
}

pub(super) fn check(history: &History, turns: &BTreeMap<&str, Turn<'_>>) -> Vec<Violation> {
    let mut found = Vec::new();
    found.extend(turns.values().flat_map(endings));
    found.extend(accepted(history, turns));
    found.extend(once(history, turns));
    for asked in &history.asked {
        if let Some(turn) = asked.turn().and_then(|turn| turns.get(turn)) {
            found.extend(answer(asked, turn));
        }
    }
    for turn in history.stopped.iter().filter_map(|turn| turns.get(&**turn)) {
        if turn.ending().is_some_and(|ending| ending.text("code") == "turn_lost") {
            found.push(turn.wrong(Kind::OtherEnding, "an interrupt was confirmed, and then the turn was lost"));
        }
    }
    found
}

/// One ending, behind all else, and the same wherever it is shown.
fn endings(turn: &Turn<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(ending) = turn.ending() else {
        let last = turn.events.last().map(|event| &event.kind);
        return vec![turn.wrong(Kind::NoEnding, format!("{:?} has none; its last event is {last:?}", turn.text))];
    };
    if let Some(behind) = turn.events.iter().find(|event| event.seq > ending.seq) {
        found.push(turn.wrong(Kind::BehindEnding, format!("{} {} behind {}", behind.seq, behind.kind, ending.kind)));
    }
    let status = match &*ending.kind {
        "turn_completed" => "completed",
        "turn_interrupted" => "interrupted",
        _ => "failed",
    };
    match turn.view {
        None => found.push(turn.wrong(Kind::AcceptedLost, "it has events, and is no turn")),
        Some(view) if (&*view.status, view.last_seq) != (status, Some(ending.seq)) => {
            let shown = format!("it is shown as {view:?}, and its ending is {} {}", ending.seq, ending.kind);
            let is_open = matches!(&*view.status, "queued" | "in_progress");
            found.push(turn.wrong(if is_open { Kind::NoEnding } else { Kind::OtherEnding }, shown));
        }
        Some(_) => {}
    }
    found
}

/// What a client was told is known.
fn accepted(history: &History, turns: &BTreeMap<&str, Turn<'_>>) -> Vec<Violation> {
    let mut found = Vec::new();
    for asked in &history.asked {
        let Some(id) = asked.turn() else { continue };
        let about = id.to_owned();
        match turns.get(id) {
            None => {
                let what = format!("{:?} was accepted in life {}", asked.text, asked.life);
                found.push(Violation { kind: Kind::AcceptedLost, about, found: what });
            }
            Some(turn) if (turn.text, turn.session) != (&*asked.text, &*asked.session) => {
                let what =
                    format!("asked {:?} in {}, kept {:?} in {}", asked.text, asked.session, turn.text, turn.session);
                found.push(Violation { kind: Kind::OtherText, about, found: what });
            }
            Some(_) => {}
        }
    }
    found
}

/// A request is one turn, however often it came and whatever its client knows of it.
fn once(history: &History, turns: &BTreeMap<&str, Turn<'_>>) -> Vec<Violation> {
    let mut by_text: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for turn in turns.values() {
        by_text.entry(turn.text).or_default().insert(turn.id);
    }
    for asked in &history.asked {
        if let Some(turn) = asked.turn() {
            by_text.entry(&asked.text).or_default().insert(turn);
        }
    }
    let twice = by_text.into_iter().filter(|(_, ids)| ids.len() > 1);
    twice
        .map(|(text, ids)| Violation {
            kind: Kind::AcceptedTwice,
            about: text.to_owned(),
            found: format!("it is the turns {ids:?}"),
        })
        .collect()
}

/// What one client saw of its turn.
fn answer(asked: &Asked, turn: &Turn<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let Answer::Accepted { said, ending: seen, .. } = &asked.answer else { return found };
    let Some(kept) = turn.ending() else { return found };
    // It was put off, not ended: it runs when the daemon does again.
    let seen = seen.as_ref().filter(|seen| match seen {
        Ending::Error(code) if code == "shutting_down" => !asked.reruns(),
        Ending::Error(code) => code != READER_LOST,
        Ending::Completed(_) => true,
    });
    let code = turn.view.and_then(|view| view.code.as_deref());
    let is_same = match seen {
        None => true,
        Some(Ending::Completed(None)) => kept.kind == "turn_completed",
        Some(Ending::Completed(Some(text))) => kept.kind == "turn_completed" && kept.text("text") == text,
        Some(Ending::Error(seen)) => code == Some(seen),
    };
    if !is_same {
        let what = format!("the client saw {seen:?}, and {} {} is kept ({code:?})", kept.kind, kept.body);
        found.push(turn.wrong(Kind::OtherEnding, what));
    }
    let whole = turn.said();
    let is_same = match (said, seen) {
        (None, _) => true,
        (Some(said), Some(_)) => *said == whole,
        // Either side may have less: what was on its way, and what was not kept yet.
        (Some(said), None) => said.starts_with(&whole) || whole.starts_with(said.as_str()),
    };
    if !is_same {
        found.push(turn.wrong(Kind::OtherAnswer, format!("the client saw {said:?}, and {whole:?} is kept")));
    }
    let reason = kept.text("reason");
    if asked.reruns() && reason == NOT_BEGUN || asked.detached && reason == CLIENT_GONE {
        found.push(turn.wrong(Kind::NotRun, format!("it ended with {reason:?}, and nobody had to wait for it")));
    }
    found
}
