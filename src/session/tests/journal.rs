//! The journal by itself: numbers, observers and their slots, the budget.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use std::sync::Arc;

use super::SECOND;
use crate::protocol::{
    BackendId, Event, EventKind, InterruptCause, Logged, SessionKey, TenantId, ThreadId, TurnEnding, TurnId,
};
use crate::session::journal::{Journal, WatchError, Writer};
use crate::session::{Observer, Seen};
use crate::store::{MemoryStore, TurnRecord, TurnStatus};

fn key(chat: &str) -> SessionKey {
    SessionKey::new(TenantId::local(), Some("tester"), Some(chat)).unwrap()
}

/// With nothing in the store.
fn journal(budget: usize) -> Journal {
    Journal::new(budget, Arc::new(MemoryStore::new(1, 0)))
}

struct Talk {
    writer: Writer,
    turn: TurnId,
    seq: u64,
}

impl Talk {
    fn new(journal: &Journal, chat: &str) -> Self {
        let talk = Self { writer: journal.writer(&key(chat), 0), turn: TurnId::generate(), seq: 0 };
        talk.accept(talk.turn);
        talk
    }

    fn accept(&self, turn: TurnId) {
        let (backend, thread) = (BackendId::new("scripted"), ThreadId::generate());
        self.writer.accepted(TurnRecord::accepted(turn, self.writer.key().clone(), backend, thread, self.seq + 1));
    }

    fn say(&mut self, text: &str) {
        self.log(EventKind::TextDelta(text.into()));
    }

    fn end(&mut self) {
        self.log(EventKind::Ended(TurnEnding::Interrupted(InterruptCause::Request)));
    }

    fn log(&mut self, kind: EventKind) {
        self.seq += 1;
        self.writer.append(&Logged::now(Event { seq: self.seq, turn: self.turn, kind }));
    }
}

/// Everything that comes until the end, or until nothing comes.
async fn all(observer: &mut Observer) -> String {
    let mut seen = Vec::new();
    while let Ok(next) = tokio::time::timeout(SECOND, observer.next()).await {
        match next {
            Some(Seen::Events(events)) => seen.extend(events.iter().map(|logged| logged.seq.to_string())),
            Some(Seen::Missed { from, to }) => seen.push(format!("missed {from}-{to}")),
            None => {
                seen.push("over".into());
                break;
            }
        }
    }
    seen.join(" ")
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_what_follows_the_number_that_it_names() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    talk.say("one");
    talk.say("two");
    let mut from_now = journal.watch(&key("a"), 0, None).unwrap();
    let mut from_the_start = journal.watch(&key("a"), 0, Some(0)).unwrap();
    assert_eq!(all(&mut from_now).await, "");
    assert_eq!(all(&mut from_the_start).await, "1 2");
    talk.say("three");
    assert_eq!((all(&mut from_now).await, all(&mut from_the_start).await), ("3".into(), "3".into()));
    assert_eq!(journal.watch(&key("a"), 0, Some(4)).unwrap_err(), WatchError::Future { last: 3 });
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_alone_is_woken() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    talk.say("to nobody");
    let mut observer = journal.watch(&key("a"), 0, None).unwrap();
    // Polled in this order: the observer waits when something is said.
    let (seen, ()) = tokio::join!(timeout(SECOND, observer.next()), async { talk.say("to one") });
    let Ok(Some(Seen::Events(events))) = seen else { panic!("it sleeps on") };
    assert_eq!(events[0].seq, 2);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_watched_from_its_beginning_to_its_end() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    talk.say("one");
    let first = talk.turn;
    let waiting = TurnId::generate();
    talk.accept(waiting);
    talk.turn = waiting;
    talk.say("the other's");
    talk.turn = first;
    let tenant = TenantId::local();
    let mut observer = journal.watch_turn(&tenant, first, None).unwrap();
    assert_eq!(all(&mut observer).await, "1");
    talk.end();
    assert_eq!(all(&mut observer).await, "3 over");
    assert_eq!(all(&mut journal.watch_turn(&tenant, first, Some(1)).unwrap()).await, "3 over");
    assert_eq!(all(&mut journal.watch_turn(&tenant, waiting, None).unwrap()).await, "2");
    let other = TenantId::new("other").unwrap();
    assert_eq!(journal.watch_turn(&other, first, None).unwrap_err(), WatchError::Unknown);
    let view = journal.turn(&tenant, first).unwrap().unwrap();
    assert_eq!((view.status, view.first_seq, view.last_seq), (TurnStatus::Interrupted, 1, Some(3)));
    assert!(view.ending.is_some() && journal.turn(&other, first).unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_all_sessions_go_first_and_who_was_slow_is_told() {
    let journal = journal(3_000);
    let (mut a, mut b) = (Talk::new(&journal, "a"), Talk::new(&journal, "b"));
    let mut slow = journal.watch(&key("a"), 0, Some(0)).unwrap();
    a.say("one");
    a.end();
    for _ in 0..8 {
        b.say("something");
    }
    assert_eq!(all(&mut slow).await, "1 2");
    let mut slow = journal.watch(&key("a"), 0, Some(0)).unwrap();
    for _ in 0..8 {
        b.say("something");
        assert!(journal.bytes() <= 3_000, "{}", journal.bytes());
    }
    assert_eq!(all(&mut slow).await, "missed 1-2");
    assert!(journal.turn(&TenantId::local(), a.turn).unwrap().is_none(), "with its ending the turn is gone");
    a.say("later");
    assert_eq!(all(&mut slow).await, "3");
    b.say(&"x".repeat(10_000));
    assert!(all(&mut journal.watch(&key("b"), 0, Some(16)).unwrap()).await == "17", "the newest is always kept");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_session_ends_its_observers_and_its_turns() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    talk.say("one");
    let mut observer = journal.watch(&key("a"), 0, Some(0)).unwrap();
    journal.forget(&key("a"));
    assert_eq!(all(&mut observer).await, "1 over");
    assert!(journal.turn(&TenantId::local(), talk.turn).unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_counted() {
    let journal = journal(1 << 20);
    let talk = Talk::new(&journal, "a");
    let listeners = talk.writer.listeners();
    let observer = journal.watch(&key("a"), 0, None).unwrap();
    let of_the_turn = journal.watch_turn(&TenantId::local(), talk.turn, None);
    assert_eq!((*listeners.borrow(), of_the_turn.is_ok()), (2, true));
    drop((observer, of_the_turn));
    assert_eq!(*listeners.borrow(), 0);
}

/// After how many milliseconds each gets something, when an event is written while they wait.
async fn waits(observers: &mut [Observer], talk: &mut Talk) -> Vec<u128> {
    let begun = Instant::now();
    let looks = observers.iter_mut().map(|observer| async move {
        assert!(observer.next_in_turn().await.is_some());
        begun.elapsed().as_millis()
    });
    tokio::join!(join_all(looks), async { talk.say("something") }).0
}

#[tokio::test(start_paused = true)]
async fn those_who_watch_a_session_that_grows_look_one_after_the_other() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    let mut observers: Vec<_> = (0..4).map(|_| journal.watch(&key("a"), 0, None).unwrap()).collect();
    assert_eq!(waits(&mut observers, &mut talk).await, [0, 3, 6, 9], "the first at once");
    assert_eq!(waits(&mut observers, &mut talk).await, [3, 6, 9, 12], "the last slot was now");
    tokio::time::advance(Duration::from_millis(20)).await;
    assert_eq!(waits(&mut observers[..1], &mut talk).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn who_only_catches_up_takes_no_slot() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    let mut at_the_tip = [journal.watch(&key("a"), 0, None).unwrap()];
    (0..600).for_each(|_| talk.say("something"));
    assert_eq!(waits(&mut at_the_tip, &mut talk).await, [0]);
    let mut behind = journal.watch(&key("a"), 0, Some(0)).unwrap();
    let begun = Instant::now();
    for first in [1, 257, 513] {
        let Some(Seen::Events(events)) = behind.next_in_turn().await else { panic!("nothing from {first} on") };
        assert_eq!((events[0].seq, begun.elapsed()), (first, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_kept_over_a_heartbeat_and_those_of_observers_who_left_do_not_count() {
    let journal = journal(1 << 20);
    let mut talk = Talk::new(&journal, "a");
    let mut observers: Vec<_> = (0..9).map(|_| journal.watch(&key("a"), 0, None).unwrap()).collect();
    talk.say("something");
    let begun = Instant::now();
    let heartbeat = Duration::from_millis(1);
    let heard = join_all(observers.iter_mut().map(|observer| timeout(heartbeat, observer.next_in_turn()))).await;
    assert_eq!(heard.iter().filter(|heard| heard.is_ok()).count(), 1);
    observers.truncate(2);
    observers[1].next_in_turn().await;
    assert_eq!(begun.elapsed().as_millis(), 3, "it has the slot that it had");
    // Seven more were given out.
    assert_eq!(waits(&mut observers[..1], &mut talk).await, [6], "for two who watch");
}
