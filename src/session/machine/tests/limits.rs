//! What takes too long.

use super::*;

#[test]
fn a_named_session_keeps_its_idle_process_for_long_and_an_unnamed_one_does_not() {
    let mut bench = Bench::idle();
    assert_eq!(bench.due_in(600 * SECOND), ["detach"]);
    assert_eq!(bench.detached(), ["release"]);
    assert!(bench.machine.done());

    let mut bench = Bench::new();
    let mut unnamed = job("a");
    unnamed.request.unnamed = true;
    bench.machine = Machine::new(SessionRecord { unnamed: true, ..record() }, policy());
    bench.submit_job(unnamed);
    bench.granted();
    bench.ready();
    bench.completed();
    assert_eq!(bench.due_in(30 * SECOND), ["detach"]);
}

#[test]
fn a_session_that_is_named_once_stays_named() {
    let mut bench = Bench::new();
    bench.machine = Machine::new(SessionRecord { unnamed: true, ..record() }, policy());
    bench.submit("a");
    bench.granted();
    bench.ready();
    bench.completed();
    assert!(!bench.machine.record().unnamed);
    assert_eq!(bench.machine.deadline(), Some(bench.now + 600 * SECOND));
}

#[test]
fn a_turn_that_comes_in_while_the_process_goes_resumes() {
    let mut bench = Bench::idle();
    bench.after(600 * SECOND);
    assert_eq!(bench.submit("b"), ["accept b"]);
    assert_eq!(bench.detached(), ["release", "acquire"]);
    assert_eq!(bench.granted(), ["b: waits Starting", "open resume"]);
}

#[test]
fn a_process_that_does_not_go_is_let_go() {
    let mut bench = Bench::idle();
    bench.after(600 * SECOND);
    bench.submit("b");
    assert_eq!(bench.due_in(LIMITS_STOP), ["drop", "release", "acquire"]);
}

#[test]
fn only_an_idle_session_makes_room() {
    let mut bench = Bench::new();
    assert_eq!(bench.feed(Input::Retire), [""; 0]);
    bench.submit("a");
    assert_eq!(bench.feed(Input::Retire), [""; 0]);
    bench.granted();
    assert_eq!(bench.feed(Input::Retire), [""; 0]);
    bench.ready();
    assert_eq!(bench.feed(Input::Retire), [""; 0]);
    assert_eq!(bench.completed(), ["a: completed", "idle"]);
    assert_eq!(bench.feed(Input::Retire), ["detach"], "and it counts as idle until it is gone");
}

#[test]
fn an_agent_that_shows_no_sign_of_life_is_stopped() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    bench.ready();
    bench.now += 100 * SECOND;
    assert_eq!(bench.says(DriverEvent::Alive), [""; 0]);
    assert_eq!(bench.due_in(120 * SECOND), ["interrupt"]);
    assert_eq!(bench.due_in(10 * SECOND), ["a: failed TimedOut", "detach"]);
}

#[test]
fn a_turn_that_began_has_no_limit_of_its_own() {
    let bench = Bench::active();
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn silence_is_limited_if_so_configured_and_each_event_breaks_it() {
    let mut bench = Bench::active_with(|policy| policy.limits.silence = Some(9 * SECOND));
    bench.now += 8 * SECOND;
    bench.step();
    bench.now += 8 * SECOND;
    bench.says(DriverEvent::Alive);
    assert_eq!(bench.due_in(9 * SECOND), ["interrupt"]);
    assert_eq!(bench.says(DriverEvent::TurnEnded(completed())), ["a: completed", "idle"]);
}

#[test]
fn a_turn_is_limited_if_so_configured_and_no_event_gives_it_more_time() {
    let mut bench = Bench::active_with(|policy| policy.limits.turn = Some(9 * SECOND));
    bench.now += 8 * SECOND;
    bench.step();
    bench.says(DriverEvent::Alive);
    assert_eq!(bench.due_in(SECOND), ["interrupt"]);
    assert_eq!(bench.crashed(), ["a: failed TimedOut", "release"]);
}

#[test]
fn while_a_reader_presses_back_silence_is_not_the_agents_own() {
    let mut bench = Bench::active_with(|policy| policy.limits.silence = Some(9 * SECOND));
    bench.feed(Input::Held(true));
    assert_eq!(bench.machine.deadline(), None);
    assert_eq!(bench.after(60 * SECOND), [""; 0]);
    bench.feed(Input::Held(false));
    assert_eq!(bench.due_in(9 * SECOND), ["interrupt"], "it counts anew");
}

#[test]
fn while_a_reader_presses_back_the_next_turn_need_not_begin() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    bench.ready();
    bench.feed(Input::Held(true));
    assert_eq!(bench.machine.deadline(), None);
    assert_eq!(bench.after(600 * SECOND), [""; 0]);
    bench.feed(Input::Held(false));
    assert_eq!(bench.due_in(120 * SECOND), ["interrupt"]);
}

#[test]
fn a_turns_own_limit_does_not_rest() {
    let mut bench = Bench::active_with(|policy| policy.limits.turn = Some(9 * SECOND));
    bench.feed(Input::Held(true));
    assert_eq!(bench.due_in(9 * SECOND), ["interrupt"]);
    assert!(!bench.machine.streaming(), "its end is taken in spite of the reader");
}
