//! What 64 observers cost the turn that they watch. The stand-in answers as fast as it can, in deltas of the size that
//! claude's have, so that the turn takes whatever CPU time is left; turns that somebody watches and turns that nobody watches
//! take turns. The observers read on the same machine, as cheaply as they can: one thread for all, and what its reading takes
//! counts, too. Their connecting does not: each turn
//! begins when turnmux is at rest.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use tokio::net::TcpStream as Socket;
use tokio::task::JoinSet;

use super::client::Client;
use super::clock;
use super::cpu::CpuClock;
use super::interrupts;
use super::numbers::{Times, ratio};
use super::report::{Report, shown};
use super::servers::Daemon;

const OBSERVERS: usize = 64;
/// What they may take of the turn's throughput.
const COST_MAX: f64 = 0.05;
/// Deltas of a turn.
const DELTAS: usize = 60_000;
/// As many bytes as the stand-in puts into one, which is about what claude does.
const DELTA_BYTES: usize = 16;
const SESSION: &str = "bench::observers";
/// Turns before those that count, each way.
const WARM_UP: usize = 2;
/// turnmux is at rest when it takes no more CPU time than this in so long; it is waited for so many times.
const QUIET: Duration = Duration::from_millis(50);
const QUIET_CPU_MAX: Duration = Duration::from_micros(500);
const SETTLE_TRIES: usize = 200;
/// How long the observers may take to catch up with a turn that has ended.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Room for one read, and what of it is looked at again with the next: a mark may lie across the two.
const READ_BYTES: usize = 64 << 10;
const OVERLAP_BYTES: usize = 32;
/// How an observer hears that it is heard, of the end of a turn, and of what it has not been told.
const WATCHING: &[u8] = b": watching\n\n";
const COMPLETED: &[u8] = b"\nevent: turn_completed\n";
const MISSED: &[u8] = b"\nevent: missed\n";

/// `turns` each way.
pub(crate) fn measure(daemon: &Daemon, turns: usize, report: &mut Report) -> anyhow::Result<()> {
    // Said by number, not by text: observers are told what the user said, and that is to cost nothing here.
    let text = format!("::long {}", DELTA_BYTES * DELTAS);
    // One session for both: two would be two agents, of which one may be the quicker.
    let mut client = Client::connect(&daemon.address, SESSION, &text)?;
    client.turn()?;
    let (mut with, mut without) = (Times::default(), Times::default());
    let clock = CpuClock::of(daemon.pid())?;
    let (mut cpu_with, mut cpu_without) = (Times::default(), Times::default());
    for turn in 0..WARM_UP + turns {
        ensure!(!interrupts::stopping(), "interrupted");
        for is_watched in [turn % 2 == 0, turn % 2 != 0] {
            // They leave when the turn is over: the next one is not to pay for their catching up.
            let crowd = if is_watched { Some(Crowd::watch(&daemon.address)?) } else { None };
            settle(clock)?;
            let before = clock.now()?;
            let seen = client.turn()?;
            let ended_ns = clock::now_ns();
            let cpu = clock.now()?.saturating_sub(before);
            drop(crowd);
            if turn >= WARM_UP {
                let (times, cpus) =
                    if is_watched { (&mut with, &mut cpu_with) } else { (&mut without, &mut cpu_without) };
                times.add(seen.first_ns, ended_ns);
                cpus.add_ns(u64::try_from(cpu.as_nanos())?);
            }
        }
    }
    let crowd = Crowd::watch(&daemon.address)?;
    client.turn()?;
    let ended_ns = clock::now_ns();
    let (caught_up_ns, missed) = crowd.catch_up()?;
    drop(crowd);
    let behind = shown(Duration::from_nanos(caught_up_ns.saturating_sub(ended_ns)));

    report
        .part(&format!("{OBSERVERS} observers on one turn of {DELTAS} deltas, as fast as it goes (stand-in agent)"))?;
    report.row("first delta → end, nobody watches", &without)?;
    report.row(&format!("first delta → end, {OBSERVERS} observers"), &with)?;
    let per_s = |times: &Times| DELTAS as f64 / times.percentile(50.0).unwrap_or(Duration::MAX).as_secs_f64();
    let (alone, watched) = (per_s(&without), per_s(&with));
    report.note(&format!("deltas a second: {alone:.0} alone, {watched:.0} watched"))?;
    let cpu = |times: &Times| times.percentile(50.0).map_or_else(String::new, shown);
    report.note(&format!("CPU time of turnmux for a turn: {} alone, {} watched", cpu(&cpu_without), cpu(&cpu_with)))?;
    report.note(&format!(
        "observers that stay see the end of a turn {behind} after it, and miss {missed} times something"
    ))?;
    let cost = 1.0 - ratio(&without, &with);
    let (value, limit) = (format!("{:.1} %", 100.0 * cost), format!("≤ {:.0} %", 100.0 * COST_MAX));
    report.limit("throughput that the observers cost, medians", &value, &limit, cost <= COST_MAX)?;
    Ok(())
}

/// Waits until turnmux has nothing more to do: with what is left of the turn before, or with those who connect. Otherwise the
/// one kind of turn would pay for it, and the other, which begins later, would not.
#[expect(
    clippy::disallowed_methods,
    reason = "the bench is a program of its own, and this thread is its only one that acts"
)]
fn settle(clock: CpuClock) -> anyhow::Result<()> {
    for _ in 0..SETTLE_TRIES {
        let before = clock.now()?;
        thread::sleep(QUIET);
        if clock.now()?.saturating_sub(before) < QUIET_CPU_MAX {
            return Ok(());
        }
    }
    bail!("turnmux does not come to rest");
}

/// All observers: connections that one thread reads.
struct Crowd {
    sockets: Vec<TcpStream>,
    reads: Option<JoinHandle<()>>,
    /// Who has seen the end of a turn: when, and how many gaps it met on the way.
    ends: Receiver<(u64, usize)>,
}

impl Crowd {
    /// Connects them to the session that is watched, and waits until each is heard.
    fn watch(address: &str) -> anyhow::Result<Self> {
        let sockets = (0..OBSERVERS).map(|_| connect(address)).collect::<anyhow::Result<Vec<_>>>()?;
        let copies = sockets.iter().map(TcpStream::try_clone).collect::<Result<Vec<_>, _>>()?;
        let (ended, ends) = sync_channel(OBSERVERS);
        let (ready, is_ready) = sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let reads = thread::spawn(move || runtime.block_on(observe_all(copies, &ready, &ended)));
        let crowd = Self { sockets, reads: Some(reads), ends };
        is_ready.recv_timeout(CATCH_UP).context("the observers do not read")?;
        Ok(crowd)
    }

    /// Waits until all have seen the end of the turn: when the last had, and how many gaps they met.
    fn catch_up(&self) -> anyhow::Result<(u64, usize)> {
        let (mut last_ns, mut missed) = (0, 0);
        for _ in 0..OBSERVERS {
            let (at_ns, gaps) = self.ends.recv_timeout(CATCH_UP).context("an observer does not see the end")?;
            last_ns = last_ns.max(at_ns);
            missed += gaps;
        }
        Ok((last_ns, missed))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for socket in &self.sockets {
            // One that is closed already is what is wanted.
            let _ = socket.shutdown(Shutdown::Both);
        }
        if let Some(reads) = self.reads.take() {
            let _ = reads.join();
        }
    }
}

/// One that is heard.
fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(CATCH_UP))?;
    write!(socket, "GET /v1/sessions/{SESSION}/events HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    let (mut answer, mut filled) = ([0; 4096], 0);
    while memmem::find(&answer[..filled], WATCHING).is_none() {
        let read = socket.read(&mut answer[filled..])?;
        filled += read;
        if read == 0 || !answer.starts_with(b"HTTP/1.1 200 ") {
            bail!("nobody may watch: {}", String::from_utf8_lossy(&answer[..filled]));
        }
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Reads until all connections have ended.
async fn observe_all(sockets: Vec<TcpStream>, ready: &SyncSender<()>, ended: &SyncSender<(u64, usize)>) {
    // They take turns with one buffer, on one thread: a lock for the compiler.
    let buffer = Arc::new(Mutex::new(vec![0; READ_BYTES]));
    let mut all = JoinSet::new();
    // One that cannot be read is missed by whoever waits for it.
    for socket in sockets.into_iter().filter_map(|socket| Socket::from_std(socket).ok()) {
        all.spawn(observe(socket, buffer.clone(), ended.clone()));
    }
    tokio::task::yield_now().await;
    // Nobody waits any more when the bench has given up.
    let _ = ready.send(());
    while all.join_next().await.is_some() {}
}

/// Reads until the connection ends.
async fn observe(socket: Socket, buffer: Arc<Mutex<Vec<u8>>>, ended: SyncSender<(u64, usize)>) {
    let (mut kept, mut gaps) = (Vec::with_capacity(OVERLAP_BYTES), 0);
    while socket.readable().await.is_ok() {
        let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer[..kept.len()].copy_from_slice(&kept);
        let read = match socket.try_read(&mut buffer[kept.len()..]) {
            Ok(read @ 1..) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Ok(_) | Err(_) => return,
        };
        let seen = &buffer[..kept.len() + read];
        gaps += memmem::find_iter(seen, MISSED).count();
        let mut from = seen.len().saturating_sub(OVERLAP_BYTES);
        if let Some(at) = memmem::find(seen, COMPLETED) {
            if ended.send((clock::now_ns(), std::mem::take(&mut gaps))).is_err() {
                return;
            }
            from = from.max(at + COMPLETED.len());
        } else if let Some(at) = memmem::rfind(seen, MISSED) {
            // It is not to be counted again.
            from = from.max(at + MISSED.len());
        }
        kept.clear();
        kept.extend_from_slice(&seen[from..]);
    }
}
