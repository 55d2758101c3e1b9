//! How long an interrupt takes with the real claude, in the middle of an answer: from `POST /v1/chat/abort` until turnmux says
//! that the turn has ended, which is when the session takes the next one; and from the same request over claude's own stdio
//! until its result. The two take turns, each first half of the time. The difference is turnmux's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use memchr::memmem;
use serde_json::json;

use super::client::Client;
use super::clock;
use super::direct::Direct;
use super::numbers::{Times, ratio};
use super::programs::{Agent, Scratch};
use super::report::{Report, shown};
use super::servers::{Daemon, Model};

/// What turnmux may add.
const ADDED_MAX: Duration = Duration::from_millis(50);
/// What is asked: an answer of some minutes, which is interrupted as soon as it begins.
const TEXT: &str = "::chunk 1\n::slow 50\n::say an answer that is never heard to its end, for it is stopped when it begins. \
                    What stands here is only as long as it takes for nobody to think that it might have ended by itself.";
const SESSION: &str = "bench::interrupt";
/// Room for the answer to an abort.
const ANSWER_BYTES: usize = 4 << 10;
/// How long an abort may take before the bench gives up.
const ABORT_WAIT: Duration = Duration::from_secs(30);
/// Turns before those that count.
const WARM_UP: usize = 2;

/// `turns` each way.
pub(crate) fn measure(claude: &Path, turns: usize, report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let scratch = Scratch::new(&Agent::Claude { program: claude.to_owned(), model: model.url.clone() })?;
    let daemon = Daemon::start(&scratch)?;
    let mut client = Client::connect(&daemon.address, SESSION, TEXT)?;
    let mut aborter = Aborter::connect(&daemon.address)?;
    let mut direct = Direct::start(&scratch, TEXT)?;
    let (mut through, mut without) = (Times::default(), Times::default());
    for turn in 0..WARM_UP + turns {
        for turnmux in [turn % 2 == 0, turn % 2 != 0] {
            let ((said_ns, ended_ns), times) = if turnmux {
                // That it begins shows that the session was free again after the one before.
                client.begin().context(scratch.complaints())?;
                let seen = aborter.abort()?;
                client.rest()?;
                (seen, &mut through)
            } else {
                direct.begin(&scratch)?;
                (direct.interrupt(&scratch)?, &mut without)
            };
            if turn >= WARM_UP {
                times.add(said_ns, ended_ns);
            }
        }
    }
    drop(client);
    direct.stop()?;
    daemon.stop()?;
    model.stop()?;

    report.part("Interrupt in the middle of an answer, the real claude against a loopback model")?;
    report.row("abort → turnmux confirms that it has ended", &through)?;
    report.row("interrupt → result, claude's own stdio", &without)?;
    report.note(&format!("turnmux ÷ claude's own stdio, medians: {:.2}", ratio(&through, &without)))?;
    let median = |times: &Times| times.percentile(50.0).unwrap_or(Duration::MAX);
    let added = median(&through).saturating_sub(median(&without));
    let what = "interrupt → idle, less claude's own, medians";
    report.limit(what, &shown(added), &format!("≤ {}", shown(ADDED_MAX)), added <= ADDED_MAX)?;
    Ok(())
}

/// A connection of its own, as whoever stops a turn has.
struct Aborter {
    socket: TcpStream,
    request: Vec<u8>,
}

impl Aborter {
    fn connect(address: &str) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ABORT_WAIT))?;
        let body = json!({"session": SESSION}).to_string();
        let request = format!(
            "POST /v1/chat/abort HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { socket, request: request.into_bytes() })
    }

    /// Aborts the session's turn: when that was said, and when it was confirmed.
    fn abort(&mut self) -> anyhow::Result<(u64, u64)> {
        let said_ns = clock::now_ns();
        self.socket.write_all(&self.request)?;
        let mut answer = [0; ANSWER_BYTES];
        // It is small and written at once.
        let read = self.socket.read(&mut answer).context("no answer to the abort")?;
        let ended_ns = clock::now_ns();
        let answer = &answer[..read];
        let confirmed = memmem::find(answer, b"\"confirmed\"").is_some();
        ensure!(confirmed, "the abort was not confirmed: {}", String::from_utf8_lossy(answer));
        Ok((said_ns, ended_ns))
    }
}
