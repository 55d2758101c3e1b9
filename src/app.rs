//! The composition root: builds the parts in the order in which they depend on each other, and stops them in reverse.
//! The only file that names which driver, store and dispatch there are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::api::{Access, Api, ApiConfig, Key, Server, ServerError};
use crate::channel::{ChannelError, Hub, HubConfig, Listener};
use crate::cli;
use crate::config::Config;
use crate::dispatch::{AgentEntry, Local, LocalConfig};
use crate::driver::catalog::Catalog;
use crate::driver::claude_auto::ClaudeAuto;
use crate::driver::claude_channel::{ChannelFolder, ClaudeChannel};
use crate::driver::claude_stream::ClaudeStream;
use crate::process::{
    FILE_SIZE_SIGNAL, Guard, ProcessError, ProcessName, Stage, StopLadder, Supervisor, SupervisorConfig, notify,
};
use crate::protocol::{Limits, TurnError, WorkspaceRoot};
use crate::session::{Capacity, Policy, Registry, RegistryConfig, Restarted};
use crate::store::{EventStore, MemoryStore, OpenError, SqliteOptions, SqliteStore, StoreError};

/// How long clients have to take the last bytes of answers that have ended.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Where the plugins inside agents connect: a free port of loopback.
const CHANNEL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a driver gets beyond its own bounds to say that an agent did not start.
const DRIVER_SLACK: Duration = Duration::from_secs(5);

/// After a second signal the agents have so long to end their turns by themselves, …
const HURRIED_TURNS: Duration = Duration::from_secs(1);

/// … and then so long from SIGTERM to SIGKILL.
const HURRIED_TERM: Duration = Duration::from_secs(1);

/// How long the store has at the end for what waits.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process manager cannot start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The listener cannot start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The listener for the plugins inside agents cannot start.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The system refuses something basic.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    /// A backend names a driver that there is not.
    #[error("backend {backend}: {error}")]
    Driver {
        /// Which backend.
        backend: String,
        /// What is wrong.
        error: TurnError,
    },
}

/// A daemon that is about to serve.
pub struct App {
    address: SocketAddr,
    server: Server,
    channel: Listener,
    local: Arc<Local>,
    store: Store,
    supervisor: Supervisor,
    guard: Guard,
    shutdown_grace: Duration,
    stop: StopLadder,
    stops: Stops,
}

impl App {
    /// Builds everything and takes the address; nothing is served before [`App::run`].
    ///
    /// # Errors
    /// When a part cannot start.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        Self::start_on(config, None).await
    }

    /// The same on a socket that listens already, whose address `config.server.listen` is then to be.
    ///
    /// # Errors
    /// When a part cannot start.
    pub async fn start_on(config: Config, socket: Option<TcpListener>) -> Result<Self, AppError> {
        // First of all, so that a signal during the start is not lost.
        let stops = Stops::new()?;
        // Before anything that another daemon could notice: if this store is its, this one goes.
        let store = Store::open(&config)?;
        let stop = StopLadder { eof: config.limits.stop_eof, term: config.limits.stop_term };
        // Where it is written down which processes live, for the next daemon should this one be killed.
        let records_dir = config.state.as_ref().map(|state| state.join("processes"));
        let supervisor = Supervisor::start(SupervisorConfig {
            adopt_orphans: true,
            records_dir,
            abandoned: stop,
            ..SupervisorConfig::default()
        })?;
        let swept = supervisor.sweep().await?;
        if swept.processes_ended > 0 {
            tracing::warn!(processes = swept.processes_ended, "ended what a killed turnmux had left behind");
        }
        let guard = Guard::start(cli::GUARD, &supervisor.ward())?;

        let (hub, listener) = Hub::bind(CHANNEL, HubConfig::default()).await?;
        let plugins = config.state.as_ref().map_or_else(unguessable, |state| state.join("channel"));
        let channel = ClaudeChannel {
            supervisor: supervisor.clone(),
            limits: config.limits.clone(),
            folder: ChannelFolder::create(&plugins, hub.address().port())?,
            roots: trusted_roots(&config),
            hub: hub.clone(),
            program: std::env::current_exe().unwrap_or_else(|_| "turnmux".into()),
        };
        let stream = ClaudeStream::new(supervisor.clone(), config.limits.clone());
        let catalog = Catalog::default()
            .with(Arc::new(ClaudeAuto::new(channel.clone(), stream.clone())))
            .with(Arc::new(channel))
            .with(Arc::new(stream));
        for spec in config.backends.values() {
            let known = catalog.get(&spec.driver);
            known.map_err(|error| AppError::Driver { backend: spec.id.to_string(), error })?;
        }
        let registry = Registry::new(RegistryConfig {
            policy: policy(&config),
            capacity: Capacity::new(config.sessions.max_live, config.tenants.clone()),
            store: store.port(),
        });
        let local = Arc::new(Local::new(local_config(&config)?, catalog, registry));
        let api = Arc::new(Api::new(api_config(&config, hub.address()), local.clone()));
        let server = match socket {
            Some(socket) => Server::on(socket, api)?,
            None => Server::bind(config.server.listen, api).await?,
        };
        let address = server.address()?;
        // Nothing that a killed daemon started lives any more, and nobody is served yet.
        let restarted = local.restart().await?;
        if restarted != Restarted::default() {
            let Restarted { lost, queued, ended } = restarted;
            tracing::warn!(lost, queued, ended, "took up turns that the last turnmux left without an ending");
        }
        let file = config.file.as_ref().map(|file| file.display().to_string());
        tracing::info!(%address, config = file.as_deref().unwrap_or("none"), max_live = config.sessions.max_live, "serving");
        Ok(Self {
            address,
            server,
            channel: listener,
            local,
            store,
            supervisor,
            guard,
            shutdown_grace: config.server.shutdown_grace,
            stop,
            stops,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until SIGTERM, SIGINT or SIGHUP, then stops in order: no new turns, the running ones finish up to the grace,
    /// the processes end, the last bytes go out. A second signal forces.
    pub async fn run(self) {
        self.run_until(std::future::pending()).await;
    }

    /// The same, and the future counts as the first signal.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let Self { server, channel, local, store, supervisor, guard, shutdown_grace, stop: ladder, mut stops, .. } =
            self;
        notify(Stage::Ready);
        let drained = async {
            tokio::select! {
                () = stops.next() => {}
                () = stop => {}
            }
            notify(Stage::Stopping);
            tracing::info!(grace = ?shutdown_grace, "shutting down; once more to force it");
            drain(local.registry(), &supervisor, shutdown_grace, &mut stops).await;
        };
        let (close, closed) = oneshot::channel::<()>();
        let door = tokio::spawn(channel.run(async {
            let _ = closed.await;
        }));
        server.run(drained, LAST_BYTES).await;
        let report = supervisor.shutdown(ladder.term).await;
        if !report.left.is_empty() {
            tracing::error!(pids = ?report.left, "processes could not be ended");
        }
        drop(close);
        let _ = door.await;
        store.close().await;
        drop(guard);
        tracing::info!("stopped");
    }
}

/// Where sessions, turns and events are.
enum Store {
    Lasting(Arc<SqliteStore>),
    Ephemeral(Arc<MemoryStore>),
}

impl Store {
    fn open(config: &Config) -> Result<Self, OpenError> {
        let sessions_max = config.sessions.records_max;
        let Some(path) = &config.store.path else {
            return Ok(Self::Ephemeral(Arc::new(MemoryStore::new(sessions_max, config.limits.events_bytes))));
        };
        let options = SqliteOptions {
            sessions_max,
            keep: config.store.keep,
            bytes_max: config.store.max_bytes,
            holder: format!("pid {}, told to listen on {}", std::process::id(), config.server.listen),
        };
        Ok(Self::Lasting(Arc::new(SqliteStore::open(path, options)?)))
    }

    fn port(&self) -> Arc<dyn EventStore> {
        match self {
            Self::Lasting(store) => store.clone(),
            Self::Ephemeral(store) => store.clone(),
        }
    }

    /// Has the last writes kept. By now nobody makes any more.
    async fn close(self) {
        let Self::Lasting(store) = self else { return };
        let closed = tokio::task::spawn_blocking(move || store.close(LAST_WRITES)).await;
        if let Ok(Err(error)) = closed {
            tracing::error!(%error, "the last writes are not kept");
        }
    }
}

/// Returns when every accepted turn has its ending and every session's process is gone.
async fn drain(registry: &Registry, supervisor: &Supervisor, grace: Duration, stops: &mut Stops) {
    registry.shut_down();
    let forced = tokio::select! {
        () = registry.emptied() => return,
        () = tokio::time::sleep(grace) => false,
        () = stops.next() => true,
    };
    tracing::info!(forced, "stopping the turns that still run");
    registry.shut_down_now();
    let patience = async {
        if !forced {
            stops.next().await;
        }
        tokio::time::sleep(HURRIED_TURNS).await;
    };
    tokio::select! {
        () = registry.emptied() => return,
        () = patience => {}
    }
    // Sessions whose process is gone have nothing left to wait for.
    tokio::join!(supervisor.shutdown(HURRIED_TERM), registry.emptied());
}

/// The signals that mean stop.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Taken so that it does not kill: a file that may not grow is trouble of the store's, which says so.
    _file_size: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE_SIGNAL))?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// A folder for a daemon without a home. Nobody else can have made it before.
fn unguessable() -> PathBuf {
    std::env::temp_dir().join(format!("turnmux-{}", Uuid::new_v4().simple()))
}

/// Where agents may be told to trust a folder: wherever any tenant may send them.
fn trusted_roots(config: &Config) -> Vec<WorkspaceRoot> {
    let own = config.tenants.iter().filter_map(|(_, limits)| limits.workspace_roots.as_ref());
    config.server.workspace_roots.iter().chain(own.flatten()).cloned().collect()
}

fn policy(config: &Config) -> Policy {
    // The driver keeps this limit itself and quotes the agent's last words once that is ended. The session's own is for a
    // driver that does not.
    let ready = config.limits.ready + config.limits.stop_eof * 2 + config.limits.stop_term + DRIVER_SLACK;
    Policy {
        limits: Limits { ready, ..config.limits.clone() },
        idle_timeout: config.sessions.idle_timeout,
        unnamed_idle_timeout: config.sessions.unnamed_idle_timeout,
        queue_max: config.sessions.queue_max,
        disconnect_grace: config.sessions.disconnect_grace,
        linger: config.sessions.linger,
        lost_thread: config.sessions.lost_thread,
        lasting: config.store.path.is_some(),
    }
}

fn local_config(config: &Config) -> std::io::Result<LocalConfig> {
    let agents: BTreeMap<_, _> = config
        .agents
        .iter()
        .map(|(id, agent)| {
            (id.clone(), AgentEntry { workspace: agent.workspace.clone(), backend: agent.backend.clone() })
        })
        .collect();
    Ok(LocalConfig {
        backends: config.backends.iter().map(|(id, spec)| (id.clone(), Arc::new(spec.clone()))).collect(),
        aliases: config.aliases.clone(),
        default_backend: config.default_backend.clone(),
        agents,
        directory: std::env::current_dir()?,
        tenants: config.tenants.clone(),
    })
}

fn api_config(config: &Config, channel: SocketAddr) -> ApiConfig {
    let key = |key: &crate::config::ApiKey| Key { tenant: key.tenant.clone(), secret: key.secret.expose().to_owned() };
    let ProcessName { pid, start } = ProcessName::own();
    ApiConfig {
        access: Access {
            keys: config.keys.iter().map(key).collect(),
            allowed_hosts: config.server.allowed_hosts.clone(),
            address: Some(config.server.listen.ip()),
        },
        heartbeat: config.server.heartbeat,
        body_bytes: config.limits.body_bytes,
        workspace_roots: config.server.workspace_roots.clone(),
        tenants: config.tenants.clone(),
        channel: Some(channel),
        process: (pid, start),
    }
}
