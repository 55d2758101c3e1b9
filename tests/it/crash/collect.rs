//! What the daemon has kept in the end, and what the agents wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::history::{Entry, Event, Kept, Life, Mark, View, first_line};
use super::requests::{Piece, Requests};
use super::watchers;
use super::world::{SESSIONS, Up, World};
use crate::harness::within;

/// The name of the agents' log of one life.
pub(super) fn runs_file(life: Life) -> String {
    format!("runs-{life}.log")
}

/// Waits until every turn has ended.
pub(super) async fn ended(world: &World, up: &Up) {
    for session in SESSIONS {
        for turn in turns(&up.requests, session).await {
            if matches!(turn["status"].as_str(), Some("queued" | "in_progress")) {
                watchers::turn(world, up, session, turn["id"].as_str().unwrap_or_default()).await;
            }
        }
    }
}

/// All that is kept.
pub(super) async fn kept(requests: &Requests) -> BTreeMap<String, Kept> {
    let mut kept = BTreeMap::new();
    for session in SESSIONS {
        kept.insert(session.to_owned(), within("what is kept of a session", of_session(requests, session)).await);
    }
    kept
}

/// What agents wrote down in all lives up to this one, in order.
pub(super) fn marks(scratch: &Path, last: Life) -> Vec<Mark> {
    let mut marks = Vec::new();
    for life in 1..=last {
        let log = std::fs::read_to_string(scratch.join(runs_file(life))).unwrap_or_default();
        // An agent may have been killed in the middle of its last line.
        for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            marks.push(Mark {
                at_ns: line["at_ns"].as_u64().expect("a time"),
                pid: line["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid"),
                life,
                is_begin: line["mark"] == "begin",
                text: first_line(line["text"].as_str().expect("a text")).to_owned(),
            });
        }
    }
    marks.sort_by_key(|mark| mark.at_ns);
    marks
}

async fn of_session(requests: &Requests, session: &str) -> Kept {
    let listed = turns(requests, session).await;
    let last = listed.iter().filter_map(|turn| turn["last_seq"].as_u64()).max();
    let mut kept = Kept::default();
    if let Some(last) = last {
        kept.log = log(requests, session, last).await;
    }
    let ids = kept.log.iter().filter_map(|entry| match entry {
        Entry::Event(event) => Some(event.turn.clone()),
        Entry::Missed { .. } => None,
    });
    let ids: BTreeSet<String> = ids.collect();
    for turn in listed {
        kept.turns.insert(turn["id"].as_str().unwrap_or_default().to_owned(), view(&turn));
    }
    for id in ids {
        if kept.turns.contains_key(&id) {
            continue;
        }
        let (status, turn) = requests.get(&format!("/v1/turns/{id}")).await.expect("the daemon answers");
        if status == 200 {
            kept.turns.insert(id, view(&turn));
        }
    }
    kept
}

/// The events up to that number.
async fn log(requests: &Requests, session: &str, last: u64) -> Vec<Entry> {
    let mut log = Vec::new();
    let path = format!("/v1/sessions/{session}/events");
    let answering = requests.events(&path, Some(0)).await.expect("the daemon answers");
    let mut answering = answering.unwrap_or_else(|status| panic!("the events of {session}: {status}"));
    while let Some(Piece::Data(data)) = answering.piece().await {
        if let Some(event) = Event::read(&data) {
            let seq = event.seq;
            log.push(Entry::Event(event));
            if seq >= last {
                return log;
            }
        } else if data["type"] == "missed" {
            let number = |name: &str| data[name].as_u64().expect("a number");
            log.push(Entry::Missed { from: number("from"), to: number("to") });
        }
    }
    panic!("the events of {session} ended before {last}");
}

/// A session's newest turns.
async fn turns(requests: &Requests, session: &str) -> Vec<Value> {
    let (_, list) = requests.get(&format!("/v1/sessions/{session}/turns")).await.expect("the daemon answers");
    // A session in which nothing happened is none.
    list["data"].as_array().cloned().unwrap_or_default()
}

fn view(turn: &Value) -> View {
    View {
        status: turn["status"].as_str().unwrap_or_default().to_owned(),
        code: turn["error"]["code"].as_str().map(str::to_owned),
        last_seq: turn["last_seq"].as_u64(),
    }
}
