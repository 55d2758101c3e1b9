//! What waits for the store, and what happens while it keeps nothing.

use super::faulty::FaultyStore;
use super::*;
use crate::protocol::ErrorKind;
use crate::protocol::Logged;
use crate::session::machine::{Input, Machine};
use crate::session::outbox::Need;
use crate::session::writes::Writes;
use crate::store::{SessionRecord, StoreError, TurnQuery};

fn world() -> (World, Arc<FaultyStore>) {
    let store = FaultyStore::over(Arc::new(MemoryStore::new(100, 1 << 20)));
    let world = World::with(|setup| setup.store = store.clone());
    (world, store)
}

/// What has happened by the time at which nothing more happens.
async fn quiet() {
    pass(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_a_turn_and_no_agent_gets_it_before_it_is_kept() {
    let (world, store) = world();
    world.ask("1", "warm").await;
    let given = world.driver.turns();
    store.hold();
    let submitted = world.try_named("1", "name", "hello");
    tokio::pin!(submitted);
    tokio::select! {
        biased;
        _ = &mut submitted => panic!("accepted before it was kept"),
        () = quiet() => {}
    }
    assert_eq!(world.driver.turns(), given);
    store.go_on();
    assert!(text(&ending(&mut submitted.await.unwrap().reader).await).contains("hello"));
    assert_eq!(world.driver.turns(), given + 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_turn_that_nobody_can_ask_for_again_nobody_hears_before_it_is_kept_but_its_agent() {
    let (world, store) = world();
    let mut warm = world.submit("1", "warm").await;
    ending(&mut warm.reader).await;
    let given = world.driver.turns();
    store.hold();
    let submitted = world.try_submit("1", "hello");
    tokio::pin!(submitted);
    tokio::select! {
        biased;
        _ = &mut submitted => panic!("accepted before it was kept"),
        () = quiet() => {}
    }
    assert_eq!(world.driver.turns(), given + 1);
    let newest = world.registry.turns(&TurnQuery::newest_of(&key("1"))).unwrap();
    assert_eq!(newest[0].id, warm.turn, "there is nothing to see of it");
    store.go_on();
    let mut begun = submitted.await.unwrap();
    assert!(text(&ending(&mut begun.reader).await).contains("hello"));
    assert!(!world.registry.turn(&TenantId::local(), begun.turn).unwrap().unwrap().is_unread);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_an_agent_had_before_it_was_kept_ends_with_its_answer() {
    let (world, store) = world();
    world.ask("1", "warm").await;
    store.hold();
    let (begun, ()) = tokio::join!(world.try_submit("1", "hello"), async {
        quiet().await;
        store.fail("the disk is full");
    });
    let mut begun = begun.unwrap();
    assert_eq!(text(&ending(&mut begun.reader).await), "hello");
    assert!(matches!(world.try_submit("1", "more").await, Err(Denial::Store(_))));
    store.go_on();
    quiet().await;
    let newest = world.registry.turns(&TurnQuery::newest_of(&key("1"))).unwrap();
    assert_eq!((newest[0].id, newest[0].is_unread), (begun.turn, false), "it is made up for");
}

#[tokio::test(start_paused = true)]
async fn an_ending_is_shown_only_when_it_is_kept_and_what_is_behind_it_waits() {
    let (world, store) = world();
    let mut first = world.submit("1", "!pause=5s done").await;
    let mut second = world.submit("1", "next").await;
    pass(SECOND).await;
    store.hold();
    pass(8 * SECOND).await;
    assert!(watched(&world, "1").iter().all(|kind| !matches!(kind, EventKind::Ended(_))));
    store.go_on();
    assert_eq!(text(&ending(&mut first.reader).await), "done");
    let (first, second) = (first.turn, rest(&mut second.reader).await);
    let ended = position(&world, |event| event.turn == first && matches!(event.kind, EventKind::Ended(_)));
    let began = second.iter().find(|event| matches!(event.kind, EventKind::Started { .. })).unwrap();
    assert!(ended < began.seq);
}

#[tokio::test(start_paused = true)]
async fn in_trouble_nothing_is_taken_and_what_runs_ends_with_its_answer() {
    let (world, store) = world();
    let mut running = world.submit("1", "!pause=5s done").await;
    let mut waiting = world.submit("1", "next").await;
    pass(SECOND).await;
    store.fail("the disk is full");
    let full = Denial::Store(StoreError::new("the disk is full"));
    assert_eq!(world.try_submit("1", "more").await.unwrap_err(), full);
    assert_eq!(world.try_submit("2", "new").await.unwrap_err(), full);
    assert_eq!(text(&ending(&mut running.reader).await), "done");
    // It would begin now, and nobody would know that it did.
    let TurnEnding::Failed(error) = ending(&mut waiting.reader).await else { panic!("it did not fail") };
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::StoreUnavailable, "the disk is full"));
    let given = world.driver.turns();
    store.go_on();
    assert!(world.ask("1", "again").await.contains("again"));
    assert_eq!(world.driver.turns(), given + 1, "what was refused is not made up for");
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_acceptance_is_not_kept_never_was() {
    let (world, store) = world();
    let mut running = world.submit("1", "!pause=5s done").await;
    pass(SECOND).await;
    store.hold();
    let (behind, alone, ()) =
        tokio::join!(world.try_submit("1", "behind"), world.try_named("2", "name", "alone"), async {
            quiet().await;
            store.fail("the disk is full");
        });
    let full = Denial::Store(StoreError::new("the disk is full"));
    assert_eq!((behind.unwrap_err(), alone.unwrap_err()), (full.clone(), full));
    store.go_on();
    assert_eq!(text(&ending(&mut running.reader).await), "done");
    quiet().await;
    assert_eq!(world.driver.turns(), 1, "their clients were told no");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_after_a_while() {
    let (world, store) = world();
    world.ask("1", "warm").await;
    store.hold();
    let begin = tokio::time::Instant::now();
    let denial = world.try_named("1", "name", "hello").await.unwrap_err();
    assert!(matches!(denial, Denial::Store(_)) && denial.to_string().contains("store.path"), "{denial}");
    assert!(begin.elapsed() < 11 * SECOND);
    store.go_on();
    quiet().await;
    assert_eq!(world.driver.turns(), 1);
    world.shutdown(SECOND, std::future::pending()).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_hang_on_a_store_that_does() {
    let (world, store) = world();
    let mut running = world.submit("1", "!pause=5s done").await;
    pass(SECOND).await;
    store.hold();
    world.shutdown(20 * SECOND, std::future::pending()).await;
    assert_eq!(text(&ending(&mut running.reader).await), "done");
}

/// The session's events that can be seen.
fn watched(world: &World, chat: &str) -> Vec<EventKind> {
    let turns = world.registry.turns(&TurnQuery::newest_of(&key(chat))).unwrap();
    turns.iter().filter_map(|turn| turn.ending.as_ref().map(|ending| ending.kind.clone())).collect()
}

fn position(world: &World, is_meant: impl Fn(&Event) -> bool) -> u64 {
    let events = world.registry.history(&key("1"), 0, 1_000).unwrap();
    events.iter().find(|logged| is_meant(&logged.event)).unwrap().seq
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_told_twice_to_end_before_its_end_is_kept_does_end() {
    let (world, store) = world();
    world.ask("1", "hello").await;
    store.hold();
    world.registry.shut_down();
    pass(SECOND).await;
    world.registry.shut_down_now();
    pass(SECOND).await;
    store.go_on();
    within("the end of the session", world.registry.emptied()).await;
}

/// Takes an event and gives it to the store; the number of that.
fn say(writes: &mut Writes, machine: &Machine, seq: u64) -> u64 {
    let kind = EventKind::AssistantText("hello".into());
    writes.event(&Logged::now(Event { seq, turn: TurnId::generate(), kind }));
    writes.at_once();
    writes.flush(machine, seq).expect("it is not to wait")
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_the_write_that_reserved_its_number_and_for_no_later_one() {
    let (world, store) = world();
    let record = SessionRecord::first(&key("1"), world.spec.id.clone(), "scripted", "/srv".into());
    let idle = Machine::new(record.clone(), policy());
    let mut busy = Machine::new(record.clone(), policy());
    busy.handle(std::time::Instant::now(), Input::Submit(Box::new(world.job("hello"))));
    let mut writes = Writes::new(store.clone(), &record);
    assert_eq!(writes.need(1), Need::Batch);
    store.hold();
    let reserves = say(&mut writes, &busy, 1);
    assert_eq!(writes.need(2), Need::Write(reserves));
    assert!(say(&mut writes, &busy, 2) > reserves);
    assert_eq!(writes.need(3), Need::Write(reserves));
    store.go_on();
    store.hold();
    assert!(say(&mut writes, &busy, 3) > reserves);
    assert_eq!(writes.need(4), Need::Nothing);
    // Without a turn nothing is taken beyond what was shown.
    writes.save();
    say(&mut writes, &idle, 4);
    assert_eq!(writes.need(5), Need::Batch);
}
