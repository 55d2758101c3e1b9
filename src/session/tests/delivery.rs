//! The hand-off by itself.

use futures_util::FutureExt as _;

use super::*;
use crate::protocol::Logged;
use crate::session::READER_MAX;
use crate::session::delivery::Readers;

fn delta(turn: TurnId) -> Arc<Logged> {
    Logged::now(Event { seq: 0, turn, kind: EventKind::TextDelta("x".into()) })
}

fn end(turn: TurnId) -> Arc<Logged> {
    Logged::now(Event { seq: 0, turn, kind: EventKind::Ended(TurnEnding::Interrupted(InterruptCause::Agent)) })
}

fn fill(readers: &mut Readers, turn: TurnId) {
    for _ in 0..READER_MAX {
        readers.deliver(delta(turn));
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_held_and_handed_over_in_order() {
    let (mut readers, turn) = (Readers::default(), TurnId::generate());
    let mut reader = readers.open(turn);
    fill(&mut readers, turn);
    assert!(!readers.holding());
    readers.deliver(delta(turn));
    readers.deliver(end(turn));
    assert!(readers.holding());
    assert!(readers.press().now_or_never().is_none(), "there is no room");
    for _ in 0..2 {
        reader.next().await;
        assert!(readers.press().now_or_never().is_some());
    }
    assert!(!readers.holding() && readers.stalled_since().is_none());
    let events = rest(&mut reader).await;
    assert_eq!(events.len(), READER_MAX);
    assert!(matches!(events.last().unwrap().kind, EventKind::Ended(_)));
}

#[tokio::test(start_paused = true)]
async fn each_stalled_reader_is_let_go_in_its_turn() {
    let (mut readers, a, b) = (Readers::default(), TurnId::generate(), TurnId::generate());
    let _readers = (readers.open(a), readers.open(b));
    for turn in [a, b] {
        fill(&mut readers, turn);
        readers.deliver(delta(turn));
    }
    assert_eq!(readers.let_go_stalled(), Some(a));
    assert!(readers.holding() && readers.stalled_since().is_some(), "or nothing would ever let the second one go");
    assert_eq!(readers.let_go_stalled(), Some(b));
    assert!(!readers.holding() && readers.stalled_since().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_has_left_if_it_goes_before_the_end_and_was_not_let_go() {
    let mut readers = Readers::default();
    let turns = [(); 4].map(|()| TurnId::generate());
    let [early, noticed, done, stalled] = turns;
    let [early_reader, noticed_reader, done_reader, stalled_reader] = turns.map(|turn| readers.open(turn));
    readers.deliver(end(done));
    drop(done_reader);
    fill(&mut readers, stalled);
    readers.deliver(delta(stalled));
    readers.let_go_stalled();
    drop(stalled_reader);
    assert!(readers.left().now_or_never().is_none(), "one had everything, the other was let go");
    drop((early_reader, noticed_reader));
    readers.deliver(delta(noticed));
    let left = [readers.left().await, readers.left().await];
    assert!(left.contains(&early) && left.contains(&noticed), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_leaves_holds_nothing_up() {
    let (mut readers, turn) = (Readers::default(), TurnId::generate());
    let reader = readers.open(turn);
    fill(&mut readers, turn);
    readers.deliver(delta(turn));
    readers.deliver(delta(turn));
    drop(reader);
    assert!(readers.press().now_or_never().is_some());
    assert!(!readers.holding());
    assert_eq!(readers.left().now_or_never(), Some(turn), "and its turn hears of it");
}
