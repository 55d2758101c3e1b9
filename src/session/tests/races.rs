//! Callers that come at the wrong moment. A session's task ends by itself, so whoever finds it may be too late.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::driver::{Attachment, Driver, OpenRequest, Plan, SteerMode};
use crate::protocol::{TurnError, TurnOptions};

/// A driver that a session of another one does not take, so that its task has nothing to do and ends.
struct Other;

impl Driver for Other {
    fn name(&self) -> &'static str {
        "other"
    }

    fn steer_mode(&self) -> SteerMode {
        SteerMode::InterruptOnly
    }

    fn check(&self, _: &BackendSpec, _: &std::path::Path) -> Result<(), TurnError> {
        Ok(())
    }

    fn plan(&self, _: &TurnOptions, _: &TurnOptions) -> Plan {
        Plan::Live
    }

    fn open(&self, _: OpenRequest) -> Attachment {
        unreachable!("it is never taken")
    }
}

/// A world with a session that has a thread, and no task.
async fn unloaded() -> World {
    let world = World::new();
    world.ask("1", "hello").await;
    pass(601 * SECOND).await;
    assert_eq!(world.view("1").state, "not_loaded");
    world
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_behind_a_task_s_last_message_goes_to_the_next_task() {
    let world = unloaded().await;
    let denied = Job { driver: Arc::new(Other), ..world.job("other") };
    let key = key("1");
    // All in the inbox of the task that the first one begins and ends; the others are sent on, or answered.
    let (first, second, none) = tokio::join!(
        world.registry.submit(&key, denied),
        world.registry.submit(&key, world.job("!where")),
        world.interrupt("1"),
    );
    assert!(matches!(first.unwrap_err(), Denial::OtherDriver { .. }));
    assert!(text(&ending(&mut second.unwrap().reader).await).contains("origin=resume"));
    assert_eq!(none, Interrupted::NoTurn);
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_comes_in_behind_a_task_s_last_message_is_done() {
    let world = unloaded().await;
    let denied = Job { driver: Arc::new(Other), ..world.job("other") };
    let key = key("1");
    let (_, done) = tokio::join!(world.registry.submit(&key, denied), world.registry.reset(&key));
    assert!(done.unwrap());
    assert_eq!((world.view("1").record.thread, world.view("1").record.generation), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_comes_in_behind_a_task_s_last_message_is_done() {
    let world = unloaded().await;
    let denied = Job { driver: Arc::new(Other), ..world.job("other") };
    let key = key("1");
    let (_, done) = tokio::join!(world.registry.submit(&key, denied), world.registry.close(&key));
    assert!(done.unwrap() && world.registry.get(&key).unwrap().is_none());
}

/// A session whose process ends whenever it is idle: each turn meets a task that is on its way out, or just gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_meets_a_task_on_its_way_out_is_served() {
    let world = World::with(|setup| {
        setup.policy.idle_timeout = Duration::ZERO;
        // Long enough to be met by who looks again and again, however busy the machine is.
        setup.args = vec!["stop=1ms".into()];
    });
    let (mut last, mut met) = (0, [0; 3]);
    for round in 0..600 {
        let events = rest(&mut world.submit("1", "hello").await.reader).await;
        assert_eq!(events[0].seq, last + 1, "numbers go on from task to task");
        last = events.last().unwrap().seq;
        assert!(matches!(&events.last().unwrap().kind, EventKind::Ended(TurnEnding::Completed { .. })));
        // The next one comes when the task has come so far, or a little later: that is left to chance.
        let far_enough = ["idle", "stopping", "not_loaded"];
        let far_enough = &far_enough[round % 3..];
        let state = within("an end of the task", async {
            loop {
                let state = world.view("1").state;
                if far_enough.contains(&state) {
                    break state;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        met[["idle", "stopping", "not_loaded"].iter().position(|met| *met == state).unwrap()] += 1;
    }
    assert!(met.iter().all(|&met| met > 0), "idle, stopping, gone: {met:?}");
    assert_eq!(world.view("1").record.turns, 600);
}

/// Whoever is told that a turn was taken can stop it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_was_taken_is_found_by_its_id_at_once() {
    let world = World::new();
    for _ in 0..300 {
        let turn = world.submit("1", "!never").await;
        let stopped = world.registry.interrupt_turn(&TenantId::local(), turn.turn, LONG).await;
        assert_eq!(stopped, Interrupted::Confirmed(turn.turn));
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Eight callers at four sessions and two places, in real threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_turn_that_was_taken_ends_once_whatever_the_callers_do() {
    const INPUTS: [&str; 8] =
        ["a b", "a !crash", "!fail", "!refuse", "!count=200", "!never", "!deaf !count=5 !pause=5ms", "!where"];
    let world = Arc::new(World::with(|setup| {
        setup.max_live = 2;
        setup.policy.queue_max = 4;
        setup.policy.idle_timeout = Duration::from_millis(2);
        // What never ends by itself and nobody interrupts.
        setup.policy.limits.turn = Some(Duration::from_millis(20));
        setup.policy.limits.interrupt = Duration::from_millis(20);
    }));
    let counts = Arc::new([(); 4].map(|()| AtomicUsize::new(0)));
    let callers: Vec<_> = (1..=8_u64)
        .map(|seed| {
            let (world, counts) = (world.clone(), counts.clone());
            tokio::spawn(async move {
                let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
                let mut seqs = Vec::new();
                for _ in 0..200 {
                    let chat = ["1", "2", "3", "4"][dice.roll(4) as usize];
                    match dice.roll(20) {
                        // Whether there is a session yet is for the other callers to say.
                        0 => drop(world.registry.reset(&key(chat)).await.unwrap()),
                        1..4 => drop(world.interrupt(chat).await),
                        other => match world.try_submit(chat, INPUTS[dice.roll(8) as usize]).await {
                            Ok(turn) if other == 4 => drop(turn),
                            Ok(mut turn) => {
                                let events = rest(&mut turn.reader).await;
                                let last = match &events.last().unwrap().kind {
                                    EventKind::Ended(TurnEnding::Completed { .. }) => 0,
                                    EventKind::Ended(TurnEnding::Interrupted(_)) => 1,
                                    EventKind::Ended(TurnEnding::Failed(_)) => 2,
                                    other => panic!("{other:?} is the last event"),
                                };
                                counts[last].fetch_add(1, Ordering::Relaxed);
                                let ends = events.iter().filter(|e| matches!(e.kind, EventKind::Ended(_))).count();
                                assert_eq!(ends, 1);
                                assert!(events.is_sorted_by_key(|event| event.seq));
                                seqs.extend(events.iter().map(|event| (chat, event.seq)));
                            }
                            Err(Denial::QueueFull { .. }) => drop(counts[3].fetch_add(1, Ordering::Relaxed)),
                            Err(other) => panic!("{other}"),
                        },
                    }
                }
                seqs
            })
        })
        .collect();
    let mut seen = HashSet::new();
    for caller in callers {
        for seq in caller.await.unwrap() {
            assert!(seen.insert(seq), "{seq:?} was given twice");
        }
    }
    world.shutdown(10 * SECOND, std::future::pending()).await;
    assert_eq!(world.live(), 0);
    let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(counts[..3].iter().all(|&count| count > 10), "completed, interrupted, failed, denied: {counts:?}");
}
