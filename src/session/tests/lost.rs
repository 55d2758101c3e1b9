//! A session whose agent does not know its thread any more.

use super::faulty::{FaultyStore, Gate};
use super::*;
use crate::protocol::{ErrorKind, LostThread, ThreadId};

/// The agents of these sessions know no thread that they are to resume.
fn forgetful(setup: &mut Setup) {
    setup.args = vec!["forgets".into()];
}

/// The turn's losses, each with the number of messages that the new thread was told.
fn losses(events: &[Event]) -> Vec<(ThreadId, ThreadId, usize)> {
    let loss = |event: &Event| match &event.kind {
        EventKind::ContextLost { from, to, recalled } => Some((from.clone(), to.clone(), *recalled)),
        _ => None,
    };
    events.iter().filter_map(loss).collect()
}

/// A turn that waits for its conversation, which is being read.
async fn reading() -> (World, Gate, Accepted) {
    let (gate, gated) = FaultyStore::gated();
    let world = World::with(|setup| {
        forgetful(setup);
        setup.store = gated;
    });
    world.ask("1", "one").await;
    pass(601 * SECOND).await;
    let turn = world.submit("1", "two").await;
    within("the reading", gate.reached()).await;
    (world, gate, turn)
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_with_a_thread_that_is_told_the_conversation() {
    let world = World::with(forgetful);
    let first = world.submit("1", "one").await.thread;
    world.ask("1", "two").await;
    pass(601 * SECOND).await;
    let mut turn = world.submit("1", "three !where").await;
    assert!(turn.is_provisional && turn.thread == first);
    let beginning = turn.reader.look_for(|kind| matches!(kind, EventKind::ContextLost { .. })).await.unwrap();
    let events = rest(&mut turn.reader).await;
    assert!(events.contains(&beginning.event), "what was looked at is still to be read");
    let [(from, to, 4)] = &losses(&events)[..] else { panic!("{events:?}") };
    let lost = events.iter().position(|event| matches!(event.kind, EventKind::ContextLost { .. })).unwrap();
    assert!(events[lost + 1..].iter().any(|event| event.kind == EventKind::Started { thread: to.clone() }));
    assert_eq!(*from, first);
    let Some(EventKind::Ended(ending)) = events.last().map(|event| event.kind.clone()) else { panic!("{events:?}") };
    assert!(text(&ending).ends_with("origin=new turn=1 model=none prefaces=1"), "{}", text(&ending));
    // It is a thread like any other from here on.
    let mut next = world.submit("1", "four !where").await;
    assert_eq!((&next.thread, next.is_provisional), (to, false));
    let events = rest(&mut next.reader).await;
    assert_eq!(losses(&events), []);
    assert_eq!(world.view("1").record.generation, 1);
}

#[tokio::test(start_paused = true)]
async fn by_configuration_the_turn_fails() {
    let world = World::with(|setup| {
        forgetful(setup);
        setup.policy.lost_thread = LostThread::Fail;
    });
    world.ask("1", "one").await;
    pass(601 * SECOND).await;
    let TurnEnding::Failed(error) = ending(&mut world.submit("1", "two").await.reader).await else { panic!("it ran") };
    assert_eq!(error.kind, ErrorKind::ThreadNotFound);
    assert!(world.registry.reset(&key("1")).await.unwrap());
    assert_eq!(world.ask("1", "three").await, "three");
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_a_conversation_that_knows_nothing_of_the_one_before() {
    let world = World::with(forgetful);
    world.ask("1", "one").await;
    world.registry.reset(&key("1")).await.unwrap();
    world.ask("1", "two").await;
    pass(601 * SECOND).await;
    let events = rest(&mut world.submit("1", "three").await.reader).await;
    assert!(matches!(losses(&events)[..], [(_, _, 2)]), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_turn_can_be_stopped_while_its_conversation_is_read() {
    let (world, gate, mut turn) = reading().await;
    assert_eq!(world.view("1").state, "recalling");
    assert!(matches!(world.interrupt("1").await, Interrupted::Confirmed(_)));
    assert!(matches!(ending(&mut turn.reader).await, TurnEnding::Interrupted(InterruptCause::Request)));
    gate.open();
    gate.open();
    let events = rest(&mut world.submit("1", "three").await.reader).await;
    assert!(matches!(losses(&events)[..], [(_, _, 2)]), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_what_is_read() {
    let (world, gate, mut turn) = reading().await;
    world.shutdown(SECOND, std::future::pending()).await;
    let ending = ending(&mut turn.reader).await;
    assert!(matches!(ending, TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart)), "{ending:?}");
    gate.open();
}
