//! Fewer places than sessions.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_session_that_has_been_idle_longest_makes_room_and_no_other() {
    let world = World::with(|setup| {
        setup.max_live = 3;
        // It takes a while to go; the newcomer still waits then.
        setup.args = vec!["stop=2s".into()];
    });
    for chat in ["1", "2", "3"] {
        world.ask(chat, "hello").await;
        pass(SECOND).await;
    }
    world.ask("1", "hello again").await;
    let mut newcomer = world.submit("4", "!where").await;
    let events = rest(&mut newcomer.reader).await;
    assert_eq!(events[1].kind, EventKind::Waiting(WaitReason::Capacity));
    let states = ["1", "2", "3", "4"].map(|chat| world.view(chat).state);
    assert_eq!(states, ["idle", "not_loaded", "idle", "idle"], "2 has been idle longest");
    assert_eq!(world.live(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_newcomers_take_two_places() {
    let world = World::with(|setup| {
        setup.max_live = 3;
        setup.args = vec!["stop=2s".into()];
    });
    for chat in ["1", "2", "3"] {
        world.ask(chat, "hello").await;
    }
    tokio::join!(world.ask("4", "hello"), world.ask("5", "hello"));
    let states = ["1", "2", "3", "4", "5"].map(|chat| world.view(chat).state);
    assert_eq!(states, ["not_loaded", "not_loaded", "idle", "idle", "idle"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_retired_comes_back_with_its_thread() {
    let world = World::with(|setup| setup.max_live = 1);
    let mut first = world.submit("1", "hello").await;
    ending(&mut first.reader).await;
    world.ask("2", "hello").await;
    assert_eq!(world.view("1").state, "not_loaded");
    let answer = world.ask("1", "!where").await;
    assert!(answer.starts_with(&format!("thread={} origin=resume", first.thread)), "{answer}");
    assert_eq!(world.live(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_busy_the_newcomer_waits_and_is_told() {
    let world = World::with(|setup| setup.max_live = 1);
    let mut busy = world.submit("1", "!pause=30s done").await;
    let mut newcomer = world.submit("2", "hello").await;
    let _said = within("what was said", newcomer.reader.next()).await.unwrap();
    let second = within("an event", newcomer.reader.next()).await.unwrap();
    assert_eq!(second.kind, EventKind::Waiting(WaitReason::Capacity));
    pass(20 * SECOND).await;
    assert_eq!(world.view("2").state, "waiting");
    assert_eq!(text(&ending(&mut busy.reader).await), "done", "nothing that runs is stopped for it");
    assert_eq!(text(&ending(&mut newcomer.reader).await), "hello");
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_so_and_who_leaves_the_line_keeps_no_place() {
    let world = World::with(|setup| setup.max_live = 1);
    let busy = world.submit("1", "!never").await;
    let mut waiting = world.submit("2", "hello").await;
    let left = world.submit("3", "hello").await;
    drop(left);
    let ending = ending(&mut waiting.reader).await;
    assert!(matches!(ending, TurnEnding::Failed(error) if error.retry_after.is_some()));
    assert_eq!((world.live(), world.view("2").state, world.view("3").state), (1, "not_loaded", "not_loaded"));
    drop(busy);
    assert_eq!(world.ask("4", "hello").await, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_could_not_start_gives_its_place_back() {
    let mut world = World::with(|setup| setup.max_live = 1);
    world.spec.args = vec!["refuse".into()];
    ending(&mut world.submit("1", "hello").await.reader).await;
    world.spec.args = Vec::new();
    assert_eq!(world.ask("2", "hello").await, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_wants_its_place_back_is_a_newcomer_like_any_other() {
    let world = World::with(|setup| {
        setup.max_live = 2;
        setup.args = vec!["stop=2s".into()];
    });
    world.ask("1", "hello").await;
    world.ask("2", "hello").await;
    let mut newcomer = world.submit("3", "!never").await;
    pass(SECOND).await;
    assert_eq!(world.view("1").state, "stopping", "it makes room for 3");
    assert!(world.ask("1", "!where").await.contains("origin=resume"));
    assert_eq!(world.view("2").state, "not_loaded", "and 2 makes room for it");
    world.interrupt("3").await;
    ending(&mut newcomer.reader).await;
}
