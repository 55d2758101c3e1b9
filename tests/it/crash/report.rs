//! A violation for people: what it is about, and everything in the history that has to do with that, in order.

use std::fmt::Write as _;

use super::check::Violation;
use super::history::{Entry, History};

/// Most violations that are told: the first one is what matters.
const TOLD_MAX: usize = 3;

/// The first of them, with what led there.
pub(super) fn tell(history: &History, violations: &[Violation]) -> String {
    let mut out = String::new();
    for violation in violations.iter().take(TOLD_MAX) {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{violation}");
        about(history, &violation.about, &mut out);
    }
    if violations.len() > TOLD_MAX {
        let _ = writeln!(out, "… and {} more", violations.len() - TOLD_MAX);
    }
    out
}

fn about(history: &History, about: &str, out: &mut String) {
    // A turn is known by its id in the journal, and by its text among the agents.
    let texts: Vec<&str> = history
        .asked
        .iter()
        .filter(|asked| asked.text == about || asked.turn() == Some(about))
        .map(|asked| &*asked.text)
        .collect();
    let turns: Vec<&str> =
        history.asked.iter().filter(|a| texts.contains(&&*a.text)).filter_map(|a| a.turn()).collect();
    for asked in history.asked.iter().filter(|asked| texts.contains(&&*asked.text)) {
        let _ = writeln!(out, "    asked  {asked:?}");
    }
    for mark in history.marks.iter().filter(|mark| texts.contains(&&*mark.text)) {
        let _ = writeln!(out, "    ran    {mark:?}");
    }
    for entry in history.kept.values().flat_map(|kept| &kept.log) {
        let Entry::Event(event) = entry else { continue };
        if event.turn == about
            || turns.contains(&&*event.turn)
            || texts.contains(&super::history::first_line(event.text("text")))
        {
            let _ = writeln!(out, "    kept   {event:?}");
        }
    }
    for seen in history.seen.iter().filter(|seen| seen.event.turn == about || turns.contains(&&*seen.event.turn)) {
        let _ = writeln!(out, "    seen   {:?}", seen.event);
    }
    for down in &history.downs {
        let _ = writeln!(out, "    {down:?}");
    }
}
