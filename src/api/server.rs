//! The listener and its connections: HTTP/1.1 by hyper, one task each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::router::Api;

/// Connections at most. Each costs a few kilobytes; the bound is there so that a leak somewhere else shows.
const CONNECTIONS_MAX: usize = 4096;

/// How long a client may take to send its headers, and how long a connection may be idle between two requests.
const HEADER_WAIT: Duration = Duration::from_mins(1);

/// After this long without traffic the kernel asks whether the client is still there: a quiet turn keeps its connection
/// through NATs and proxies, and a client that was switched off is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Wait after a failed accept, which means that the process or the system is out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}. Another turnmux may be running there; choose another with --port")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The socket that was handed over is of no use.
    #[error("the socket that was handed over cannot be waited for: {0}")]
    Inherited(#[source] std::io::Error),
}

/// A listener that answers.
pub struct Server {
    listener: TcpListener,
    api: Arc<Api>,
}

impl Server {
    /// Takes the address; connections wait until [`Server::run`].
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr, api: Arc<Api>) -> Result<Self, ServerError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
        Ok(Self { listener, api })
    }

    /// Takes a socket that listens already and does not block.
    ///
    /// # Errors
    /// When the runtime cannot wait for it.
    pub fn on(listener: std::net::TcpListener, api: Arc<Api>) -> Result<Self, ServerError> {
        let listener = TcpListener::from_std(listener).map_err(ServerError::Inherited)?;
        Ok(Self { listener, api })
    }

    /// Where it listens; port 0 has become a real one.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `drained`, whose end means that every turn has ended: new requests are answered until then (with 503
    /// while the daemon goes down), and what is still being written may finish for at most `last_bytes`.
    pub async fn run(self, drained: impl Future<Output = ()>, last_bytes: Duration) {
        // True when connections are to end; closed when all have.
        let (closing, watcher) = watch::channel(false);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        tokio::pin!(drained);
        loop {
            let accepted = async {
                // The semaphore is never closed.
                let place = places.clone().acquire_owned().await.ok();
                (self.listener.accept().await, place)
            };
            tokio::select! {
                () = &mut drained => break,
                (accepted, place) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let serving = serve(stream, self.api.clone(), watcher.clone());
                        tokio::spawn(async move {
                            let _place = place;
                            serving.await;
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        drop(watcher);
        closing.send_replace(true);
        if tokio::time::timeout(last_bytes, closing.closed()).await.is_err() {
            tracing::warn!("clients did not take their last bytes in time");
        }
    }
}

async fn serve(stream: TcpStream, api: Arc<Api>, mut closing: watch::Receiver<bool>) {
    let _connected = api.connected();
    tune(&stream);
    let service = service_fn(move |request| {
        let api = api.clone();
        async move { Ok::<_, std::convert::Infallible>(api.handle(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT)
        // A streamed piece is a few hundred bytes in three parts: they are copied together faster than the kernel collects them.
        .writev(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = async { drop(closing.wait_for(|closing| *closing).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients leave in the middle all the time; what that means for a turn is the session's to say.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Deltas go out at once, and dead clients are noticed. Neither is worth refusing a connection for.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let tuned = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!(%error, "cannot tune a connection");
    }
}
