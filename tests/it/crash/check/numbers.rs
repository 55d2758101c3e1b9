//! The numbers of events: they rise, each means one event, and only a killed daemon leaves some out.

use std::collections::{BTreeMap, HashMap};

use super::{Kind, Violation};
use crate::crash::history::{Entry, Event, History, Kept};

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (session, kept) in &history.kept {
        found.extend(log(history, session, kept));
    }
    found.extend(seen(history));
    found.extend(history.denied.iter().map(|what| wrong(Kind::Denied, "a watcher", what.clone())));
    found
}

/// What is kept of a session, by itself.
fn log(history: &History, session: &str, kept: &Kept) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last: Option<&Event> = None;
    let mut missed: Option<(u64, u64)> = None;
    for entry in &kept.log {
        match entry {
            Entry::Missed { from, to } => {
                let next = missed.map_or_else(|| last.map_or(1, |last| last.seq + 1), |(_, to)| to + 1);
                if *from != next || to < from {
                    found.push(wrong(Kind::Gap, session, format!("{from} to {to} are missed, and {next} comes next")));
                }
                missed = Some((missed.map_or(*from, |(from, _)| from), *to));
            }
            Entry::Event(event) => {
                let next = missed.map_or_else(|| last.map_or(1, |last| last.seq + 1), |(_, to)| to + 1);
                if event.seq < next {
                    found.push(wrong(Kind::NumberTwice, session, format!("{} comes where {next} should", event.seq)));
                } else if event.seq > next {
                    found.push(wrong(Kind::Gap, session, format!("{} comes where {next} should", event.seq)));
                } else if let Some((from, to)) = missed
                    && !killed_between(history, last, event)
                {
                    found.push(wrong(
                        Kind::Gap,
                        session,
                        format!("{from} to {to} are left out, and nothing was killed"),
                    ));
                }
                (last, missed) = (Some(event), None);
            }
        }
    }
    found
}

/// Whether a daemon was killed after the one and before the other.
fn killed_between(history: &History, before: Option<&Event>, after: &Event) -> bool {
    let mut kills = history.downs.iter().filter(|down| down.is_kill);
    kills.any(|down| before.is_none_or(|before| before.at_ms <= down.to_ms) && down.from_ms <= after.at_ms)
}

/// What watchers saw, held against what is kept.
fn seen(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut kept: HashMap<(&str, u64), &Event> = HashMap::new();
    let mut missed: HashMap<&str, Vec<(u64, u64)>> = HashMap::new();
    for (session, what) in &history.kept {
        for entry in &what.log {
            match entry {
                Entry::Event(event) => drop(kept.insert((session, event.seq), event)),
                Entry::Missed { from, to } => missed.entry(session).or_default().push((*from, *to)),
            }
        }
    }
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut once: HashMap<(&str, u64), &Event> = HashMap::new();
    for seen in &history.seen {
        let event = &seen.event;
        let (session, key) = (&*seen.session, (&*seen.session, event.seq));
        if let Some(before) = last.insert(seen.stream, event.seq)
            && before >= event.seq
        {
            found.push(wrong(Kind::NumberTwice, session, format!("a watcher saw {} after {before}", event.seq)));
        }
        let other = once.insert(key, event).filter(|other| !other.says_same(event));
        let other = other.or(kept.get(&key).copied().filter(|kept| !kept.says_same(event)));
        if let Some(other) = other {
            found.push(wrong(Kind::NumberTwice, session, format!("one number: {other:?} and {event:?}")));
        }
        if kept.contains_key(&key) {
            continue;
        }
        let is_missed = missed
            .get(session)
            .is_some_and(|missed| missed.iter().any(|(from, to)| (*from..=*to).contains(&event.seq)));
        // These are shown only when they are kept.
        let is_relied_on = event.is_ending() || event.kind == "user_text";
        if is_relied_on || !is_missed {
            found.push(wrong(Kind::EventLost, session, format!("a watcher saw {event:?}")));
        }
    }
    found
}

fn wrong(kind: Kind, session: &str, found: String) -> Violation {
    Violation { kind, about: session.to_owned(), found }
}
