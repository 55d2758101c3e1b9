//! Whether the rounds met what they are for: rounds in which nothing happens show nothing.

use super::history::{Answer, Entry, Event, History};

/// How often something happened.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Turns were accepted, …
    pub(super) accepted: usize,
    /// … completed, …
    pub(super) completed: usize,
    /// … were lost with their daemon, …
    pub(super) lost: usize,
    /// … waited, and ended for their clients would ask again, …
    pub(super) given_up: usize,
    /// … waited, and ran under another daemon.
    pub(super) run_later: usize,
    /// Clients asked again, of another daemon, and got the same turn.
    pub(super) asked_again: usize,
    /// Clients did not hear whether their turn was accepted.
    pub(super) unanswered: usize,
}

impl Met {
    /// What there was in a history.
    pub(super) fn of(history: &History) -> Self {
        let log = history.kept.values().flat_map(|kept| &kept.log);
        let events = log.filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Missed { .. } => None,
        });
        let events: Vec<&Event> = events.collect();
        let ends = |is_it: &dyn Fn(&Event) -> bool| events.iter().filter(|event| is_it(event)).count();
        let first_life = |text: &str| history.asked.iter().filter(|a| a.text == text).map(|a| a.life).min();
        let is_later = |text: &str, life| first_life(text).is_some_and(|first| first < life);
        let accepted = || history.asked.iter().filter(|asked| asked.turn().is_some());
        Self {
            accepted: accepted().count(),
            completed: ends(&|event| event.kind == "turn_completed"),
            lost: ends(&|event| event.text("code") == "turn_lost"),
            given_up: ends(&|event| event.text("reason") == "its client went away"),
            run_later: history.marks.iter().filter(|m| m.is_begin && is_later(&m.text, m.life)).count(),
            asked_again: accepted().filter(|asked| asked.name.is_some() && is_later(&asked.text, asked.life)).count(),
            unanswered: history.asked.iter().filter(|asked| asked.answer == Answer::Lost).count(),
        }
    }

    /// Whether there was some of everything.
    pub(super) fn everything(&self) -> bool {
        let Self { accepted, completed, lost, given_up, run_later, asked_again, unanswered } = self;
        [accepted, completed, lost, given_up, run_later, asked_again, unanswered].into_iter().all(|count| *count > 0)
    }
}
