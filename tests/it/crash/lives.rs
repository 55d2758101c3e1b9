//! The rounds: daemons that live and die, one after the other, over the same state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::chance::Chance;
use super::clients::ClientOf;
use super::history::{Down, History, Life};
use super::requests::Requests;
use super::world::{SESSIONS, Up, World, now_ms};
use super::{collect, watchers};
use crate::harness::{Daemon, DaemonBuilder, within};

/// Few places, so that sessions take each other's; and nobody waits long for a daemon that goes down in order.
const CONFIG: &str =
    "[sessions]\nmax_live = 2\nlinger = \"2s\"\n[server]\nshutdown_grace = \"20ms\"\n[limits]\nstop_eof = \"20ms\"";

/// How many talk.
const CLIENTS: u64 = 6;

/// A daemon is killed after so many steps at most, …
const STEPS_MAX: u64 = 160;
/// … but in any case after this time: there may be nothing to be seen.
const ROUND_MAX: Duration = Duration::from_secs(2);

/// What is to be played.
#[derive(Debug, Clone)]
pub(super) struct Rounds {
    pub(super) seed: u64,
    pub(super) count: u32,
    /// Another program than the product, and the fault that it is to have.
    pub(super) broken: Option<(PathBuf, &'static str)>,
    /// How long everything may take to end, when nobody is killed any more.
    pub(super) settle: Duration,
}

/// Plays them; gives what happened.
pub(super) async fn play(rounds: &Rounds) -> History {
    let mut chance = Chance::new(rounds.seed);
    let (world, mut lives) = (World::new(), Lives::new(rounds));
    let mut watching = JoinSet::new();
    for session in SESSIONS {
        watching.spawn(watchers::session(world.clone(), session));
    }
    let clients = (1..=CLIENTS).map(|number| ClientOf::new(world.clone(), chance.split(), number));
    let mut clients: Vec<ClientOf> = clients.collect();
    for _ in 0..rounds.count {
        if chance.percent(10) {
            lives.stillborn(&world, &mut chance).await;
        }
        clients = lives.round(&world, clients, &mut chance).await;
    }
    lives.settle(&world, rounds.settle).await;
    watching.shutdown().await;
    lives.read(&world).await
}

/// Nothing but warnings, which cost no time, unless somebody looks for something.
fn log_level() -> String {
    std::env::var("TURNMUX_CRASH_LOG").unwrap_or_else(|_| "warn".to_owned())
}

struct Lives<'a> {
    rounds: &'a Rounds,
    scratch: Arc<TempDir>,
    life: Life,
}

impl<'a> Lives<'a> {
    fn new(rounds: &'a Rounds) -> Self {
        let scratch = Arc::new(tempfile::tempdir().expect("a scratch folder"));
        Self { rounds, scratch, life: 0 }
    }

    fn next(&mut self) -> DaemonBuilder {
        self.life += 1;
        let builder = Daemon::stand_in().scratch(self.scratch.clone()).config(CONFIG).env("TURNMUX_LOG", log_level());
        let builder = builder.env("STAND_IN_RUNS", format!("@SCRATCH@/{}", collect::runs_file(self.life)));
        match &self.rounds.broken {
            Some((program, fault)) => builder.program(program).env("TURNMUX_BROKEN", *fault),
            None => builder,
        }
    }

    async fn start(&mut self, world: &World) -> Daemon {
        let daemon = self.next().start().await;
        world.set_up(Some(Up { life: self.life, requests: Requests::new(&daemon.client.address) }));
        daemon
    }

    /// A daemon that is killed while it starts.
    async fn stillborn(&mut self, world: &World, chance: &mut Chance) {
        let (mut child, _) = self.next().spawn("http://127.0.0.1:9");
        tokio::time::sleep(chance.micros(100_000)).await;
        let from_ms = now_ms();
        child.start_kill().expect("it is ours");
        within("the end of a daemon that was killed", child.wait()).await.expect("it is ours");
        Self::down(world, true, from_ms);
    }

    /// A daemon that is killed, or ended, while clients talk to it.
    async fn round(&mut self, world: &Arc<World>, clients: Vec<ClientOf>, chance: &mut Chance) -> Vec<ClientOf> {
        let mut daemon = self.start(world).await;
        let up = world.up().borrow().clone().expect("it was just set");
        let mut talking = JoinSet::new();
        for mut client in clients {
            let up = up.clone();
            talking.spawn(async move {
                client.talk(&up).await;
                client
            });
        }
        // Counted in steps, so that as much happens on a slow machine; and then anywhere between two of them.
        let steps = chance.below(STEPS_MAX);
        let _ = timeout(ROUND_MAX, world.steps(steps)).await;
        tokio::time::sleep(chance.micros(2_000)).await;
        let from_ms = now_ms();
        let in_order = chance.percent(15);
        let mut is_kill = !in_order;
        if in_order {
            world.leave(self.life);
            daemon.signal(Signal::SIGTERM);
            let patience = if chance.percent(50) { chance.micros(40_000) } else { Duration::from_mins(1) };
            is_kill = timeout(patience, daemon.ended()).await.is_err();
        }
        if is_kill {
            daemon.signal(Signal::SIGKILL);
            daemon.ended().await;
        }
        world.set_up(None);
        Self::down(world, is_kill, from_ms);
        within("the clients of a daemon that is gone", talking.join_all()).await
    }

    /// A daemon that may finish everything, and is killed when nothing is left to do: then nothing may be lost.
    async fn settle(&mut self, world: &Arc<World>, limit: Duration) {
        let mut daemon = self.start(world).await;
        let up = world.up().borrow().clone().expect("it was just set");
        // What has not ended by then shows in what is kept.
        let _ = timeout(limit, collect::ended(world, &up)).await;
        let from_ms = now_ms();
        daemon.signal(Signal::SIGKILL);
        daemon.ended().await;
        world.set_up(None);
        Self::down(world, true, from_ms);
    }

    /// What one more daemon finds, and what the agents wrote down.
    async fn read(mut self, world: &World) -> History {
        let daemon = self.next().start().await;
        let mut history = world.history();
        history.kept = collect::kept(&Requests::new(&daemon.client.address)).await;
        history.marks = collect::marks(self.scratch.path(), self.life);
        daemon.stop().await;
        history
    }

    fn down(world: &World, is_kill: bool, from_ms: u64) {
        let down = Down { is_kill, from_ms, to_ms: now_ms() };
        world.note(|history| history.downs.push(down));
    }
}
