//! What stands between OpenClaw and turnmux and looks at the clock: when a request came by, when the first text of its answer
//! did, and when the answer was over. It hands on bytes, so it adds a wake-up each way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use super::client::{self, END, Seen};
use super::clock;

/// Room for one read.
const READ_BYTES: usize = 64 << 10;
/// Answers that nobody has asked about yet. More are not noted: nobody is going to ask.
const PASSED_MAX: usize = 64;
/// How long an answer may take to come by, which has reached the client already.
const WAIT: Duration = Duration::from_secs(10);

/// A tap in front of one address.
pub(crate) struct Tap {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    passed: Receiver<Passed>,
}

/// When a request and its answer came by, in `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// The first bytes of the request, and the first text of the answer.
    pub(crate) seen: Seen,
    /// The last bytes of the answer.
    pub(crate) ended_ns: u64,
}

impl Tap {
    /// In front of this address, until the bench ends.
    pub(crate) fn before(address: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = listener.local_addr()?.to_string();
        let (pass, passed) = sync_channel(PASSED_MAX);
        let address = address.to_owned();
        thread::Builder::new().name("tap".into()).spawn(move || {
            for client in listener.incoming() {
                // Whoever is refused says so, and the bench with it.
                let _ = client.and_then(|client| join(client, TcpStream::connect(&address)?, pass.clone()));
            }
        })?;
        Ok(Self { address: own, passed })
    }

    /// Forgets the answers so far.
    pub(crate) fn forget(&self) {
        self.passed.try_iter().for_each(drop);
    }

    /// The next answer with text.
    ///
    /// # Errors
    /// When none comes by: the turn went elsewhere.
    pub(crate) fn passed(&self) -> anyhow::Result<Passed> {
        self.passed.recv_timeout(WAIT).context("no answer of turnmux's came by")
    }
}

/// Hands on what either says, in a thread for each way.
fn join(client: TcpStream, server: TcpStream, pass: SyncSender<Passed>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // A lock, for each way has its thread: when the request came by that has no whole answer yet.
    let asked = Arc::new(Mutex::new(None));
    let (from, to, noted) = (client.try_clone()?, server.try_clone()?, asked.clone());
    thread::Builder::new().spawn(move || {
        hand_on(from, to, |now_ns, _| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now_ns);
        });
    })?;
    let (mut answer, mut first) = (Vec::new(), None);
    thread::Builder::new().spawn(move || {
        hand_on(server, client, |now_ns, bytes| {
            answer.extend_from_slice(bytes);
            if first.is_none() && client::text(&answer).is_some() {
                first = Some(now_ns);
            }
            if !answer.ends_with(END) {
                return;
            }
            answer.clear();
            let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (Some(asked_ns), Some(first_ns)) = (asked, first.take()) {
                let _ = pass.try_send(Passed { seen: Seen { sent_ns: asked_ns, first_ns }, ended_ns: now_ns });
            }
        });
    })?;
    Ok(())
}

/// Hands on one way until either side is gone. What came is shown with the time at which it was there to be handed on.
fn hand_on(mut from: TcpStream, mut to: TcpStream, mut show: impl FnMut(u64, &[u8])) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let now_ns = clock::now_ns();
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        show(now_ns, &buffer[..read]);
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
