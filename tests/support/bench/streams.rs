//! A thousand streams open at once, each with an agent of its own: a stand-in, for a thousand real ones want 200 GB. A fleet at
//! work mostly waits for its models and its tools: here each stream has a delta every half second on average, at odd
//! intervals, so that some come in bunches as they do in life. That is [`DELTAS_PER_S`] in all. A delta's time is from the
//! agent's stamp, before it writes, to the client's reading; agents and clients share the machine with turnmux, and their
//! wake-ups are in it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::{self, CONTENT, Client};
use super::clock;
use super::cpu::CpuClock;
use super::interrupts;
use super::memory::{mib, own_kib, rss_kib};
use super::numbers::Times;
use super::programs::{Agent, Scratch};
use super::report::Report;
use super::servers::Daemon;

/// What turnmux may hold at once is bounded by this number, too.
const STREAMS: usize = 1_000;
const DELTAS_PER_S: usize = 2 * STREAMS;
/// The shortest and the longest pause between two deltas of a stream.
const PAUSE_MS: (u64, u64) = (100, 900);
/// Deltas of a stream: as many as a script may have, which is more than the measurement takes.
const DELTAS: usize = 490;
const P99_MAX: Duration = Duration::from_millis(20);
/// From the last stream's first delta to the first that counts.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the streams may take to open.
const OPEN_WAIT: Duration = Duration::from_mins(2);
/// What turnmux has open for a stream is a connection and its agent's three pipes, and some are the bench's and spare.
const FILES: u64 = 8 * STREAMS as u64;
/// Room for one read.
const READ_BYTES: usize = 4 << 10;

/// Measures for so many seconds.
pub(crate) fn measure(seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    allow_files()?;
    let scratch = Scratch::new(&Agent::StandIn)?;
    let daemon = Daemon::start_with(&scratch, "warn", STREAMS)?;
    for stream in 0..STREAMS {
        ensure!(!interrupts::stopping(), "interrupted");
        let started = Client::connect(&daemon.address, &session(stream), "hello").and_then(|mut client| client.turn());
        started.with_context(|| format!("session {stream} does not start:\n{}", scratch.complaints()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(watch(&daemon, Duration::from_secs(seconds)))?;
    drop(runtime);
    daemon.stop()?;

    report.part(&format!(
        "{STREAMS} streams at once for {seconds} s, {DELTAS_PER_S} deltas a second (stand-in agents)"
    ))?;
    report.row("agent's delta → client has read it", &seen.times)?;
    let rate = seen.times.len() as f64 / seconds as f64;
    let cpu = 100.0 * seen.cpu.as_secs_f64() / seconds as f64;
    let each_us = 1e6 * seen.cpu.as_secs_f64() / seen.times.len().max(1) as f64;
    report.note(&format!("{rate:.0} deltas a second; turnmux took {cpu:.0} % of one CPU, {each_us:.0} µs for each"))?;
    report.note(&format!("turnmux's memory: {} (RSS), {} of its own", mib(seen.rss_kib), mib(seen.own_kib)))?;
    report.limit("streams that ended early", &seen.ended.to_string(), "0", seen.ended == 0)?;
    report.time_limit(&format!("a delta, {STREAMS} streams"), &seen.times, 99.0, P99_MAX)?;
    Ok(())
}

/// What was measured while all streams were open.
struct Measured {
    times: Times,
    cpu: Duration,
    rss_kib: u64,
    own_kib: u64,
    /// Streams that were not there any more at the end.
    ended: usize,
}

/// What the streams' tasks share.
#[derive(Default)]
struct Shared {
    /// Streams with text, that have not ended.
    open: AtomicUsize,
    counts: AtomicBool,
    /// A lock for the compiler: all tasks run on one thread.
    times: Mutex<Times>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the streams, waits until all have begun, and measures.
async fn watch(daemon: &Daemon, time: Duration) -> anyhow::Result<Measured> {
    let shared = Arc::new(Shared::default());
    let (begun, mut begins) = mpsc::channel(STREAMS);
    let mut streams = JoinSet::new();
    for stream in 0..STREAMS {
        let request = client::request(&daemon.address, &session(stream), &script(stream));
        let socket = TcpStream::connect(&daemon.address).await?;
        streams.spawn(read(socket, request, shared.clone(), begun.clone()));
    }
    drop(begun);
    let all = async {
        for _ in 0..STREAMS {
            begins.recv().await?;
        }
        Some(())
    };
    if timeout(OPEN_WAIT, all).await.ok().flatten().is_none() {
        streams.abort_all();
        let mut why = "they are too slow".to_owned();
        while let Some(ended) = streams.join_next().await {
            if let Ok(Err(error)) = ended {
                why = format!("{error:#}");
            }
        }
        bail!("not all {STREAMS} streams have begun: {why}");
    }
    sleep(SETTLE).await;

    let clock = CpuClock::of(daemon.pid())?;
    let before = clock.now()?;
    shared.counts.store(true, Ordering::Relaxed);
    sleep(time).await;
    shared.counts.store(false, Ordering::Relaxed);
    let (cpu, open) = (clock.now()?.saturating_sub(before), shared.open.load(Ordering::Relaxed));
    let (rss_kib, own_kib) = (rss_kib(daemon.pid())?, own_kib(daemon.pid())?);
    // Their tasks close the connections, and with that their turns end.
    streams.abort_all();
    while streams.join_next().await.is_some() {}
    let times = std::mem::take(&mut *shared.lock());
    ensure!(!interrupts::stopping(), "interrupted");
    Ok(Measured { times, cpu, rss_kib, own_kib, ended: STREAMS - open })
}

/// One stream, to its end.
async fn read(
    mut socket: TcpStream,
    request: Vec<u8>,
    shared: Arc<Shared>,
    begun: mpsc::Sender<()>,
) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    socket.write_all(&request).await?;
    let (mut answer, mut begun) = (Vec::with_capacity(READ_BYTES), Some(begun));
    loop {
        let read = socket.read_buf(&mut answer).await?;
        let now_ns = clock::now_ns();
        let mut done = 0;
        while let Some((text, end)) = next_text(&answer[done..]) {
            done += end;
            let Some(text) = text else { continue };
            let stamps = client::stamps(&text)?;
            if shared.counts.load(Ordering::Relaxed) {
                shared.lock().add(stamps.written_ns, now_ns);
            }
            if let Some(begun) = begun.take() {
                shared.open.fetch_add(1, Ordering::Relaxed);
                begun.send(()).await?;
            }
        }
        if read == 0 || memmem::find(&answer[done..], b"[DONE]").is_some() {
            if begun.is_none() {
                shared.open.fetch_sub(1, Ordering::Relaxed);
            }
            bail!("a stream ended: {}", String::from_utf8_lossy(&answer));
        }
        answer.drain(..done);
    }
}

/// The text of the next piece that is there as a whole, and where it ends; a piece may have an empty one.
fn next_text(answer: &[u8]) -> Option<(Option<String>, usize)> {
    let begin = memmem::find(answer, CONTENT)? + CONTENT.len();
    let end = begin + memmem::find(&answer[begin..], b"\"")?;
    let text = (end > begin).then(|| String::from_utf8_lossy(&answer[begin..end]).into_owned());
    Some((text, end))
}

fn session(stream: usize) -> String {
    format!("bench::streams-{stream}")
}

/// Deltas with stamps, and pauses between them that are the same in every run and other ones in every stream.
fn script(stream: usize) -> String {
    let (shortest, longest) = PAUSE_MS;
    let mut random = stream as u64 + 1;
    let mut script = String::new();
    for _ in 0..DELTAS {
        // Knuth's generator; the upper bits are the good ones.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pause_ms = shortest + (random >> 33) % (longest - shortest + 1);
        script.extend(["::silent ", &pause_ms.to_string(), "\n::stamps\n"]);
    }
    script
}

/// Lets this process, and with it what it starts, have as many files open as it takes.
fn allow_files() -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < FILES {
        setrlimit(Resource::RLIMIT_NOFILE, FILES.min(hard), hard)?;
    }
    ensure!(hard >= FILES, "{STREAMS} streams take {FILES} open files, and ulimit -Hn allows {hard}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_within_their_bounds_and_differ() {
        let pauses = |stream| -> Vec<u64> {
            let script = script(stream);
            script.lines().filter_map(|line| line.strip_prefix("::silent ")?.parse().ok()).collect()
        };
        let first = pauses(0);
        assert_eq!(first.len(), DELTAS);
        assert!(first.iter().all(|pause| (PAUSE_MS.0..=PAUSE_MS.1).contains(pause)));
        assert_ne!(first, pauses(1));
    }

    #[test]
    fn a_text_counts_when_it_is_whole() {
        assert_eq!(next_text(br#"{"content":""},{"content":"1 2"#), Some((None, 12)));
        assert_eq!(next_text(br#"},{"content":"1 2"#), None);
        assert_eq!(next_text(br#"},{"content":"1 2"}"#), Some((Some("1 2".to_owned()), 17)));
    }
}
