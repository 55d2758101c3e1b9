//! The socket and its connections: HTTP/1.1 by hyper, one request each. An idle connection that we closed just as an agent sent
//! its next hook would lose that hook; on loopback a new one costs nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::door;
use super::farewell::CLOSE_WITHIN;
use super::hub::Shared;
use super::lifetime::{Alive, Lifetime};

/// Connections that have shown no token yet. One more is closed at once. Far more than honest ones need at a time, and few
/// enough to leave descriptors for the rest of the daemon.
const STRANGERS_MAX: usize = 1024;

/// What is kept of a request's head, and read of a body at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// Wait after a failed accept, which means that the process or the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections for a [`super::Hub`].
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) shared: Arc<Shared>,
    pub(super) lifetime: Lifetime,
}

/// A connection that has shown no token yet.
pub(super) struct Newcomer {
    pub(super) peer: SocketAddr,
    pub(super) alive: Alive,
    /// Its place among the strangers.
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Takes connections until `stop`, then closes all (plugins' with 1001) and waits some seconds at most for them to end.
    /// Members that are left hear [`super::ChannelEvent::Lost`]. Dropping the future does the same without the wait.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { socket, shared, lifetime } = self;
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Ok(place) = strangers.clone().try_acquire_owned() {
                        let newcomer = Newcomer { peer, alive: lifetime.alive(), _place: place };
                        tokio::spawn(serve(shared.clone(), stream, newcomer));
                    } else {
                        tracing::debug!(%peer, "too many connections have shown no token");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection to the channel");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        lifetime.end(CLOSE_WITHIN * 2).await;
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, newcomer: Newcomer) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot tune a connection");
    }
    let mut alive = newcomer.alive.clone();
    let headers_within = shared.config.hello_within;
    // hyper calls a service by shared reference. There is but one call, for each answer says that the connection ends; so
    // nobody ever waits for this lock.
    let newcomer = Mutex::new(Some(newcomer));
    let service = service_fn(|request| {
        let newcomer = newcomer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let shared = shared.clone();
        async move {
            let mut response = match newcomer {
                Some(newcomer) => door::handle(shared, request, newcomer).await,
                None => Response::default(),
            };
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(headers_within)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to the channel ended early");
            }
        }
        () = alive.stopped() => {}
    }
}
