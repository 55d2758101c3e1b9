//! One connection to the daemon.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take. Loopback takes microseconds; a full backlog is a daemon that does not run.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// After this long without traffic the kernel asks whether the daemon is still there: a stream that is read has no other limit.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Takes one request after the other. Dropped, the connection closes when its last answer is dropped, too.
pub(super) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects to the first address where somebody listens. The error is that of the last one.
    pub(super) async fn open(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut refusal = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match timeout(CONNECT_WAIT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Self::over(stream).await,
                Ok(Err(error)) => refusal = error,
                Err(_) => refusal = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(refusal)
    }

    async fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // What goes wrong here shows in the answers.
        tokio::spawn(connection.with_upgrades());
        Ok(Self(sender))
    }

    /// Whether another request can go over it. Waits for no more than its last answer's bookkeeping, if that was read whole.
    pub(super) async fn is_free(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.0.send_request(request).await
    }
}
