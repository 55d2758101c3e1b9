//! Daemons with one fault each: the checker finds it, and says what it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{Kind, violations};
use super::lives::{Rounds, play};
use super::report::tell;

/// Rounds under each seed, …
const ROUNDS: u32 = 8;
/// … and how many seeds it may take.
const SEEDS: u64 = 12;

#[tokio::test]
async fn an_answer_before_it_is_kept_is_found() {
    found("ack_before_commit", Kind::AcceptedLost).await;
}

#[tokio::test]
async fn a_lost_turn_that_runs_again_is_found() {
    found("rerun_lost", Kind::RunTwice).await;
}

#[tokio::test]
async fn the_last_before_the_first_is_found() {
    found("lifo", Kind::OutOfOrder).await;
}

#[tokio::test]
async fn a_turn_that_never_ends_is_found() {
    found("lost_ending", Kind::NoEnding).await;
}

async fn found(fault: &'static str, kind: Kind) {
    let mut others = Vec::new();
    for seed in 1..=SEEDS {
        let broken = Some((program(), fault));
        let rounds = Rounds { seed, count: ROUNDS, broken, settle: Duration::from_secs(1) };
        let history = play(&rounds).await;
        let found = violations(&history);
        if found.iter().any(|violation| violation.kind == kind) {
            return;
        }
        others.push(tell(&history, &found));
    }
    panic!("{fault} was not found in {SEEDS} times {ROUNDS} rounds; what was found:\n{}", others.join("\n"));
}

/// The daemon that can be broken. Panics when it is not there: without it the checker is not checked.
fn program() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_turnmux")).parent().expect("the program lies in a folder");
    let path = programs.join("turnmux-broken");
    assert!(path.exists(), "{} is not there: run scripts/test, which builds it", path.display());
    path
}
