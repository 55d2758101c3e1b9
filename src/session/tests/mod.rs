//! Sessions with their tasks, over the scripted agent. Time is paused unless a test needs real threads: a wait passes at
//! once when nothing else is to do, so that no test sleeps and none depends on how busy the machine is.

mod capacity;
mod delivery;
mod faulty;
mod journal;
mod lives;
mod lost;
mod races;
mod recall;
mod restarts;
mod shutdown;
mod slow_readers;
mod stored;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Accepted, Capacity, Denial, EventReader, Interrupted, Job, Policy, Registry, RegistryConfig, SessionView};
use crate::driver::scripted::Scripted;
use crate::protocol::{BackendId, BackendSpec, Event, EventKind, Idempotency, InterruptCause, Limits, LostThread};
use crate::protocol::{SessionKey, TenantId, Tenants, TurnEnding, TurnId, TurnRequest, WaitReason};
use crate::store::{EventStore, MemoryStore};

const SECOND: Duration = Duration::from_secs(1);

/// More than any wait of a session with these limits. Where it passes, something hangs.
const LONG: Duration = Duration::from_hours(1);

struct World {
    registry: Arc<Registry>,
    driver: Scripted,
    spec: BackendSpec,
}

struct Setup {
    policy: Policy,
    max_live: usize,
    tenants: Tenants,
    args: Vec<String>,
    store: Arc<dyn EventStore>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let store = Arc::new(MemoryStore::new(100, 1 << 20));
        let mut setup = Setup { policy: policy(), max_live: 8, tenants: Tenants::default(), args: Vec::new(), store };
        change(&mut setup);
        let registry = Registry::new(RegistryConfig {
            policy: setup.policy,
            capacity: Capacity::new(setup.max_live, setup.tenants),
            store: setup.store,
        });
        let spec = BackendSpec { args: setup.args, ..BackendSpec::new(BackendId::new("scripted"), "scripted", "") };
        Self { registry: Arc::new(registry), driver: Scripted::default(), spec }
    }

    fn job(&self, input: &str) -> Job {
        let request = TurnRequest::new(self.spec.id.clone(), input);
        let (spec, driver) = (Arc::new(self.spec.clone()), Arc::new(self.driver.clone()));
        let directory = PathBuf::from("/srv");
        Job::new(request, spec, driver, directory)
    }

    async fn try_submit(&self, chat: &str, input: &str) -> Result<Accepted, Denial> {
        within("an answer to a submission", self.registry.submit(&key(chat), self.job(input))).await
    }

    /// A turn that its client can ask for again.
    async fn try_named(&self, chat: &str, name: &str, input: &str) -> Result<Accepted, Denial> {
        let job = named(self, name, 0, input);
        within("an answer to a submission", self.registry.submit(&key(chat), job)).await
    }

    async fn submit(&self, chat: &str, input: &str) -> Accepted {
        self.try_submit(chat, input).await.unwrap()
    }

    /// A whole turn; the answer's text.
    async fn ask(&self, chat: &str, input: &str) -> String {
        text(&ending(&mut self.submit(chat, input).await.reader).await)
    }

    async fn interrupt(&self, chat: &str) -> Interrupted {
        let key = key(chat);
        within("an interrupt", self.registry.interrupt(&key, None, 20 * SECOND)).await
    }

    /// The end of the daemon, as its signals bring it about.
    async fn shutdown(&self, grace: Duration, hurry: impl Future<Output = ()>) {
        let end = async {
            self.registry.shut_down();
            tokio::select! {
                () = self.registry.emptied() => return,
                () = tokio::time::sleep(grace) => {}
                () = hurry => {}
            }
            self.registry.shut_down_now();
            self.registry.emptied().await;
        };
        within("the shutdown", end).await;
    }

    fn view(&self, chat: &str) -> SessionView {
        self.registry.get(&key(chat)).unwrap().unwrap()
    }

    /// Processes that live, by the capacity's count; the driver's count must be the same.
    fn live(&self) -> usize {
        let live = self.registry.counts().2;
        assert_eq!(self.driver.live(), live);
        live
    }
}

fn policy() -> Policy {
    Policy {
        limits: Limits::default(),
        idle_timeout: 600 * SECOND,
        unnamed_idle_timeout: 30 * SECOND,
        queue_max: 16,
        disconnect_grace: Duration::ZERO,
        linger: 10 * SECOND,
        lost_thread: LostThread::Continue,
        lasting: false,
    }
}

fn key(chat: &str) -> SessionKey {
    SessionKey::new(TenantId::local(), Some("main"), Some(chat)).unwrap()
}

/// Waits with a limit, and says what was waited for.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Lets paused time pass, and everybody do what is to be done meanwhile.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The rest of a reader's events, to its end.
async fn rest(reader: &mut EventReader) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = within("an event", reader.next()).await {
        events.push(event.event.clone());
    }
    events
}

/// The turn's ending, which is its last event and the only one of its kind.
async fn ending(reader: &mut EventReader) -> TurnEnding {
    let events = rest(reader).await;
    let endings = events.iter().filter(|event| matches!(event.kind, EventKind::Ended(_))).count();
    assert_eq!(endings, 1, "{events:?}");
    match events.last().map(|event| &event.kind) {
        Some(EventKind::Ended(ending)) => ending.clone(),
        _ => panic!("the ending is not the last: {events:?}"),
    }
}

fn text(ending: &TurnEnding) -> String {
    match ending {
        TurnEnding::Completed { text, .. } => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn named(world: &World, name: &str, digest: u64, input: &str) -> Job {
    let mut job = world.job(input);
    job.request.idempotency = Some(Idempotency { key: name.into(), digest });
    job
}
