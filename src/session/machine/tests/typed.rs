//! A person begins turns past the session.

use super::*;

impl Bench {
    /// The driver says that a person has begun a turn.
    fn typed(&mut self, name: &str) -> Vec<String> {
        let turn = TurnId::generate();
        self.names.insert(turn, name.to_owned());
        self.says(DriverEvent::TypedTurn { turn, thread: thread(7), text: name.to_owned() })
    }
}

#[test]
fn it_is_a_turn_like_any_other_and_those_of_clients_wait() {
    let mut bench = Bench::idle();
    assert_eq!(bench.typed("t"), ["busy", "typed t", "t: Typed", "t: Started"]);
    assert_eq!(bench.machine.active(), Some(bench.turn("t")));
    assert_eq!(bench.saved.as_ref().unwrap().thread, Some(thread(7)), "the person may have begun a conversation");
    assert_eq!(bench.submit("b"), ["accept b", "b: waits Queued"]);
    assert_eq!(bench.step(), ["t: TextDelta"]);
    let steered = bench.says(DriverEvent::TypedSteer { text: "more".into() });
    assert_eq!(steered, ["t: Steered", "t: Typed", "t: SteerConsumed"]);
    assert_eq!(bench.completed(), ["t: completed", "busy", "start b"]);
}

#[test]
fn a_turn_that_was_given_in_the_same_moment_is_the_next() {
    let mut bench = Bench::idle();
    assert_eq!(bench.submit("b"), ["accept b", "busy", "start b"]);
    assert_eq!(bench.typed("t"), ["typed t", "t: Typed", "t: Started"]);
    assert!(bench.machine.owes(bench.turn("b")));
    assert_eq!(bench.step(), ["t: TextDelta"]);
    bench.now += 3600 * SECOND;
    assert_eq!(bench.completed(), ["t: completed"]);
    assert_eq!(bench.machine.active(), Some(bench.turn("b")));
    assert_eq!(bench.after(SECOND), [""; 0], "its waits begin with its time");
    assert_eq!(bench.says(DriverEvent::Began { thread: thread(7) }), ["b: Started"]);
    assert_eq!(bench.completed(), ["b: completed", "idle"]);
}

#[test]
fn who_stops_it_before_its_time_stops_it_then() {
    let mut bench = Bench::idle();
    bench.submit("b");
    bench.typed("t");
    assert_eq!(bench.interrupt("b"), [""; 0]);
    assert_eq!(bench.completed(), ["t: completed", "interrupt"]);
    assert_eq!(bench.completed(), ["b: completed", "idle"]);

    // Stopped before the person's turn was heard of: what stops it may meet that.
    let mut bench = Bench::idle();
    bench.submit("b");
    assert_eq!(bench.interrupt("b"), ["interrupt"]);
    assert_eq!(bench.typed("t"), ["typed t", "t: Typed", "t: Started"]);
    let stopped = TurnEnding::Interrupted(crate::protocol::InterruptCause::Agent);
    assert_eq!(bench.says(DriverEvent::TurnEnded(stopped.clone())), ["t: interrupted", "interrupt"]);
    assert_eq!(bench.says(DriverEvent::TurnEnded(stopped)), ["b: interrupted", "idle"]);
}

#[test]
fn a_crash_ends_both_and_so_does_a_reset() {
    let mut bench = Bench::idle();
    bench.submit("b");
    bench.typed("t");
    assert_eq!(bench.crashed(), ["t: failed AgentLost", "b: failed AgentLost", "release"]);

    let mut bench = Bench::idle();
    bench.submit("b");
    bench.typed("t");
    assert_eq!(bench.finish(After::Reset), ["interrupt"]);
    assert_eq!(bench.completed(), ["t: completed", "interrupt"]);
    assert_eq!(bench.completed(), ["b: completed", "detach"]);
    assert_eq!(bench.detached(), ["release", "finished"]);
}

#[test]
fn a_refusal_ends_the_turn_that_it_is_of() {
    let mut bench = Bench::idle();
    bench.submit("b");
    let command = bench.given.as_ref().unwrap().0;
    bench.typed("t");
    let result = Err(TurnError::new(ErrorKind::Conflict, "no"));
    assert_eq!(bench.says(DriverEvent::Acked { command, result }), ["b: failed Conflict"]);
    assert_eq!(bench.completed(), ["t: completed", "idle"]);
}

#[test]
fn who_types_keeps_the_process() {
    let mut bench = Bench::idle();
    bench.now += 599 * SECOND;
    assert_eq!(bench.says(DriverEvent::Alive), [""; 0]);
    assert_eq!(bench.due_in(600 * SECOND), ["detach"]);
}

#[test]
fn what_is_typed_into_a_process_on_its_way_out_is_nobodys() {
    let mut bench = Bench::idle();
    bench.finish(After::Reset);
    assert_eq!(bench.typed("t"), [""; 0]);
    assert_eq!(bench.detached(), ["release", "finished"]);
}
