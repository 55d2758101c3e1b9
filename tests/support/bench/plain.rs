//! The smallest hyper server that can write an answer: what a delta costs before anybody has relayed it. It answers every
//! request with the same pieces, one frame each, with a pause before each but the first. It is a process of its own, which
//! the bench starts of its own program.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::Response;
use hyper::body::Frame;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::programs::Program;

/// The server, as the bench sees it.
#[derive(Debug)]
pub(crate) struct Plain {
    program: Program,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Plain {
    /// Starts one that answers with the pieces in this file. It ends with the bench, however that ends.
    #[expect(clippy::disallowed_methods, reason = "the bench is a program of its own, which starts what it measures")]
    pub(crate) fn start(pieces: &Path, pause: Duration) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--plain-pieces").arg(pieces).arg("--plain-pause-ms").arg(pause.as_millis().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = Program::start(command)?;
        let address = program.first_line()?;
        anyhow::ensure!(!address.is_empty(), "the plain server did not start");
        Ok(Self { program, address })
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Ends it.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.program.end(None)
    }
}

/// Serves until stdin ends.
pub(crate) fn serve(pieces: &Path, pause: Duration) -> anyhow::Result<()> {
    let pieces = split(&std::fs::read(pieces).context("cannot read the pieces")?);
    // As many threads as turnmux takes.
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    runtime.spawn(accept(listener, pieces, pause));
    io::stdin().read_to_end(&mut Vec::new())?;
    runtime.shutdown_background();
    Ok(())
}

async fn accept(listener: TcpListener, pieces: Vec<Bytes>, pause: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        let pieces = pieces.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |_| {
                let frames = stream::unfold(pieces.clone().into_iter().enumerate(), move |mut pieces| async move {
                    let (at, piece) = pieces.next()?;
                    if at > 0 {
                        sleep(pause).await;
                    }
                    Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
                });
                let answer = Response::builder().header(CONTENT_TYPE, "text/event-stream; charset=utf-8");
                std::future::ready(answer.body(StreamBody::new(Box::pin(frames))))
            });
            // A client that leaves is none of its business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The server-sent events, each with its blank line.
fn split(events: &[u8]) -> Vec<Bytes> {
    let ends = memmem::find_iter(events, b"\n\n").map(|at| at + 2);
    let mut begin = 0;
    ends.map(|end| Bytes::copy_from_slice(&events[std::mem::replace(&mut begin, end)..end])).collect()
}
