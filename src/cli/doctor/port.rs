//! Who is at the address that the daemon is to listen on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::finding::{Finding, State, quoted};

/// Whoever is there has so long to say something; a daemon answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(5);

/// Most of an answer that is read, in bytes. A daemon's health is some kilobytes.
const ANSWER_BYTES: u64 = 256 << 10;

/// What a daemon says of itself; another program says something else.
#[derive(Debug, Deserialize)]
struct Health {
    ok: bool,
    version: String,
    processes: usize,
    sessions: usize,
    store: Store,
}

#[derive(Debug, Deserialize)]
struct Store {
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn examine(listen: SocketAddr) -> Finding {
    let finding = |state, found: String| Finding::new("port", state, found);
    if listen.port() == 0 {
        return finding(State::Ok, format!("{listen}: a free port at each start"));
    }
    let address = reached(listen);
    let Ok(Ok(stream)) = tokio::time::timeout(LIMIT, TcpStream::connect(address)).await else {
        return match TcpListener::bind(listen).await {
            Ok(_) => finding(State::Ok, format!("{listen} is free; no daemon runs")),
            Err(error) => finding(State::Bad, format!("{listen} cannot be listened on: {error}"))
                .todo("Choose another as server.listen, or with --listen"),
        };
    };
    let Ok(Ok(Some(health))) = tokio::time::timeout(LIMIT, ask(stream, address)).await else {
        return finding(State::Bad, format!("another program listens on {listen}"))
            .todo("Stop it, or choose another port as server.listen, or with --port");
    };
    let Health { ok, version, processes, sessions, store } = health;
    let version = quoted(&version);
    let found = format!("turnmux {version} listens on {listen}, with {sessions} sessions and {processes} processes");
    match store.reason {
        _ if version != env!("CARGO_PKG_VERSION") => finding(State::Warn, found)
            .todo(format!("This is turnmux {}: restart the daemon with it", env!("CARGO_PKG_VERSION"))),
        Some(reason) => finding(State::Warn, format!("{found}, and takes no turns: {}", quoted(&reason))),
        None if !ok => finding(State::Warn, format!("{found}, and its default backend cannot run")),
        None => finding(State::Ok, found),
    }
}

/// Asks for `/health`; none where that is not what is answered.
async fn ask(mut stream: TcpStream, address: SocketAddr) -> io::Result<Option<Health>> {
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 200")).map(|(_, body)| body);
    Ok(body.and_then(|body| serde_json::from_str(body).ok()))
}

/// Where a client on this machine finds who listens on all addresses.
fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
