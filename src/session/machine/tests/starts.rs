//! Processes that do not start, and those that die.

use super::*;

#[test]
fn a_start_that_hangs_fails_its_turn_and_the_next_one_starts_again() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.submit("b");
    bench.granted();
    let first = bench.origin().clone();
    assert_eq!(bench.due_in(60 * SECOND), ["a: failed StartFailed", "detach"]);
    assert_eq!(bench.ready(), [""; 0], "too late");
    assert_eq!(bench.detached(), ["release", "acquire"]);
    assert_eq!(bench.granted(), ["b: waits Starting", "open new"]);
    assert_ne!(*bench.origin(), first, "an id for a new thread is used once");
    assert_eq!(bench.ready(), ["busy", "start b"]);
}

#[test]
fn a_start_that_fails_says_why() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    assert_eq!(bench.crashed(), ["a: failed AgentLost", "release"]);
    assert!(bench.machine.done());
    assert_eq!(bench.machine.record().thread, None, "nothing there to resume");
}

#[test]
fn repeated_failures_put_the_next_start_off_for_longer_and_longer() {
    let mut bench = Bench::with(|policy| policy.queue_max = 100);
    for turn in 0..14 {
        bench.submit(&turn.to_string());
    }
    bench.granted();
    assert_eq!(bench.crashed()[1..], ["release", "acquire"], "once is no habit");
    bench.granted();
    let mut waits = Vec::new();
    for _ in 2..14 {
        assert_eq!(bench.crashed()[1..], ["release"]);
        assert_eq!(bench.machine.state_name(), "backoff");
        assert_eq!(bench.submit("late"), ["accept late", "late: waits Queued"]);
        bench.interrupt("late");
        let wait = bench.machine.deadline().unwrap() - bench.now;
        waits.push(wait.as_millis());
        assert_eq!(bench.due_in(wait), ["acquire"]);
        bench.granted();
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000, 30000, 30000]);
    bench.ready();
    bench.completed();
    bench.submit("b");
    bench.crashed();
    assert_eq!(bench.machine.state_name(), "waiting", "a turn that ended makes good for all failures");
}

#[test]
fn who_waits_for_another_start_can_leave_and_no_place_is_given_back_that_was_not_asked_for() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.submit(name);
    }
    for _ in 0..2 {
        bench.granted();
        bench.crashed();
    }
    assert_eq!(bench.machine.state_name(), "backoff");
    assert_eq!(bench.interrupt("c"), ["c: interrupted"]);
    assert!(bench.machine.done());
}

#[test]
fn no_place_in_time_fails_the_turn_and_the_next_one_asks_anew() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.submit("b");
    assert_eq!(bench.due_in(600 * SECOND), ["a: failed NoCapacity", "release", "acquire"]);
    assert_eq!(bench.due_in(600 * SECOND), ["b: failed NoCapacity", "release"]);
    assert!(bench.machine.done());
}

#[test]
fn a_crash_fails_its_own_turn_and_the_next_one_resumes_the_thread() {
    let mut bench = Bench::active();
    let thread = bench.origin().thread().clone();
    bench.submit("b");
    assert_eq!(bench.crashed(), ["a: failed AgentLost", "release", "acquire"]);
    assert_eq!(bench.saved.as_ref().unwrap().thread, Some(thread.clone()), "known even if the daemon dies now");
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread));
    assert_eq!(bench.ready(), ["busy", "start b"]);
}

#[test]
fn a_crash_before_the_turn_began_leaves_nothing_to_resume() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    bench.ready();
    bench.submit("b");
    let first = bench.origin().clone();
    bench.crashed();
    bench.granted();
    assert!(matches!(bench.origin(), ThreadOrigin::New(_)));
    assert_ne!(*bench.origin(), first, "an id for a new thread is used once");
}

#[test]
fn a_thread_that_was_never_written_down_is_begun_again() {
    let mut bench = Bench::active();
    bench.crashed();
    bench.submit("b");
    bench.granted();
    let ThreadOrigin::Resume(thread) = bench.origin().clone() else { panic!("{:?}", bench.origin()) };
    assert_eq!(bench.not_found(), ["release", "acquire"]);
    assert_eq!(bench.granted(), ["b: waits Starting", "open new"]);
    assert_eq!(*bench.origin(), ThreadOrigin::New(thread), "as it was promised with the turn");
    assert_eq!(bench.ready(), ["busy", "start b"]);
}

#[test]
fn an_idle_process_that_dies_is_missed_by_nobody() {
    let mut bench = Bench::idle();
    assert_eq!(bench.crashed(), ["release"]);
    assert!(bench.machine.done());
    bench.submit("b");
    bench.granted();
    assert!(matches!(bench.origin(), ThreadOrigin::Resume(_)));
}

#[test]
fn a_turn_that_the_agent_refuses_fails_alone() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    bench.ready();
    bench.submit("b");
    let command = bench.given.as_ref().unwrap().0;
    let refusal = Err(TurnError::new(ErrorKind::ModelRefused, "no"));
    assert_eq!(bench.says(DriverEvent::Acked { command: command + 1, result: refusal.clone() }), [""; 0]);
    assert_eq!(
        bench.says(DriverEvent::Acked { command, result: refusal }),
        ["a: failed ModelRefused", "busy", "start b"]
    );
}
