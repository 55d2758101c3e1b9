//! The end of the daemon.

use super::*;

/// Tasks of this test's runtime, less the test's own.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn running_turns_finish_waiting_ones_end_and_no_task_is_left() {
    let world = World::new();
    world.ask("idle", "hello").await;
    let mut running = world.submit("1", "!pause=5s done").await;
    let mut waiting = world.submit("1", "two").await;
    pass(SECOND).await;
    assert!(tasks() > 0);
    world.shutdown(10 * SECOND, std::future::pending()).await;
    assert_eq!((world.live(), world.registry.counts().1), (0, 0));
    assert_eq!(tasks(), 0);
    assert_eq!(text(&ending(&mut running.reader).await), "done");
    assert!(matches!(ending(&mut waiting.reader).await, TurnEnding::Interrupted(_)));
    assert_eq!(world.try_submit("1", "three").await.unwrap_err(), Denial::ShuttingDown);
    assert_eq!(world.try_submit("new", "three").await.unwrap_err(), Denial::ShuttingDown);
    assert!(world.view("1").record.thread.is_some(), "what lasts is kept");
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_running_turns_are_stopped() {
    let world = World::new();
    let mut running = world.submit("1", "!pause=60s done").await;
    let mut deaf = world.submit("2", "!deaf !never").await;
    pass(SECOND).await;
    let begin = tokio::time::Instant::now();
    world.shutdown(10 * SECOND, std::future::pending()).await;
    assert!(begin.elapsed() >= 20 * SECOND, "the grace, and the wait for the one that does not listen");
    for reader in [&mut running.reader, &mut deaf.reader] {
        assert!(matches!(ending(reader).await, TurnEnding::Interrupted(_)));
    }
    assert_eq!((world.live(), tasks()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_cuts_the_grace_short() {
    let world = World::new();
    let mut running = world.submit("1", "!never").await;
    pass(SECOND).await;
    let begin = tokio::time::Instant::now();
    world.shutdown(LONG, pass(2 * SECOND)).await;
    assert!(begin.elapsed() < 3 * SECOND);
    assert!(matches!(ending(&mut running.reader).await, TurnEnding::Interrupted(_)));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_starts_or_waits_for_a_place_is_stopped() {
    let world = World::with(|setup| {
        setup.max_live = 1;
        setup.args = vec!["start=30s".into()];
    });
    let mut starting = world.submit("1", "one").await;
    let mut waiting = world.submit("2", "two").await;
    world.shutdown(10 * SECOND, std::future::pending()).await;
    for reader in [&mut starting.reader, &mut waiting.reader] {
        assert!(matches!(ending(reader).await, TurnEnding::Interrupted(_)));
    }
    assert_eq!((world.live(), tasks()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_does_not_hold_up_the_end() {
    let world = World::new();
    let running = world.submit("1", "!count=1000").await;
    pass(SECOND).await;
    let begin = tokio::time::Instant::now();
    world.shutdown(SECOND, std::future::pending()).await;
    assert!(begin.elapsed() < 10 * SECOND, "{:?}", begin.elapsed());
    drop(running);
}
