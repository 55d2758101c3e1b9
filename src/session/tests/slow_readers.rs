//! Readers that take nothing: the agent is held up, but nothing else is.

use super::*;
use crate::driver::CHANNEL_MAX;
use crate::session::READER_MAX;

fn deltas(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event.kind, EventKind::TextDelta(_))).count()
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_up_the_agent_and_gets_everything() {
    let world = World::new();
    let mut turn = world.submit("1", "!count=1000").await;
    pass(59 * SECOND).await;
    assert_eq!(world.view("1").state, "active", "nobody takes its events, so it does not end");
    let events = rest(&mut turn.reader).await;
    assert_eq!(deltas(&events), 1000);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_passes_a_slow_reader_and_the_process_is_kept() {
    let world = World::new();
    let mut turn = world.submit("1", "!count=1000").await;
    pass(SECOND).await;
    let begin = tokio::time::Instant::now();
    assert_eq!(world.interrupt("1").await, Interrupted::Confirmed(turn.turn));
    assert!(begin.elapsed() < SECOND, "the agent stopped at once, and so does the turn");
    let events = rest(&mut turn.reader).await;
    assert!(matches!(events.last().unwrap().kind, EventKind::Ended(TurnEnding::Interrupted(_))));
    assert!(deltas(&events) <= READER_MAX + 1 + CHANNEL_MAX, "the agent was held up");
    assert!(world.ask("1", "!where").await.contains("turn=2"));
    assert_eq!(world.driver.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_for_long_is_let_go_and_its_turn_goes_on() {
    let world = World::new();
    let mut turn = world.submit("1", "!count=200 !pause=60s !where").await;
    pass(61 * SECOND).await;
    let events = rest(&mut turn.reader).await;
    assert_eq!(events.len(), READER_MAX, "it gets what it was given");
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Ended(_))));
    drop(turn.reader);
    pass(30 * SECOND).await;
    assert_eq!(world.view("1").turn, Some(turn.turn), "that it leaves now is no wish to stop");
    pass(60 * SECOND).await;
    assert_eq!(world.view("1").state, "idle");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_a_little_at_a_time_is_not_let_go() {
    let world = World::new();
    let mut turn = world.submit("1", "!count=150").await;
    let mut taken = 0;
    while within("an event", turn.reader.next()).await.is_some() {
        taken += 1;
        pass(50 * SECOND).await;
    }
    assert!(taken > 150, "{taken}");
}

#[tokio::test(start_paused = true)]
async fn the_silence_of_an_agent_that_is_held_up_is_not_its_own() {
    let world = World::with(|setup| setup.policy.limits.silence = Some(5 * SECOND));
    let mut turn = world.submit("1", "!count=1000").await;
    pass(50 * SECOND).await;
    assert_eq!(deltas(&rest(&mut turn.reader).await), 1000);
    // The same when the reader is let go.
    let turn = world.submit("1", "!count=1000 !pause=4s").await;
    pass(62 * SECOND).await;
    assert_eq!(world.view("1").turn, Some(turn.turn));
    let mut silent = world.submit("1", "!pause=6s").await;
    assert!(matches!(ending(&mut silent.reader).await, TurnEnding::Failed(_)), "the limit is there");
}

#[tokio::test(start_paused = true)]
async fn a_turn_behind_a_slow_reader_is_late_but_not_lost() {
    let world = World::with(|setup| setup.policy.limits.first_event = 5 * SECOND);
    let slow = world.submit("1", "!count=1000").await;
    let mut next = world.submit("1", "two").await;
    pass(SECOND).await;
    world.interrupt("1").await;
    pass(30 * SECOND).await;
    assert_eq!(world.view("1").turn, Some(next.turn), "it waits for the reader of the turn before");
    assert_eq!(text(&ending(&mut next.reader).await), "two");
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_a_turn_that_crashed_does_not_hold_up_the_next_start() {
    let world = World::with(|setup| {
        setup.policy.limits.reader_stall = 600 * SECOND;
        setup.policy.limits.turn = Some(50 * SECOND);
        setup.args = vec!["stop=1s".into()];
    });
    let slow = world.submit("1", "!count=1000 !deaf !never").await;
    let next = world.submit("1", "two").await;
    // The limit is reached while the reader presses back; the agent does not listen and is stopped.
    pass(100 * SECOND).await;
    assert_eq!(world.view("1").turn, Some(next.turn));
    drop((slow, next));
}
