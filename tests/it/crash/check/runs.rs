//! What agents ran: each turn once at most, one at a time, in the order of acceptance, and nothing that nobody wants.

use std::collections::{BTreeMap, HashMap};

use super::turns::Turn;
use super::{Kind, Violation};
use crate::crash::history::{Answer, Asked, History, Mark, Stamp};

/// What is known of a text.
struct Run<'a> {
    begins: Vec<&'a Mark>,
    end: Option<&'a Mark>,
}

/// A turn that an agent began.
struct Begun<'a> {
    turn: &'a Turn<'a>,
    begin: &'a Mark,
    end: Option<&'a Mark>,
}

/// A moment at which a turn was asked for, or its client was told that it is accepted.
struct Moment<'a> {
    at: Stamp,
    turn: &'a Turn<'a>,
    is_asked: bool,
}

pub(super) fn check(history: &History, turns: &BTreeMap<&str, Turn<'_>>) -> Vec<Violation> {
    let turns: HashMap<&str, &Turn<'_>> = turns.values().map(|turn| (turn.text, turn)).collect();
    let mut asked: HashMap<&str, Vec<&Asked>> = HashMap::new();
    for one in &history.asked {
        asked.entry(&one.text).or_default().push(one);
    }
    let mut runs: BTreeMap<&str, Run<'_>> = BTreeMap::new();
    for mark in &history.marks {
        let run = runs.entry(&mark.text).or_insert_with(|| Run { begins: Vec::new(), end: None });
        if mark.is_begin { run.begins.push(mark) } else { run.end = Some(mark) }
    }
    let mut found = Vec::new();
    for (text, run) in &runs {
        let asked = asked.get(text).map_or(&[][..], Vec::as_slice);
        // The one daemon may have been killed before it was kept, and nobody was told of it.
        let may_be_gone = !asked.is_empty()
            && asked.iter().all(|asked| !asked.reruns() && asked.answer == Answer::Lost)
            && run.begins.iter().all(|mark| history.was_killed(mark.life));
        found.extend(run_of(text, run, asked, turns.contains_key(text) || may_be_gone));
    }
    for turn in turns.values().filter(|turn| turn.ending().is_some_and(|ending| ending.kind == "turn_completed")) {
        if runs.get(turn.text).is_none_or(|run| run.end.is_none()) {
            found.push(wrong(Kind::NeverRun, turn.text, "it completed, and no agent finished it"));
        }
    }
    found.extend(order_of_runs(&runs, &turns));
    found.extend(order_of_acceptance(history, &turns));
    found
}

fn run_of(text: &str, run: &Run<'_>, asked: &[&Asked], is_known: bool) -> Vec<Violation> {
    let mut found = Vec::new();
    if run.begins.len() > 1 {
        let lives: Vec<_> = run.begins.iter().map(|mark| (mark.life, mark.pid)).collect();
        found.push(wrong(Kind::RunTwice, text, format!("agents took it in (life, pid) {lives:?}")));
    }
    let is_steer = |asked: &&Asked| asked.detached && matches!(asked.answer, Answer::Steered | Answer::Lost);
    if !is_known && !asked.iter().any(is_steer) {
        found.push(wrong(Kind::RunUnknown, text, "an agent took it, and it is no turn"));
    }
    let last = asked.iter().map(|asked| asked.life).max();
    if let Some(mark) = run.begins.iter().find(|mark| last.is_some_and(|last| mark.life > last))
        && !asked.iter().any(|asked| asked.reruns())
    {
        let what = format!("asked in life {last:?}, an agent took it in life {}", mark.life);
        found.push(wrong(Kind::RunUnwanted, text, what));
    }
    found
}

/// One at a time, in order.
fn order_of_runs(runs: &BTreeMap<&str, Run<'_>>, turns: &HashMap<&str, &Turn<'_>>) -> Vec<Violation> {
    let mut sessions: BTreeMap<&str, Vec<Begun<'_>>> = BTreeMap::new();
    for (text, run) in runs {
        let (Some(turn), Some(begin)) = (turns.get(text), run.begins.first()) else { continue };
        sessions.entry(turn.session).or_default().push(Begun { turn, begin, end: run.end });
    }
    let mut found = Vec::new();
    for runs in sessions.values_mut() {
        runs.sort_by_key(|run| run.begin.at_ns);
        for pair in runs.windows(2) {
            let (before, run) = (&pair[0], &pair[1]);
            let (other, text) = (before.turn.text, run.turn.text);
            if before.turn.accepted > run.turn.accepted {
                let what = format!("it was accepted before {other:?}, and began after it");
                found.push(wrong(Kind::OutOfOrder, text, what));
            }
            if before.end.is_some_and(|end| end.at_ns > run.begin.at_ns) {
                found.push(wrong(Kind::Overlap, text, format!("it began before {other:?} had ended")));
            }
        }
    }
    found
}

/// Who had a yes before another asked goes first.
fn order_of_acceptance(history: &History, turns: &HashMap<&str, &Turn<'_>>) -> Vec<Violation> {
    let mut first: BTreeMap<&str, &Asked> = BTreeMap::new();
    for asked in &history.asked {
        let known = first.entry(&asked.text).or_insert(asked);
        if asked.at < known.at {
            *known = asked;
        }
    }
    let asked = first.values().map(|asked| (asked.at, &asked.text, true));
    let answered = history.asked.iter().filter_map(|asked| Some((asked.answered?, &asked.text, false)));
    let mut sessions: BTreeMap<&str, Vec<Moment<'_>>> = BTreeMap::new();
    for (at, text, is_asked) in asked.chain(answered) {
        if let Some(turn) = turns.get(&**text) {
            sessions.entry(turn.session).or_default().push(Moment { at, turn, is_asked });
        }
    }
    let mut found = Vec::new();
    for moments in sessions.values_mut() {
        moments.sort_by_key(|moment| moment.at);
        // Of those with a yes, the one that was accepted last.
        let mut newest: Option<&Turn<'_>> = None;
        for Moment { turn, is_asked, .. } in moments {
            let newer = newest.filter(|newest| newest.accepted > turn.accepted);
            match newer {
                Some(newer) if *is_asked => {
                    let what =
                        format!("it was asked for when {:?} had been accepted, and stands before it", newer.text);
                    found.push(wrong(Kind::OutOfOrder, turn.text, what));
                }
                None if !*is_asked => newest = Some(turn),
                _ => {}
            }
        }
    }
    found
}

fn wrong(kind: Kind, text: &str, found: impl Into<String>) -> Violation {
    Violation { kind, about: text.to_owned(), found: found.into() }
}
