//! A daemon that was killed, and the next one over the same store.

use super::faulty::FaultyStore;
use super::*;
use crate::protocol::ErrorKind;
use crate::session::{Restarted, Seen};
use crate::store::{Rerun, TurnQuery, TurnRecord, TurnStatus};

struct Lives {
    disk: Arc<MemoryStore>,
    world: World,
    store: Arc<FaultyStore>,
}

impl Lives {
    fn new() -> Self {
        let disk = Arc::new(MemoryStore::new(100, 1 << 20));
        let (world, store) = Self::world(&disk);
        Self { disk, world, store }
    }

    fn world(disk: &Arc<MemoryStore>) -> (World, Arc<FaultyStore>) {
        let store = FaultyStore::over(disk.clone());
        let world = World::with(|setup| {
            setup.store = store.clone();
            setup.policy.lasting = true;
        });
        (world, store)
    }

    /// The daemon dies, and another one begins.
    async fn restart(&mut self) -> Restarted {
        self.store.kill();
        (self.world, self.store) = Self::world(&self.disk);
        self.take_up().await
    }

    async fn take_up(&self) -> Restarted {
        let job = |_: &SessionKey, turn, rerun: Rerun| {
            let job = self.world.job("");
            Ok(Job { turn, request: rerun.request, directory: rerun.directory, detached: true, ..job })
        };
        within("the restart", self.world.registry.restart(job)).await.unwrap()
    }

    fn turn(&self, turn: TurnId) -> TurnRecord {
        self.world.registry.turn(&TenantId::local(), turn).unwrap().unwrap()
    }
}

async fn start(world: &World, chat: &str, input: &str) -> TurnId {
    let job = Job { detached: true, ..world.job(input) };
    within("a start", world.registry.start(&key(chat), job)).await.unwrap().turn
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_an_agent_had_is_lost_and_sessions_resume() {
    let mut lives = Lives::new();
    lives.world.ask("1", "hello").await;
    let thread = lives.world.view("1").record.thread.unwrap();
    let lost = lives.world.submit("1", "some !pause=60s more").await;
    pass(SECOND).await;
    assert_eq!(lives.restart().await, Restarted { lost: 1, ..Restarted::default() });
    let turn = lives.turn(lost.turn);
    let ending = turn.ending.clone().map(|logged| logged.kind.clone());
    let Some(EventKind::Ended(TurnEnding::Failed(error))) = ending else { panic!("{turn:?}") };
    assert_eq!((turn.status, error.kind), (TurnStatus::Failed, ErrorKind::TurnLost));
    let events = lives.world.registry.history(&key("1"), 0, 1_000).unwrap();
    let seen = |wanted: &EventKind| events.iter().any(|logged| logged.turn == lost.turn && logged.kind == *wanted);
    assert!(seen(&EventKind::TextDelta("some".into())) && seen(&EventKind::AssistantText("some".into())));
    assert!(lives.world.ask("1", "!where").await.contains("origin=resume"));
    assert_eq!(lives.world.view("1").record.thread.unwrap(), thread);
    assert_eq!(lives.restart().await, Restarted::default(), "each has its one ending");
}

#[tokio::test(start_paused = true)]
async fn of_turns_that_wait_those_run_whose_clients_do_not_ask_again() {
    let mut lives = Lives::new();
    let world = &lives.world;
    let running = world.submit("1", "!never").await;
    let read = world.submit("1", "read").await;
    let detached = start(world, "1", "detached").await;
    let job = named(world, "name", 7, "named");
    let named = world.registry.submit(&key("1"), job).await.unwrap();
    pass(SECOND).await;
    assert_eq!(lives.restart().await, Restarted { lost: 1, queued: 2, ended: 1 });
    pass(SECOND).await;
    let state = |turn| lives.turn(turn).status;
    assert_eq!(state(running.turn), TurnStatus::Failed);
    assert_eq!(state(detached), TurnStatus::Completed);
    assert_eq!(state(named.turn), TurnStatus::Completed);
    let client_gone = EventKind::Ended(TurnEnding::Interrupted(InterruptCause::ClientGone));
    assert_eq!(lives.turn(read.turn).ending.unwrap().kind, client_gone);
    let begun = |turn| lives.turn(turn).started_at.unwrap();
    assert!(begun(detached) <= begun(named.turn), "in the order in which they came");
    assert_eq!(lives.world.driver.turns(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_means_its_turn_across_a_restart() {
    let mut lives = Lives::new();
    let world = &lives.world;
    let mut first = world.registry.submit(&key("1"), named(world, "name", 7, "hello")).await.unwrap();
    let answer = text(&ending(&mut first.reader).await);
    lives.restart().await;
    let world = &lives.world;
    let mut again = world.registry.submit(&key("1"), named(world, "name", 7, "hello")).await.unwrap();
    assert_eq!((again.turn, again.is_joined), (first.turn, true));
    assert_eq!(text(&ending(&mut again.reader).await), answer);
    let other = world.registry.submit(&key("1"), named(world, "name", 8, "other")).await;
    assert_eq!(other.unwrap_err(), Denial::OtherRequest { key: "name".into() });
    assert_eq!(world.driver.turns(), 0);
}

#[tokio::test(start_paused = true)]
async fn numbers_go_on_and_none_is_used_twice() {
    let mut lives = Lives::new();
    lives.world.ask("1", "hello").await;
    let last = lives.world.view("1").record.seq;
    lives.restart().await;
    let mut observer = lives.world.registry.watch(&key("1"), Some(last)).unwrap();
    lives.world.ask("1", "again").await;
    let Some(Seen::Events(events)) = within("events", observer.next()).await else { panic!("nothing is missed") };
    assert_eq!(events[0].seq, last + 1, "nothing was under way");

    let mut lost = lives.world.submit("1", "some !pause=60s more").await;
    pass(SECOND).await;
    let mut shown = 0;
    while let Ok(Some(event)) = tokio::time::timeout(SECOND, lost.reader.next()).await {
        shown = event.seq;
    }
    lives.restart().await;
    let mut observer = lives.world.registry.watch(&key("1"), Some(shown)).unwrap();
    let Some(Seen::Missed { from, to }) = within("events", observer.next()).await else { panic!("a number twice") };
    assert_eq!(from, shown + 1);
    let Some(Seen::Events(events)) = within("events", observer.next()).await else { panic!("nothing behind the gap") };
    assert_eq!(events[0].seq, to + 1);
    assert!(matches!(events.last().unwrap().kind, EventKind::Ended(TurnEnding::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_puts_off_what_runs_after_a_restart() {
    let mut lives = Lives::new();
    let world = &lives.world;
    let mut running = world.submit("1", "!pause=5s done").await;
    let mut read = world.submit("1", "read").await;
    let detached = start(world, "1", "detached").await;
    let mut named_one = world.registry.submit(&key("1"), named(world, "name", 7, "named")).await.unwrap();
    let mut joined = world.registry.submit(&key("1"), named(world, "name", 7, "named")).await.unwrap();
    let mut watcher = world.registry.watch(&key("1"), None).unwrap();
    assert!(joined.is_joined);
    pass(SECOND).await;
    world.shutdown(10 * SECOND, std::future::pending()).await;
    assert_eq!(text(&ending(&mut running.reader).await), "done");
    assert_eq!(ending(&mut joined.reader).await, TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart));
    while let Some(seen) = within("the end of what is watched", watcher.next()).await {
        assert!(matches!(seen, Seen::Events(_)));
    }
    let before_start = TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart);
    assert_eq!(ending(&mut read.reader).await, before_start);
    assert_eq!(ending(&mut named_one.reader).await, before_start, "its client is told, too");
    assert_eq!(lives.restart().await, Restarted { queued: 2, ..Restarted::default() });
    pass(SECOND).await;
    for turn in [detached, named_one.turn] {
        assert_eq!(lives.turn(turn).status, TurnStatus::Completed);
    }
    assert_eq!(lives.turn(read.turn).status, TurnStatus::Interrupted);
    let turns = TurnQuery { limit: 10, ..TurnQuery::newest_of(&key("1")) };
    assert_eq!(lives.world.registry.turns(&turns).unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_for_a_turn_that_waited_reads_all_of_it() {
    let mut lives = Lives::new();
    let world = &lives.world;
    let _running = world.submit("1", "!never").await;
    let first = world.registry.submit(&key("1"), named(world, "name", 7, "hello")).await.unwrap();
    pass(SECOND).await;
    lives.restart().await;
    let world = &lives.world;
    let mut again = world.registry.submit(&key("1"), named(world, "name", 7, "hello")).await.unwrap();
    assert_eq!(again.turn, first.turn);
    let events = rest(&mut again.reader).await;
    let pieces = events.iter().filter_map(|event| match &event.kind {
        EventKind::TextDelta(piece) => Some(piece.as_str()),
        _ => None,
    });
    let pieces: String = pieces.collect();
    let Some(EventKind::Ended(ending)) = events.last().map(|event| &event.kind) else { panic!("{events:?}") };
    assert_eq!(pieces, text(ending));
}
