//! The channel's front: who is expected, and within which bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::event::ChannelEvent;
use super::keeper::{Keeper, State};
use super::lifetime::{Births, Lifetime};
use super::listener::Listener;
use super::member::{EVENTS_MAX, Member, QUEUE_MAX};
use super::registry::Registry;

/// The channel's bounds.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// How long a request's headers, and then a WebSocket's hello, may take.
    pub hello_within: Duration,
    /// Upgraded connections that may wait for their hello at a time. One more is answered 503.
    pub hello_waiting_max: usize,
    /// After this long without a sign of life a plugin is pinged; after as long again it counts as dead.
    pub ping: Duration,
    /// How long a connection that was cut may take to come back.
    pub grace: Duration,
    /// Longest frame from a plugin, in bytes.
    pub frame_bytes: usize,
    /// Longest hook input, in bytes. A prompt of 10 MB comes back in one.
    pub hook_bytes: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            hello_within: Duration::from_secs(5),
            hello_waiting_max: 64,
            ping: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            frame_bytes: 4 << 20,
            hook_bytes: 128 << 20,
        }
    }
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The address can be reached from elsewhere.
    #[error("the channel is for agents on this machine and cannot listen on {0}; use 127.0.0.1 or ::1")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("the channel cannot listen on {address}: {source}; use another port, or 0 for any")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// By which drivers get a channel to each agent process. Clones are the same hub.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

/// What the listener's tasks have in common.
pub(super) struct Shared {
    pub(super) config: HubConfig,
    pub(super) registry: Arc<Registry>,
    /// Places for connections that have not said hello.
    pub(super) waiting: Arc<Semaphore>,
    address: SocketAddr,
    connected: Arc<AtomicUsize>,
    births: Births,
}

impl Hub {
    /// Takes the address, on loopback; port 0 is any. Connections wait until [`Listener::run`].
    ///
    /// # Errors
    /// When the address is not on loopback, or cannot be had.
    pub async fn bind(address: SocketAddr, config: HubConfig) -> Result<(Self, Listener), ChannelError> {
        if !address.ip().is_loopback() {
            return Err(ChannelError::NotLoopback(address));
        }
        let failed = |source| ChannelError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let (lifetime, births) = Lifetime::new();
        let shared = Arc::new(Shared {
            registry: Arc::default(),
            waiting: Arc::new(Semaphore::new(config.hello_waiting_max)),
            address: socket.local_addr().map_err(failed)?,
            connected: Arc::default(),
            births,
            config,
        });
        Ok((Self(shared.clone()), Listener { socket, shared, lifetime }))
    }

    /// Where it listens; port 0 has become a real one.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Makes a place for one agent process, with a token of its own. `session` is for the log. To be called within the runtime.
    /// After the listener has stopped, the member is lost from the start.
    pub fn enlist(&self, session: &str) -> Member {
        let (to_keeper, arrivals) = mpsc::channel(1);
        let (to_driver, events) = mpsc::channel(EVENTS_MAX);
        let (outgoing, from_driver) = mpsc::channel(QUEUE_MAX);
        let (token, listed) = self.0.registry.list(session.into(), to_keeper, to_driver.clone());
        let member =
            Member { listed: listed.clone(), token, events, outgoing, places: Arc::new(Semaphore::new(QUEUE_MAX)) };
        if let Some(alive) = self.0.births.alive() {
            let keeper = Keeper {
                config: self.0.config.clone(),
                alive,
                listed,
                arrivals,
                outgoing: from_driver,
                events: to_driver,
                connected: self.0.connected.clone(),
                state: State::default(),
            };
            tokio::spawn(keeper.run());
        } else {
            // It is empty, so that there is room.
            let _ = to_driver.try_send(ChannelEvent::Lost);
        }
        member
    }

    /// How many plugins are connected.
    pub fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }
}
