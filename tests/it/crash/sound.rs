//! The product keeps what it promises, whenever it is killed.

use std::time::Duration;

use super::check::violations;
use super::lives::{Rounds, play};
use super::met::Met;
use super::report::tell;

/// Rounds under each seed.
const ROUNDS: u32 = 60;

#[tokio::test]
async fn nothing_is_lost_or_run_twice_seed_1() {
    sound(1).await;
}

#[tokio::test]
async fn nothing_is_lost_or_run_twice_seed_2() {
    sound(2).await;
}

#[tokio::test]
async fn nothing_is_lost_or_run_twice_seed_3() {
    sound(3).await;
}

#[tokio::test]
async fn nothing_is_lost_or_run_twice_seed_4() {
    sound(4).await;
}

/// Plays the rounds of one seed, or those that the environment asks for in its place.
async fn sound(seed: u64) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let count = number("TURNMUX_CRASH_ROUNDS").map_or(ROUNDS, |count| count.try_into().expect("a smaller number"));
    let seeds = number("TURNMUX_CRASH_SEEDS").unwrap_or(1);
    let first = number("TURNMUX_CRASH_SEED").unwrap_or(0) + seed + 1_000 * (seed - 1) * u64::from(seeds > 1);
    for seed in first..first + seeds {
        let rounds = Rounds { seed, count, broken: None, settle: Duration::from_secs(30) };
        let history = play(&rounds).await;
        let found = violations(&history);
        assert!(found.is_empty(), "{rounds:?}:\n{}", tell(&history, &found));
        let met = Met::of(&history);
        assert!(met.everything() || count < ROUNDS, "{rounds:?} show nothing: {met:?}");
    }
}
