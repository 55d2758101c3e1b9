//! Turns whose client may come back for the answer.

use super::*;

fn lingering(input: &str) -> Job {
    let mut job = job(input);
    job.request.lingers = true;
    job
}

fn active() -> Bench {
    let mut bench = Bench::new();
    bench.submit_job(lingering("a"));
    bench.granted();
    bench.ready();
    bench.began();
    bench
}

#[test]
fn it_goes_on_for_a_while_when_nobody_reads_it() {
    let mut bench = active();
    assert_eq!(bench.reader_gone("a"), [""; 0]);
    assert_eq!(bench.due_in(10 * SECOND), ["interrupt"]);
}

#[test]
fn whoever_comes_back_keeps_it_alive() {
    let mut bench = active();
    bench.reader_gone("a");
    let turn = bench.turn("a");
    assert_eq!(bench.feed(Input::ReaderBack(turn)), [""; 0]);
    assert_eq!(bench.after(11 * SECOND), [""; 0]);
    assert_eq!(bench.reader_gone("a"), [""; 0]);
    assert_eq!(bench.completed(), ["a: completed", "idle"]);
}

#[test]
fn another_message_ends_it() {
    let mut bench = active();
    bench.submit_job(lingering("b"));
    bench.reader_gone("a");
    bench.reader_gone("b");
    assert_eq!(bench.submit("c"), ["b: interrupted", "interrupt", "accept c", "c: waits Queued"]);
}

#[test]
fn it_waits_for_its_turn_and_for_its_reader() {
    let mut bench = active();
    bench.submit_job(lingering("b"));
    assert_eq!(bench.reader_gone("b"), [""; 0]);
    bench.now += 4 * SECOND;
    assert_eq!(bench.completed(), ["a: completed", "busy", "start b"]);
    assert_eq!(bench.due_in(6 * SECOND), ["interrupt"], "counted from when its reader left");

    let mut bench = active();
    bench.submit_job(lingering("b"));
    bench.reader_gone("b");
    assert_eq!(bench.due_in(10 * SECOND), ["b: interrupted"]);
}
