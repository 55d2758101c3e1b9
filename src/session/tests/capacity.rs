//! Fewer places than sessions.

use super::*;
use crate::protocol::TenantLimits;

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

/// A session of alice's, who may have so many processes as the test says.
fn alices(chat: &str) -> SessionKey {
    SessionKey::new(alice(), Some("main"), Some(chat)).unwrap()
}

fn alice() -> TenantId {
    TenantId::new("alice").unwrap()
}

fn alice_may_have(max_live: usize) -> Tenants {
    let limits = TenantLimits { max_live: Some(max_live), ..TenantLimits::default() };
    Tenants::new([(alice(), limits)].into())
}

#[tokio::test(start_paused = true)]
async fn a_tenant_at_its_bound_makes_room_itself_and_nobody_else_does() {
    let world = World::with(|setup| setup.tenants = alice_may_have(2));
    world.ask("1", "hello").await;
    for chat in ["1", "2", "3"] {
        pass(SECOND).await;
        let mut asked = world.registry.submit(&alices(chat), world.job("hello")).await.unwrap();
        assert_eq!(text(&ending(&mut asked.reader).await), "hello");
    }
    let states = ["1", "2", "3"].map(|chat| world.registry.get(&alices(chat)).unwrap().unwrap().state);
    assert_eq!(states, ["not_loaded", "idle", "idle"], "her own, longest idle");
    assert_eq!((world.view("1").state, world.live()), ("idle", 3));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_processes_are_all_busy_waits_and_holds_nobody_up() {
    let world = World::with(|setup| setup.tenants = alice_may_have(1));
    let mut busy = world.registry.submit(&alices("1"), world.job("!pause=30s done")).await.unwrap();
    let mut waiting = world.registry.submit(&alices("2"), world.job("hello")).await.unwrap();
    let _said = within("what was said", waiting.reader.next()).await.unwrap();
    let second = within("an event", waiting.reader.next()).await.unwrap();
    assert_eq!(second.kind, EventKind::Waiting(WaitReason::Capacity));
    for chat in ["1", "2"] {
        assert_eq!(world.ask(chat, "hello").await, "hello", "another tenant's");
    }
    assert_eq!(world.registry.get(&alices("2")).unwrap().unwrap().state, "waiting");
    assert_eq!(text(&ending(&mut busy.reader).await), "done");
    assert_eq!(text(&ending(&mut waiting.reader).await), "hello");
    assert_eq!((world.live(), world.view("1").state), (3, "idle"));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_s_wait_for_its_own_place_has_the_same_limit() {
    let world = World::with(|setup| setup.tenants = alice_may_have(1));
    let busy = world.registry.submit(&alices("1"), world.job("!never")).await.unwrap();
    let mut waiting = world.registry.submit(&alices("2"), world.job("hello")).await.unwrap();
    let ending = ending(&mut waiting.reader).await;
    assert!(matches!(ending, TurnEnding::Failed(error) if error.message.contains("`max_live` of the API key")));
    drop(busy);
}
