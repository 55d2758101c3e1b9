//! The checker by itself: a history in which all is well, and what it says when one thing in it is changed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Kind, violations};
use crate::crash::history::{Answer, Asked, Down, Ending, Entry, Event, History, Kept, Mark, Seen, View};

const SESSION: &str = "a::1";

/// When the one daemon was killed.
const KILLED_MS: u64 = 150;

/// A completed turn, one that was lost when the daemon was killed, and one that ran after the restart.
fn good() -> History {
    let events = [
        (1, "one", 101, "user_text", json!({"text": "text one\n::echo"})),
        (2, "one", 102, "turn_started", json!({"thread": "t"})),
        (3, "one", 103, "text_delta", json!({"text": "he"})),
        (4, "one", 104, "text_delta", json!({"text": "llo"})),
        (5, "one", 105, "turn_completed", json!({"text": "hello", "finish_reason": "stop"})),
        (6, "two", 106, "user_text", json!({"text": "text two"})),
        (7, "three", 107, "user_text", json!({"text": "text three"})),
        (8, "two", 108, "text_delta", json!({"text": "some"})),
        (20, "two", 160, "error", json!({"code": "turn_lost", "message": "lost"})),
        (21, "three", 161, "text_delta", json!({"text": "done"})),
        (22, "three", 162, "turn_completed", json!({"text": "done", "finish_reason": "stop"})),
    ];
    let events = events.map(|(seq, turn, at_ms, kind, body)| event(seq, turn, at_ms, kind, body));
    let mut log: Vec<Entry> = events.iter().cloned().map(Entry::Event).collect();
    log.insert(8, Entry::Missed { from: 9, to: 19 });
    let view = |status: &str, code: Option<&str>, last| View {
        status: status.to_owned(),
        code: code.map(str::to_owned),
        last_seq: Some(last),
    };
    let turns = [
        ("one", view("completed", None, 5)),
        ("two", view("failed", Some("turn_lost"), 20)),
        ("three", view("completed", None, 22)),
    ];
    let turns = turns.map(|(id, view)| (id.to_owned(), view)).into();
    let seen = events.iter().map(|event| Seen {
        stream: 1 + u64::from(event.seq > 8),
        session: SESSION.to_owned(),
        event: event.clone(),
    });
    let mut seen: Vec<Seen> = seen.collect();
    // What the killed daemon had shown and not kept.
    seen.insert(8, Seen { event: event(9, "two", 109, "text_delta", json!({"text": " more"})), ..seen[0].clone() });
    History {
        asked: vec![
            asked(1, "one", None, Some("hello"), Some(Ending::Completed(None))),
            asked(3, "two", None, Some("some more"), None),
            Asked { detached: true, ..asked(5, "three", None, None, None) },
        ],
        stopped: Vec::new(),
        seen,
        denied: Vec::new(),
        marks: vec![
            mark(10, 1, true, "text one"),
            mark(20, 1, false, "text one"),
            mark(30, 1, true, "text two"),
            mark(40, 2, true, "text three"),
            mark(50, 2, false, "text three"),
        ],
        downs: vec![Down { is_kill: true, from_ms: KILLED_MS, to_ms: KILLED_MS }],
        kept: [(SESSION.to_owned(), Kept { log, turns })].into(),
    }
}

fn event(seq: u64, turn: &str, at_ms: u64, kind: &str, body: Value) -> Event {
    Event { seq, turn: turn.to_owned(), kind: kind.to_owned(), at_ms, body }
}

fn asked(at: u64, turn: &str, name: Option<&str>, said: Option<&str>, ending: Option<Ending>) -> Asked {
    Asked {
        at,
        answered: Some(at + 1),
        life: 1,
        session: SESSION.to_owned(),
        text: format!("text {turn}"),
        name: name.map(str::to_owned),
        detached: false,
        answer: Answer::Accepted { turn: turn.to_owned(), said: said.map(str::to_owned), ending },
    }
}

fn mark(at_ns: u64, life: u32, is_begin: bool, text: &str) -> Mark {
    Mark { at_ns, pid: life, life, is_begin, text: text.to_owned() }
}

fn kept(history: &mut History) -> &mut Kept {
    history.kept.get_mut(SESSION).unwrap()
}

/// The event of that number.
fn at(history: &mut History, seq: u64) -> &mut Event {
    let is_it = |entry: &&mut Entry| matches!(entry, Entry::Event(event) if event.seq == seq);
    match kept(history).log.iter_mut().find(is_it) {
        Some(Entry::Event(event)) => event,
        _ => panic!("there is no {seq}"),
    }
}

fn drop_event(history: &mut History, seq: u64) {
    kept(history).log.retain(|entry| !matches!(entry, Entry::Event(event) if event.seq == seq));
}

fn kinds(change: impl FnOnce(&mut History)) -> BTreeSet<Kind> {
    let mut history = good();
    change(&mut history);
    violations(&history).into_iter().map(|violation| violation.kind).collect()
}

fn only(kind: Kind) -> BTreeSet<Kind> {
    BTreeSet::from([kind])
}

#[test]
fn nothing_is_wrong_where_all_is_well() {
    assert_eq!(violations(&good()), []);
}

#[test]
fn what_was_accepted_is_known() {
    let gone = |history: &mut History| {
        history.asked.push(asked(7, "four", None, None, None));
    };
    assert_eq!(kinds(gone), only(Kind::AcceptedLost));
    let unseen = |history: &mut History| drop(kept(history).turns.remove("one"));
    assert_eq!(kinds(unseen), only(Kind::AcceptedLost));
}

#[test]
fn a_request_whose_client_knows_nothing_may_be_either() {
    let lost = |history: &mut History| {
        history.asked[0].answer = Answer::Lost;
        history.asked[0].answered = None;
        history.asked.push(Asked { answer: Answer::Lost, answered: None, ..asked(9, "nowhere", None, None, None) });
    };
    assert_eq!(kinds(lost), BTreeSet::new());
}

#[test]
fn a_name_means_one_turn() {
    let named = |turn: &'static str| {
        move |history: &mut History| {
            history.asked[0].name = Some("name".into());
            let again = asked(7, turn, Some("name"), Some("hello"), Some(Ending::Completed(None)));
            history.asked.push(Asked { text: "text one".into(), life: 2, ..again });
        }
    };
    assert_eq!(kinds(named("one")), BTreeSet::new());
    assert!(kinds(named("three")).contains(&Kind::AcceptedTwice));
    let twice = |history: &mut History| at(history, 7).body = json!({"text": "text one"});
    assert!(kinds(twice).contains(&Kind::AcceptedTwice));
}

#[test]
fn the_text_is_the_clients() {
    let other = |history: &mut History| history.asked[0].session = "a::2".into();
    assert_eq!(kinds(other), only(Kind::OtherText));
}

#[test]
fn every_turn_has_one_ending_and_nothing_behind_it() {
    let none = |history: &mut History| {
        drop_event(history, 20);
        history.seen.retain(|seen| seen.event.seq != 20);
        kept(history).log[8] = Entry::Missed { from: 9, to: 20 };
    };
    assert_eq!(kinds(none), only(Kind::NoEnding));
    let open = |history: &mut History| kept(history).turns.get_mut("two").unwrap().status = "in_progress".into();
    assert_eq!(kinds(open), only(Kind::NoEnding));
    let two = |history: &mut History| {
        let turn = "one".to_owned();
        (at(history, 20).turn, at(history, 8).turn) = (turn.clone(), turn);
        history.seen.clear();
    };
    assert!(kinds(two).contains(&Kind::BehindEnding));
}

#[test]
fn an_ending_that_a_client_saw_is_the_one_that_is_kept() {
    let error = |history: &mut History| {
        history.asked[0] = asked(1, "one", None, Some("hello"), Some(Ending::Error("turn_interrupted".into())));
    };
    assert_eq!(kinds(error), only(Kind::OtherEnding));
    let completed = |history: &mut History| {
        history.asked[1] = asked(3, "two", None, Some("some"), Some(Ending::Completed(None)));
    };
    assert_eq!(kinds(completed), only(Kind::OtherEnding));
    let text = |history: &mut History| {
        history.asked[0] = asked(1, "one", None, None, Some(Ending::Completed(Some("other".into()))));
    };
    assert_eq!(kinds(text), only(Kind::OtherEnding));
    assert_eq!(kinds(|history| history.stopped.push("two".into())), only(Kind::OtherEnding));
}

#[test]
fn what_is_put_off_is_not_ended() {
    let put_off = |name: Option<&'static str>| {
        move |history: &mut History| {
            let ending = Some(Ending::Error("shutting_down".into()));
            history.asked[2] = asked(5, "three", name, Some(""), ending);
        }
    };
    assert_eq!(kinds(put_off(Some("name"))), BTreeSet::new());
    assert!(kinds(put_off(None)).contains(&Kind::OtherEnding));
}

#[test]
fn what_a_client_read_is_what_is_kept() {
    let said = |said: &'static str, ending: Option<Ending>| {
        move |history: &mut History| history.asked[0] = asked(1, "one", None, Some(said), ending)
    };
    assert_eq!(kinds(said("he", None)), BTreeSet::new());
    assert_eq!(kinds(said("hello more", None)), BTreeSet::new());
    assert_eq!(kinds(said("ha", None)), only(Kind::OtherAnswer));
    assert_eq!(kinds(said("he", Some(Ending::Completed(None)))), only(Kind::OtherAnswer));
}

#[test]
fn what_runs_by_itself_is_not_ended_for_want_of_a_client() {
    let ended = |reason: &'static str| {
        move |history: &mut History| {
            let interrupted = event(22, "three", 162, "turn_interrupted", json!({"reason": reason}));
            *at(history, 22) = interrupted.clone();
            history.seen.last_mut().unwrap().event = interrupted;
            kept(history).turns.get_mut("three").unwrap().status = "interrupted".into();
        }
    };
    assert_eq!(kinds(ended("it was aborted by request")), BTreeSet::new());
    assert_eq!(kinds(ended("its client went away")), only(Kind::NotRun));
    assert_eq!(kinds(ended("turnmux is shutting down, and the turn had not begun")), only(Kind::NotRun));
}

#[test]
fn nothing_runs_twice() {
    assert!(kinds(|history| history.marks.push(mark(60, 3, true, "text two"))).contains(&Kind::RunTwice));
    // In one life, too.
    assert_eq!(kinds(|history| history.marks.push(mark(35, 1, true, "text two"))), only(Kind::RunTwice));
}

#[test]
fn nothing_runs_that_was_not_accepted_and_a_steer_is_no_turn() {
    let ran = |answer: Option<Answer>| {
        move |history: &mut History| {
            history.marks.push(mark(45, 2, true, "text four"));
            if let Some(answer) = answer {
                history.asked.push(Asked { detached: true, answer, ..asked(6, "four", None, None, None) });
            }
        }
    };
    assert_eq!(kinds(ran(None)), only(Kind::RunUnknown));
    let begun = |life, name| {
        move |history: &mut History| {
            history.marks.push(mark(35, life, true, "text four"));
            let lost = Asked { answer: Answer::Lost, answered: None, life, ..asked(6, "four", name, None, None) };
            history.asked.push(lost);
        }
    };
    assert_eq!(kinds(begun(1, None)), BTreeSet::new(), "it was killed before it could know of it");
    assert_eq!(kinds(begun(1, Some("name"))), only(Kind::RunUnknown), "whoever asks again would have it run twice");
    assert_eq!(kinds(begun(2, None)), only(Kind::RunUnknown), "nothing was killed");
    assert_eq!(kinds(ran(Some(Answer::Refused("queue_full".into())))), only(Kind::RunUnknown));
    assert_eq!(kinds(ran(Some(Answer::Steered))), BTreeSet::new());
}

#[test]
fn nothing_runs_after_a_restart_that_nobody_waits_for() {
    let plain = |history: &mut History| history.asked[2].detached = false;
    assert_eq!(kinds(plain), only(Kind::RunUnwanted));
    let named = |history: &mut History| history.asked[2] = asked(5, "three", Some("name"), None, None);
    assert_eq!(kinds(named), BTreeSet::new());
}

#[test]
fn what_completed_was_run_to_its_end() {
    assert_eq!(kinds(|history| drop(history.marks.remove(1))), only(Kind::NeverRun));
}

#[test]
fn turns_begin_in_the_order_of_their_acceptance_and_one_at_a_time() {
    assert_eq!(kinds(|history| history.marks[2].at_ns = 5), only(Kind::OutOfOrder));
    let longer = |history: &mut History| history.marks[1].at_ns = 35;
    assert_eq!(kinds(longer), only(Kind::Overlap));
    let asked_later = |history: &mut History| {
        history.asked[0].at = 9;
        history.asked[0].answered = Some(10);
    };
    assert_eq!(kinds(asked_later), only(Kind::OutOfOrder));
}

#[test]
fn numbers_rise_and_mean_one_event() {
    let swapped = |history: &mut History| kept(history).log.swap(2, 3);
    assert!(kinds(swapped).contains(&Kind::NumberTwice));
    let other = |history: &mut History| history.seen[1].event.body = json!({"thread": "other"});
    assert_eq!(kinds(other), only(Kind::NumberTwice));
    let back = |history: &mut History| history.seen.swap(2, 3);
    assert_eq!(kinds(back), only(Kind::NumberTwice));
    // Neither is kept, and both were shown.
    let twice = |history: &mut History| {
        let mut again = history.seen[8].clone();
        (again.stream, again.event.body) = (7, json!({"text": "other"}));
        history.seen.push(again);
    };
    assert_eq!(kinds(twice), only(Kind::NumberTwice));
}

#[test]
fn numbers_are_left_out_only_where_a_daemon_was_killed() {
    assert_eq!(kinds(|history| drop(kept(history).log.remove(8))), BTreeSet::from([Kind::Gap, Kind::EventLost]));
    assert_eq!(kinds(|history| history.downs[0].is_kill = false), only(Kind::Gap));
    let early = |history: &mut History| (history.downs[0].from_ms, history.downs[0].to_ms) = (50, 60);
    assert_eq!(kinds(early), only(Kind::Gap));
    let wrong = |history: &mut History| kept(history).log[8] = Entry::Missed { from: 10, to: 19 };
    assert!(kinds(wrong).contains(&Kind::Gap));
}

#[test]
fn what_a_watcher_relied_on_is_kept() {
    let ending = |history: &mut History| {
        let mut lost = history.seen[8].clone();
        lost.event = event(10, "two", 110, "turn_completed", json!({"text": "x"}));
        history.seen.insert(9, lost);
    };
    assert_eq!(kinds(ending), only(Kind::EventLost));
    assert_eq!(kinds(|history| history.denied.push("a::1 after 9".into())), only(Kind::Denied));
}
