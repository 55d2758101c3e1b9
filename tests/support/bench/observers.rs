//! What 64 observers cost the turn that they watch. The stand-in answers as fast as it can, in deltas of the size that
//! claude's have, so that the turn takes whatever CPU time is left; turns that somebody watches and turns that nobody watches
//! take turns. The observers read on the same machine, as cheaply as they can: what their reading takes counts, too.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use memchr::memmem;

use super::client::Client;
use super::clock;
use super::interrupts;
use super::numbers::{Times, ratio};
use super::report::{Report, shown};
use super::servers::Daemon;

const OBSERVERS: usize = 64;
/// What they may take of the turn's throughput.
const COST_MAX: f64 = 0.05;
/// Deltas of a turn.
const DELTAS: usize = 60_000;
/// What each of them says: as many characters as the stand-in puts into one, which is about what claude does.
const DELTA: &str = "sixteen letters ";
const WATCHED: &str = "bench::observers-watched";
const ALONE: &str = "bench::observers-alone";
/// Turns before those that count, each way.
const WARM_UP: usize = 2;
/// How long the observers may take to catch up with a turn that has ended.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Room for one read, and what of it is looked at again with the next: a mark may lie across the two.
const READ_BYTES: usize = 128 << 10;
const OVERLAP_BYTES: usize = 32;
/// Stack of an observer's thread.
const STACK_BYTES: usize = 64 << 10;
/// How an observer hears of the end of a turn, and of what it has not been told.
const COMPLETED: &[u8] = b"\nevent: turn_completed\n";
const MISSED: &[u8] = b"\nevent: missed\n";

/// `turns` each way.
pub(crate) fn measure(daemon: &Daemon, turns: usize, report: &mut Report) -> anyhow::Result<()> {
    let text = format!("::say {}", DELTA.repeat(DELTAS));
    let mut watched = Client::connect(&daemon.address, WATCHED, &text)?;
    let mut alone = Client::connect(&daemon.address, ALONE, &text)?;
    watched.turn()?;
    let (mut with, mut without) = (Times::default(), Times::default());
    for turn in 0..WARM_UP + turns {
        ensure!(!interrupts::stopping(), "interrupted");
        for is_watched in [turn % 2 == 0, turn % 2 != 0] {
            // They leave when the turn is over: the next one is not to pay for their catching up.
            let crowd = if is_watched { Some(Crowd::watch(&daemon.address)?) } else { None };
            let client = if is_watched { &mut watched } else { &mut alone };
            let seen = client.turn()?;
            let ended_ns = clock::now_ns();
            drop(crowd);
            if turn >= WARM_UP {
                let times = if is_watched { &mut with } else { &mut without };
                times.add(seen.first_ns, ended_ns);
            }
        }
    }
    let crowd = Crowd::watch(&daemon.address)?;
    watched.turn()?;
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
    report.note(&format!(
        "observers that stay see the end of a turn {behind} after it, and miss {missed} times something"
    ))?;
    let cost = 1.0 - ratio(&without, &with);
    let (value, limit) = (format!("{:.1} %", 100.0 * cost), format!("≤ {:.0} %", 100.0 * COST_MAX));
    report.limit("throughput that the observers cost, medians", &value, &limit, cost <= COST_MAX)?;
    Ok(())
}

/// All observers, each with its connection and its thread.
struct Crowd {
    sockets: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
    /// Who has seen the end of a turn: when, and how many gaps it met on the way.
    ends: Receiver<(u64, usize)>,
}

impl Crowd {
    /// Connects them to the session that is watched, and waits until each is heard.
    fn watch(address: &str) -> anyhow::Result<Self> {
        let (ended, ends) = sync_channel(OBSERVERS);
        let mut crowd = Self { sockets: Vec::new(), threads: Vec::new(), ends };
        for _ in 0..OBSERVERS {
            let mut socket = TcpStream::connect(address)?;
            socket.set_read_timeout(Some(CATCH_UP))?;
            write!(socket, "GET /v1/sessions/{WATCHED}/events HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
            let mut answer = [0; 4096];
            let read = socket.read(&mut answer)?;
            let heard = answer.starts_with(b"HTTP/1.1 200 ");
            ensure!(heard, "nobody may watch: {}", String::from_utf8_lossy(&answer[..read]));
            socket.set_read_timeout(None)?;
            crowd.sockets.push(socket.try_clone()?);
            let ended = ended.clone();
            crowd.threads.push(thread::Builder::new().stack_size(STACK_BYTES).spawn(move || observe(socket, &ended))?);
        }
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
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Reads until the connection ends.
fn observe(mut socket: TcpStream, ended: &SyncSender<(u64, usize)>) {
    let mut buffer = vec![0; READ_BYTES];
    let (mut kept, mut gaps) = (0, 0);
    while let Ok(read @ 1..) = socket.read(&mut buffer[kept..]) {
        let filled = kept + read;
        let seen = &buffer[..filled];
        gaps += memmem::find_iter(seen, MISSED).count();
        let mut from = filled.saturating_sub(OVERLAP_BYTES);
        if let Some(at) = memmem::find(seen, COMPLETED) {
            if ended.send((clock::now_ns(), std::mem::take(&mut gaps))).is_err() {
                return;
            }
            from = from.max(at + COMPLETED.len());
        } else if let Some(at) = memmem::rfind(seen, MISSED) {
            // It is not to be counted again.
            from = from.max(at + MISSED.len());
        }
        buffer.copy_within(from..filled, 0);
        kept = filled - from;
    }
}
