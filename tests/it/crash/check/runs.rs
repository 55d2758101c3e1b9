//! What agents ran: each turn once at most, one at a time, in the order of acceptance, and nothing that nobody wants.

use std::collections::{BTreeMap, HashMap};

use super::turns::Turn;
use super::{Kind, Violation};
use crate::crash::history::{Answer, Asked, History, Mark};

/// What is known of a text.
struct Run<'a> {
    begins: Vec<&'a Mark>,
    end: Option<&'a Mark>,
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
        found.extend(run_of(text, run, asked, turns.contains_key(text)));
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
    let mut sessions: BTreeMap<&str, Vec<(&Turn<'_>, &Mark, Option<&Mark>)>> = BTreeMap::new();
    for (text, run) in runs {
        let (Some(turn), Some(begin)) = (turns.get(text), run.begins.first()) else { continue };
        sessions.entry(turn.session).or_default().push((turn, begin, run.end));
    }
    let mut found = Vec::new();
    for runs in sessions.values_mut() {
        runs.sort_by_key(|(_, begin, _)| begin.at_ns);
        for pair in runs.windows(2) {
            let ((before, _, end), (turn, begin, _)) = (&pair[0], &pair[1]);
            if before.accepted > turn.accepted {
                let what = format!("{:?} was accepted before {:?}, and began after it", turn.text, before.text);
                found.push(wrong(Kind::OutOfOrder, turn.text, what));
            }
            if end.is_some_and(|end| end.at_ns > begin.at_ns) {
                let what = format!("it began before {:?} had ended", before.text);
                found.push(wrong(Kind::Overlap, turn.text, what));
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
    let turn_of = |asked: &Asked| turns.get(&*asked.text).copied();
    let mut sessions: BTreeMap<&str, Vec<(u64, Option<&Turn<'_>>, Option<&Turn<'_>>)>> = BTreeMap::new();
    for asked in first.values() {
        if let Some(turn) = turn_of(asked) {
            sessions.entry(turn.session).or_default().push((asked.at, None, Some(turn)));
        }
    }
    for asked in &history.asked {
        if let (Some(at), Some(turn)) = (asked.answered, turn_of(asked)) {
            sessions.entry(turn.session).or_default().push((at, Some(turn), None));
        }
    }
    let mut found = Vec::new();
    for steps in sessions.values_mut() {
        steps.sort_by_key(|(at, ..)| *at);
        let mut newest: Option<&Turn<'_>> = None;
        for (_, known, asked) in steps {
            if let (Some(turn), Some(newest)) = (asked, newest)
                && turn.accepted < newest.accepted
            {
                let what = format!("it was asked for when {:?} had been accepted, and stands before it", newest.text);
                found.push(wrong(Kind::OutOfOrder, turn.text, what));
            }
            if let Some(turn) = *known
                && newest.is_none_or(|newest| newest.accepted < turn.accepted)
            {
                newest = Some(turn);
            }
        }
    }
    found
}

fn wrong(kind: Kind, text: &str, found: impl Into<String>) -> Violation {
    Violation { kind, about: text.to_owned(), found: found.into() }
}
