//! Turns that are to stop: by request, or because nobody reads them.

use super::*;
use crate::protocol::{DriverEnd, InterruptCause};

fn cause(effects: &[Effect]) -> Option<InterruptCause> {
    effects.iter().find_map(|effect| match effect {
        Effect::Emit(_, EventKind::Ended(TurnEnding::Interrupted(cause))) => Some(*cause),
        _ => None,
    })
}

#[test]
fn an_interrupt_that_the_agent_confirms_keeps_the_process() {
    let mut bench = Bench::active();
    assert_eq!(bench.interrupt("a"), ["interrupt"]);
    assert_eq!(bench.step(), [""; 0], "nobody is to wait for the rest");
    assert_eq!(bench.interrupt("a"), [""; 0], "once is enough");
    assert_eq!(bench.submit("b"), ["accept b", "b: waits Queued"]);
    // The agent's own words for it do not matter.
    let ending = TurnEnding::Failed(TurnError::new(ErrorKind::UpstreamFailed, "aborted"));
    let effects = bench.machine.handle(bench.now, Input::Driver(DriverEvent::TurnEnded(ending)));
    assert_eq!(cause(&effects), Some(InterruptCause::Request));
    assert_eq!(bench.machine.state_name(), "active", "b runs");
}

#[test]
fn what_was_finished_before_the_interrupt_came_through_is_finished() {
    let mut bench = Bench::active();
    bench.interrupt("a");
    assert_eq!(bench.completed(), ["a: completed", "idle"]);
}

#[test]
fn an_answer_of_which_something_was_not_shown_is_not_completed() {
    let mut bench = Bench::active();
    bench.interrupt("a");
    bench.step();
    assert_eq!(bench.completed(), ["a: interrupted", "idle"]);
}

#[test]
fn an_interrupt_that_is_not_confirmed_ends_the_process() {
    let mut bench = Bench::active();
    let thread = bench.origin().thread().clone();
    bench.submit("b");
    bench.interrupt("a");
    assert_eq!(bench.due_in(10 * SECOND), ["a: interrupted", "detach"]);
    assert_eq!(bench.saved.as_ref().unwrap().thread, Some(thread.clone()), "known even if the daemon dies now");
    assert_eq!(bench.completed(), [""; 0], "too late");
    assert_eq!(bench.detached(), ["release", "acquire"]);
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread));
    assert_eq!(bench.machine.record().turns, 1, "it reached the agent, once");
}

#[test]
fn an_interrupt_before_the_turn_began_leaves_nothing_to_resume() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    bench.ready();
    let first = bench.origin().clone();
    bench.interrupt("a");
    assert_eq!(bench.due_in(10 * SECOND), ["a: interrupted", "detach"]);
    bench.detached();
    bench.submit("b");
    bench.granted();
    assert!(matches!(bench.origin(), ThreadOrigin::New(_)));
    assert_ne!(*bench.origin(), first, "an id for a new thread is used once");
}

#[test]
fn a_process_that_dies_of_an_interrupt_interrupted_its_turn() {
    let mut bench = Bench::active();
    bench.interrupt("a");
    assert_eq!(bench.crashed(), ["a: interrupted", "release"]);
    assert_eq!(bench.machine.record().turns, 1);
    assert!(bench.machine.record().thread.is_some());
}

#[test]
fn an_interrupt_without_a_name_means_the_first_turn_that_has_not_ended() {
    let mut bench = Bench::active();
    bench.submit("b");
    let unnamed = || Input::Interrupt { turn: None };
    assert_eq!(bench.feed(unnamed()), ["interrupt"]);
    let mut bench = Bench::new();
    bench.submit("a");
    bench.submit("b");
    assert_eq!(bench.feed(unnamed()), ["a: interrupted"]);
    assert_eq!(bench.feed(unnamed()), ["b: interrupted", "release"]);
    assert_eq!(bench.feed(unnamed()), [""; 0]);
}

#[test]
fn a_turn_that_waits_is_interrupted_at_once() {
    let mut bench = Bench::active();
    bench.submit("b");
    bench.submit("c");
    assert_eq!(bench.interrupt("b"), ["b: interrupted"]);
    assert_eq!(bench.interrupt("b"), [""; 0]);
    assert_eq!(bench.completed(), ["a: completed", "busy", "start c"]);
}

#[test]
fn a_reader_that_leaves_takes_its_waiting_turn_along() {
    let mut bench = Bench::active_with(|policy| policy.disconnect_grace = 5 * SECOND);
    bench.submit("b");
    assert_eq!(bench.reader_gone("b"), ["b: interrupted"], "a turn that did nothing yet is no loss");
}

#[test]
fn a_reader_that_leaves_during_the_start_leaves_a_warm_process() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.granted();
    assert_eq!(bench.reader_gone("a"), ["a: interrupted"]);
    assert_eq!(bench.ready(), ["idle"]);
}

#[test]
fn a_reader_that_leaves_stops_the_running_turn_at_once_without_grace() {
    let mut bench = Bench::active();
    assert_eq!(bench.reader_gone("a"), ["interrupt"]);
    assert_eq!(bench.reader_gone("a"), [""; 0]);
}

#[test]
fn a_reader_that_leaves_stops_the_running_turn_after_the_grace() {
    let mut bench = Bench::active_with(|policy| policy.disconnect_grace = 5 * SECOND);
    assert_eq!(bench.reader_gone("a"), [""; 0]);
    bench.now += 2 * SECOND;
    assert_eq!(bench.step(), ["a: TextDelta"], "it goes on");
    assert_eq!(bench.reader_gone("a"), [""; 0], "the grace counts from the first time");
    assert_eq!(bench.due_in(3 * SECOND), ["interrupt"]);
    assert_eq!(bench.says(DriverEvent::Closed(DriverEnd::Detached)), ["a: interrupted", "release"]);
}

#[test]
fn a_turn_that_completes_within_the_grace_is_complete() {
    let mut bench = Bench::active_with(|policy| policy.disconnect_grace = 5 * SECOND);
    bench.reader_gone("a");
    assert_eq!(bench.completed(), ["a: completed", "idle"]);
    assert_eq!(bench.submit("b"), ["accept b", "busy", "start b"]);
    assert_eq!(bench.after(10 * SECOND), [""; 0], "the grace was of the other turn");
}

#[test]
fn nobody_is_there_to_answer_so_the_answer_is_no() {
    let mut bench = Bench::new();
    bench.submit_job(job_over("a", |_| {}));
    bench.granted();
    bench.ready();
    bench.began();
    // A later turn's backend is not the one to be configured.
    bench.submit("b");
    let question = crate::protocol::Question { id: "q1".into(), tool: "Bash".into(), input: "{}".into() };
    let asked = Input::Driver(DriverEvent::Asked(question.clone()));
    let effects = bench.machine.handle(bench.now, asked);
    let [_, Effect::Command(command), _, Effect::Emit(_, EventKind::PermissionDenied { tool })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(tool, "Bash");
    let CommandKind::Answer { question: id, answer: crate::driver::Answer::Deny { message } } = &command.kind else {
        panic!("{command:?}")
    };
    assert_eq!(id, "q1");
    assert!(message.contains("[backends.two]"), "{message}");
    bench.interrupt("a");
    assert_eq!(bench.says(DriverEvent::Asked(question)), ["answer"], "an agent that waits could not be interrupted");
}
