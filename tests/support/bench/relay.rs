//! What a relayed delta costs of CPU time, beside what it costs a minimal hyper server ([`plain`](super::plain)) that writes
//! the same bytes to as many connections at the same pace, and hears nothing from anybody. The two take turns. Only what
//! the two processes take counts: neither the agents nor the clients. Deltas come one by one, as from a model: where they
//! come faster, turnmux and the kernel do several at once, and each costs less.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use memchr::memmem;

use super::client::Client;
use super::cpu::CpuClock;
use super::interrupts;
use super::numbers::{Times, ratio};
use super::plain::Plain;
use super::programs::Scratch;
use super::report::Report;
use super::servers::Daemon;

const STREAMS: usize = 32;
/// Deltas of a stream, enough that what a request costs does not count.
const DELTAS: usize = 300;
/// Before each delta: a hundred a second is what a fast model says.
const PAUSE: Duration = Duration::from_millis(10);
/// What each says: as many characters as the stand-in puts into one.
const DELTA: &str = "sixteen letters ";
const RATIO_MAX: f64 = 2.0;
/// Stack of a client's thread: it writes and reads.
const STACK_BYTES: usize = 256 << 10;

/// `rounds` each way.
pub(crate) fn measure(daemon: &Daemon, scratch: &Scratch, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let text = format!("::slow {}\n::say {}", PAUSE.as_millis(), DELTA.repeat(DELTAS));
    let mut relayed = clients(&daemon.address, &text)?;
    relayed = round(relayed)?;
    let pieces = events(relayed.first().context("no client")?.answer());
    let count = memmem::find_iter(&pieces, b"data: ").count();
    ensure!(count >= DELTAS, "the answer has {count} pieces, not {DELTAS}");
    let path = scratch.work().join("pieces");
    fs::write(&path, &pieces)?;
    let plain = Plain::start(&path, PAUSE)?;
    let mut written = round(clients(&plain.address, &text)?)?;
    let same = written.iter().all(|client| events(client.answer()) == pieces);
    ensure!(same, "the plain server does not write the same bytes");

    let clocks = (CpuClock::of(daemon.pid())?, CpuClock::of(plain.pid())?);
    let (mut turnmux, mut hyper) = (Times::default(), Times::default());
    for turn in 0..rounds {
        for relays in [turn % 2 == 0, turn % 2 != 0] {
            ensure!(!interrupts::stopping(), "interrupted");
            let (clients, clock, times) =
                if relays { (&mut relayed, clocks.0, &mut turnmux) } else { (&mut written, clocks.1, &mut hyper) };
            let before = clock.now()?;
            *clients = round(std::mem::take(clients))?;
            let took = clock.now()?.saturating_sub(before);
            times.add_ns(took.as_nanos() as u64 / (STREAMS * DELTAS) as u64);
        }
    }
    drop((relayed, written));
    plain.stop()?;

    let rate = STREAMS * 1_000 / PAUSE.as_millis() as usize;
    report.part(&format!("CPU time of a delta: {STREAMS} streams, {rate} deltas a second (stand-in agents)"))?;
    report.row("turnmux, which relays it", &turnmux)?;
    report.row("a minimal hyper server, which writes it", &hyper)?;
    let times = ratio(&turnmux, &hyper);
    let limit = format!("≤ {RATIO_MAX}");
    report.limit("turnmux ÷ minimal server, medians", &format!("{times:.2}"), &limit, times <= RATIO_MAX)?;
    Ok(())
}

fn clients(address: &str, text: &str) -> anyhow::Result<Vec<Client>> {
    (0..STREAMS).map(|stream| Client::connect(address, &format!("bench::relay-{stream}"), text)).collect()
}

/// A turn of each, all at once.
fn round(clients: Vec<Client>) -> anyhow::Result<Vec<Client>> {
    let mut threads = Vec::new();
    for mut client in clients {
        let run = move || client.turn().map(|_| client);
        threads.push(thread::Builder::new().stack_size(STACK_BYTES).spawn(run)?);
    }
    let mut back = Vec::new();
    for thread in threads {
        let Ok(client) = thread.join() else { anyhow::bail!("a client's thread broke") };
        back.push(client?);
    }
    Ok(back)
}

/// The body of an answer, out of its chunks.
fn events(answer: &[u8]) -> Vec<u8> {
    let mut events = Vec::new();
    let mut rest = memmem::find(answer, b"\r\n\r\n").map_or(&[][..], |at| &answer[at + 4..]);
    while let Some(at) = memmem::find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(chunk) = size.and_then(|size| rest.get(at + 2..at + 2 + size)) else { break };
        events.extend_from_slice(chunk);
        rest = rest.get(at + 2 + chunk.len() + 2..).unwrap_or_default();
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_what_the_chunks_hold() {
        let answer = b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n5\r\na\r\nbc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(events(answer), b"a\r\nbc0123456789");
    }
}
