//! Reset, close, shutdown.

use super::*;
use crate::protocol::InterruptCause;

#[test]
fn a_reset_takes_the_thread_away_and_the_session_goes_on() {
    let mut bench = Bench::idle();
    let first = bench.origin().thread().clone();
    assert_eq!(bench.finish(After::Reset), ["detach"]);
    assert_eq!(bench.submit("b"), ["accept b"]);
    assert_ne!(*bench.machine.thread(), first, "what is promised is not what is taken away");
    assert_eq!(bench.detached(), ["release", "finished", "acquire"]);
    assert_eq!(bench.machine.record().generation, 1);
    let promised = bench.machine.thread().clone();
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::New(promised));
    assert!(!bench.machine.done());
}

#[test]
fn a_reset_without_a_process_is_done_at_once() {
    let mut bench = Bench::new();
    bench.machine =
        Machine::new(SessionRecord { thread: Some(thread(1)), instructions: Some("x".into()), ..record() }, policy());
    assert_eq!(bench.finish(After::Reset), ["finished"]);
    let saved = bench.saved.unwrap();
    assert_eq!((saved.thread, saved.instructions, saved.generation), (None, None, 1));
    assert!(bench.machine.done() && bench.machine.kept());
}

#[test]
fn a_reset_stops_what_runs_and_what_waits() {
    let mut bench = Bench::active();
    bench.submit("b");
    assert_eq!(bench.finish(After::Reset), ["b: interrupted", "interrupt"]);
    let ending = TurnEnding::Interrupted(InterruptCause::Agent);
    assert_eq!(bench.says(DriverEvent::TurnEnded(ending)), ["a: interrupted", "detach"]);
    assert_eq!(bench.detached(), ["release", "finished"]);
    assert_eq!(bench.machine.record().thread, None);
}

#[test]
fn a_session_can_be_reset_in_every_state() {
    let mut bench = Bench::new();
    bench.submit("a");
    assert_eq!(bench.finish(After::Reset), ["a: interrupted", "release", "finished"], "waiting");
    bench.submit("b");
    bench.granted();
    assert_eq!(bench.finish(After::Reset), ["b: interrupted", "detach"], "starting");
    assert_eq!(bench.detached(), ["release", "finished"]);
    for name in ["c", "d", "e"] {
        bench.submit(name);
    }
    for _ in 0..2 {
        bench.granted();
        bench.crashed();
    }
    assert_eq!(bench.machine.state_name(), "backoff");
    assert_eq!(bench.finish(After::Reset), ["e: interrupted", "finished"], "backoff");
    bench.submit("f");
    assert_eq!(bench.machine.state_name(), "waiting", "failures are forgotten, too");
}

#[test]
fn a_thread_that_is_named_during_a_reset_is_not_the_old_one() {
    let mut bench = Bench::idle();
    let mut named = job("b");
    named.request.thread = bench.machine.record().thread.clone();
    bench.finish(After::Reset);
    assert_eq!(bench.submit_job(named), ["deny b: OtherThread"]);
}

#[test]
fn a_closed_session_is_forgotten() {
    let mut bench = Bench::idle();
    assert_eq!(bench.finish(After::Close), ["detach"]);
    assert_eq!(bench.submit("b"), ["deny b: Closing"]);
    assert_eq!(bench.detached(), ["release", "remove", "finished"]);
    assert!(bench.machine.done() && !bench.machine.kept());
    assert_eq!(bench.submit("c"), ["deny c: Closing"]);
    assert_eq!(bench.finish(After::Close), ["finished"], "whoever asks again is told");
    assert_eq!(bench.machine.state_name(), "closed");
}

#[test]
fn at_shutdown_the_running_turn_may_finish_and_the_others_end() {
    let mut bench = Bench::active();
    bench.submit("b");
    assert_eq!(bench.finish(After::Shutdown), ["b: interrupted"]);
    assert_eq!(bench.submit("c"), ["deny c: ShuttingDown"]);
    assert_eq!(bench.step(), ["a: TextDelta"]);
    assert_eq!(bench.completed(), ["a: completed", "detach"]);
    assert_eq!(bench.detached(), ["release", "finished"]);
    assert!(bench.machine.done() && bench.machine.kept());
}

#[test]
fn a_shutdown_that_cannot_wait_interrupts() {
    let mut bench = Bench::active();
    bench.finish(After::Shutdown);
    assert_eq!(bench.finish(After::ShutdownNow), ["interrupt"]);
    assert_eq!(bench.due_in(10 * SECOND), ["a: interrupted", "detach"]);
    assert_eq!(bench.due_in(LIMITS_STOP), ["drop", "release", "finished"]);
}

#[test]
fn the_end_that_goes_furthest_counts() {
    let mut bench = Bench::idle();
    bench.finish(After::Close);
    bench.finish(After::Reset);
    assert_eq!(bench.detached(), ["release", "remove", "finished"]);
    let mut bench = Bench::idle();
    bench.finish(After::Reset);
    bench.finish(After::Shutdown);
    assert_eq!(bench.detached(), ["release", "finished"]);
    assert_eq!(bench.machine.state_name(), "closed");
}
