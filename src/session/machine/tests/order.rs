//! Whose turn it is, and who is turned away.

use super::*;
use crate::protocol::DriverEnd;
use crate::session::Denial;

#[test]
fn turns_begin_in_the_order_in_which_they_were_accepted() {
    let mut bench = Bench::new();
    assert_eq!(bench.submit("a"), ["accept a", "acquire"]);
    assert_eq!(bench.submit("b"), ["accept b", "b: waits Queued"]);
    assert_eq!(bench.granted(), ["a: waits Starting", "open new"]);
    assert_eq!(bench.submit("c"), ["accept c", "c: waits Queued"]);
    assert_eq!(bench.ready(), ["busy", "start a"]);
    assert_eq!(bench.began(), ["a: Started"]);
    assert_eq!(bench.step(), ["a: TextDelta"]);
    assert_eq!(bench.completed(), ["a: completed", "busy", "start b"]);
    assert_eq!(bench.submit("d"), ["accept d", "d: waits Queued"]);
    assert_eq!(bench.completed(), ["b: completed", "busy", "start c"]);
    assert_eq!(bench.completed(), ["c: completed", "busy", "start d"]);
    assert_eq!(bench.completed(), ["d: completed", "idle"]);
    assert_eq!(bench.machine.record().turns, 4);
}

#[test]
fn an_idle_agent_gets_a_turn_at_once() {
    let mut bench = Bench::idle();
    assert_eq!(bench.submit("b"), ["accept b", "busy", "start b"]);
}

#[test]
fn the_queue_is_bounded_and_the_running_turn_is_not_in_it() {
    let mut bench = Bench::active();
    for name in ["b", "c", "d"] {
        bench.submit(name);
    }
    assert_eq!(bench.submit("e"), ["deny e: QueueFull"]);
    assert_eq!(bench.machine.queued(), 3);
    bench.completed();
    assert_eq!(bench.submit("f"), ["accept f", "f: waits Queued"]);
}

#[test]
fn who_stands_in_line_for_a_place_is_told() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.submit("b");
    assert_eq!(bench.feed(Input::PlaceBusy), ["a: waits Capacity"]);
}

#[test]
fn what_belongs_to_no_turn_is_nobodys() {
    let mut bench = Bench::idle();
    for event in [
        DriverEvent::Ready { pid: None },
        DriverEvent::Alive,
        DriverEvent::Began { thread: thread(9) },
        DriverEvent::Step(EventKind::TextDelta("late".into())),
        DriverEvent::TurnEnded(completed()),
        DriverEvent::Acked { command: 1, result: Err(TurnError::new(ErrorKind::Conflict, "late")) },
    ] {
        assert_eq!(bench.says(event), [""; 0]);
    }
    let mut bench = Bench::new();
    assert_eq!(bench.says(DriverEvent::Closed(DriverEnd::Detached)), [""; 0]);
    assert_eq!(bench.granted(), [""; 0], "nobody asked for a place");
    assert!(bench.machine.done());
}

#[test]
fn a_thread_is_of_one_driver_and_one_directory() {
    let mut bench = Bench::idle();
    let other = Job { driver: Arc::new(Planner("other")), ..job("driver") };
    assert_eq!(bench.submit_job(other), ["deny driver: OtherDriver"]);
    let mut other = job("directory");
    other.request.workspace = Some("/srv/other".into());
    assert_eq!(bench.submit_job(other), ["deny directory: OtherDirectory"]);
    let mut other = job("thread");
    other.request.thread = Some(thread(1));
    assert_eq!(bench.submit_job(other), ["deny thread: OtherThread"]);
    let mut same = job("same");
    same.request.thread = bench.machine.record().thread.clone();
    same.request.workspace = Some("/srv/default".into());
    assert_eq!(bench.submit_job(same), ["accept same", "busy", "start same"]);
}

#[test]
fn a_session_that_never_ran_is_bound_to_nothing() {
    let mut bench = Bench::new();
    bench.submit("a");
    bench.interrupt("a");
    let mut other = Job { driver: Arc::new(Planner("other")), directory: "/srv/other".into(), ..job("b") };
    other.request.workspace = Some("/srv/other".into());
    other.request.thread = Some(thread(1));
    assert_eq!(bench.submit_job(other), ["accept b", "acquire"]);
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread(1)));
    assert_eq!(bench.opened.as_ref().unwrap().directory, Path::new("/srv/other"));
}

#[test]
fn a_turn_that_names_a_thread_does_not_take_the_place_of_the_one_that_begins() {
    // Whether the first turn waits, starts or runs, its thread is the session's.
    let mut waiting = Bench::new();
    waiting.submit("a");
    for mut bench in [waiting, Bench::active()] {
        let bound = bench.machine.thread().clone();
        let mut other = job("b");
        other.request.thread = Some(thread(1));
        let effects = bench.machine.handle(bench.now, Input::Submit(Box::new(other)));
        assert!(matches!(&effects[..], [Effect::Deny { denial: Denial::OtherThread { bound: b }, .. }] if *b == bound));
        assert_ne!(bench.machine.record().thread, Some(thread(1)));
    }
}

#[test]
fn the_thread_that_is_promised_is_the_one_that_is_opened() {
    let mut bench = Bench::new();
    let effects = bench.machine.handle(bench.now, Input::Submit(Box::new(job("a"))));
    let promised = effects.iter().find_map(|effect| match effect {
        Effect::Accept { thread, .. } => Some(thread.clone()),
        _ => None,
    });
    let effects = bench.machine.handle(bench.now, Input::PlaceGranted);
    let opened = effects.iter().find_map(|effect| match effect {
        Effect::Open { request, .. } => Some(request.origin.thread().clone()),
        _ => None,
    });
    assert_eq!(promised, opened);
    assert!(opened.is_some());
    assert_eq!(Some(bench.machine.thread()), opened.as_ref());
}
