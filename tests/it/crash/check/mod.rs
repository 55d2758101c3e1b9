//! The checker: what is wrong with a history. It asks nobody and knows no clock.

mod numbers;
mod runs;
#[cfg(test)]
mod tests;
mod turns;
mod violation;

pub(super) use violation::{Kind, Violation};

use super::history::History;

/// Everything that must not be.
pub(super) fn violations(history: &History) -> Vec<Violation> {
    let turns = turns::of(history);
    let mut found = turns::check(history, &turns);
    found.extend(runs::check(history, &turns));
    found.extend(numbers::check(history));
    found
}
