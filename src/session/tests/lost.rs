//! A session whose agent does not know its thread any more.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::*;
use crate::protocol::{ErrorKind, Logged, LostThread, ThreadId};
use crate::store::{SessionRecord, StoreError, StoreProgress, TurnQuery, TurnRecord, Unfinished, Write};

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
    let (gate, gated) = Gated::new();
    let world = World::with(|setup| {
        forgetful(setup);
        setup.store = gated;
    });
    world.ask("1", "one").await;
    pass(601 * SECOND).await;
    let mut turn = world.submit("1", "two").await;
    within("the reading", gate.reached()).await;
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
    let (gate, gated) = Gated::new();
    let world = World::with(|setup| {
        forgetful(setup);
        setup.store = gated;
    });
    world.ask("1", "one").await;
    pass(601 * SECOND).await;
    let mut turn = world.submit("1", "two").await;
    within("the reading", gate.reached()).await;
    world.shutdown(SECOND, std::future::pending()).await;
    let ending = ending(&mut turn.reader).await;
    assert!(matches!(ending, TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart)), "{ending:?}");
    gate.open();
}

/// A store whose turns are read when the gate is opened, once for each time.
#[derive(Debug)]
struct Gated {
    store: MemoryStore,
    reached: watch::Sender<bool>,
    opened: Mutex<Receiver<()>>,
}

struct Gate {
    reached: watch::Receiver<bool>,
    open: SyncSender<()>,
}

impl Gated {
    fn new() -> (Gate, Arc<Self>) {
        let (open, opened) = sync_channel(1);
        let gated = Self {
            store: MemoryStore::new(100, 1 << 20),
            reached: watch::Sender::new(false),
            opened: Mutex::new(opened),
        };
        (Gate { reached: gated.reached.subscribe(), open }, Arc::new(gated))
    }
}

impl Gate {
    async fn reached(&self) {
        self.reached.clone().wait_for(|reached| *reached).await.expect("the store is there");
    }

    fn open(&self) {
        self.open.send(()).expect("the store is there");
    }
}

impl EventStore for Gated {
    fn write(&self, writes: Vec<Write>) -> u64 {
        self.store.write(writes)
    }

    fn progress(&self) -> watch::Receiver<StoreProgress> {
        self.store.progress()
    }

    fn session(&self, key: &SessionKey) -> Result<Option<SessionRecord>, StoreError> {
        self.store.session(key)
    }

    fn sessions(&self, tenant: &TenantId) -> Result<Vec<SessionRecord>, StoreError> {
        self.store.sessions(tenant)
    }

    fn sessions_len(&self) -> usize {
        self.store.sessions_len()
    }

    fn is_anothers(&self, tenant: &TenantId, thread: &ThreadId) -> Result<bool, StoreError> {
        self.store.is_anothers(tenant, thread)
    }

    fn turn(&self, tenant: &TenantId, turn: TurnId) -> Result<Option<TurnRecord>, StoreError> {
        self.store.turn(tenant, turn)
    }

    fn turns(&self, query: &TurnQuery) -> Result<Vec<TurnRecord>, StoreError> {
        self.reached.send_replace(true);
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("the gate is there");
        self.store.turns(query)
    }

    fn events(&self, key: &SessionKey, after: u64, max: usize) -> Result<Vec<Arc<Logged>>, StoreError> {
        self.store.events(key, after, max)
    }

    fn named(&self, tenant: &TenantId, name: &str) -> Result<Option<(TurnId, u64)>, StoreError> {
        self.store.named(tenant, name)
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.store.unfinished()
    }
}
