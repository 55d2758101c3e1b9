//! Steers, options, threads that are taken up, and sessions that are closed.

use super::super::Change;
use super::*;
use crate::protocol::{Image, Overrides, Permission};

fn steer(bench: &mut Bench) -> Vec<String> {
    bench.act(Act::Steer { text: "more".into() })
}

fn acked(bench: &mut Bench, result: Result<(), TurnError>) -> Vec<String> {
    let command = bench.machine.next_command;
    bench.says(DriverEvent::Acked { command, result })
}

fn refusal() -> TurnError {
    TurnError::new(ErrorKind::Conflict, "no")
}

#[test]
fn a_steer_is_acknowledged_by_the_agent_and_told_when_the_model_has_it() {
    let mut bench = Bench::active();
    assert_eq!(steer(&mut bench), ["steer"], "nobody has said yes yet");
    assert_eq!(acked(&mut bench, Ok(())), ["a: Steered", "steered"]);
    let command = bench.machine.next_command;
    assert_eq!(bench.says(DriverEvent::SteerConsumed { command }), ["a: SteerConsumed"]);
    assert_eq!(bench.says(DriverEvent::SteerConsumed { command }), [""; 0]);
    assert_eq!(bench.completed(), ["a: completed", "idle"]);
}

#[test]
fn a_steer_needs_a_turn_that_runs() {
    let mut bench = Bench::new();
    assert_eq!(steer(&mut bench), ["refused NoActiveTurn"]);
    bench.submit("a");
    assert_eq!(steer(&mut bench), ["refused NoActiveTurn"], "a turn that waits does not run");
    bench.granted();
    bench.ready();
    assert_eq!(steer(&mut bench), [""; 0], "held until the agent has begun");
    assert_eq!(bench.began(), ["a: Started", "steer"]);
    bench.interrupt("a");
    assert_eq!(steer(&mut bench), ["refused NoActiveTurn"]);
}

#[test]
fn a_steer_that_the_agent_refuses_is_refused_with_its_words() {
    let mut bench = Bench::active();
    steer(&mut bench);
    assert_eq!(acked(&mut bench, Err(refusal())), ["refused Agent"]);
    assert_eq!(bench.completed(), ["a: completed", "idle"]);
}

#[test]
fn a_steer_that_the_model_never_had_is_told_before_the_end() {
    let mut bench = Bench::active();
    steer(&mut bench);
    acked(&mut bench, Ok(()));
    steer(&mut bench);
    assert_eq!(bench.completed(), ["a: SteerDropped", "refused NoActiveTurn", "a: completed", "idle"]);
    let mut bench = Bench::active();
    steer(&mut bench);
    acked(&mut bench, Ok(()));
    assert_eq!(bench.crashed(), ["a: SteerDropped", "a: failed AgentLost", "release"]);
}

#[test]
fn a_driver_that_takes_no_input_while_it_works_says_so() {
    let mut bench = Bench::new();
    bench.submit_job(Job { driver: Arc::new(Planner("other")), ..job("a") });
    bench.granted();
    bench.ready();
    bench.began();
    assert_eq!(steer(&mut bench), ["refused SteerUnsupported"]);
    assert_eq!(bench.submit_job(Job { driver: Arc::new(Planner("other")), steers: true, ..job("b") })[0], "accept b");
}

#[test]
fn a_submission_steers_what_runs_and_is_a_turn_where_it_cannot() {
    let mut bench = Bench::new();
    let start = |bench: &mut Bench, name: &str| bench.submit_job(Job { steers: true, ..job(name) });
    assert_eq!(start(&mut bench, "a"), ["accept a", "acquire"]);
    assert_eq!(start(&mut bench, "b")[0], "accept b", "nothing runs yet");
    bench.interrupt("b");
    bench.granted();
    bench.ready();
    bench.began();
    assert_eq!(start(&mut bench, "c"), ["steer"]);
    assert_eq!(acked(&mut bench, Ok(())), ["a: Steered", "c joins a"]);
    assert_eq!(start(&mut bench, "d"), ["steer"]);
    assert_eq!(acked(&mut bench, Err(refusal())), ["again d"]);
    bench.submit("e");
    assert_eq!(start(&mut bench, "f")[0], "accept f", "what waits already goes before it");
}

#[test]
fn options_are_kept_and_never_laxer_than_the_backends() {
    let mut bench = Bench::idle();
    let configure = |model: &str, permission| Act::Configure {
        model: Change::Set(model.to_owned()),
        permission: Change::Set(permission),
    };
    assert_eq!(bench.act(configure("opus", Permission::Bypass)), ["configured"]);
    let overrides = Overrides { model: Some("opus".into()), permission: Some(Permission::Bypass) };
    assert_eq!(bench.saved.as_ref().unwrap().overrides, overrides);
    bench.submit("b");
    let options = &bench.given.as_ref().unwrap().2;
    assert_eq!((options.model.as_deref(), options.permission), (Some("opus"), Permission::Ask));
    bench.began();
    bench.completed();
    bench.act(configure("opus", Permission::Deny));
    bench.submit("c");
    assert_eq!(bench.given.as_ref().unwrap().2.permission, Permission::Deny);
    bench.completed();
    assert_eq!(bench.act(configure("impossible", Permission::Deny)), ["refused Unsupported"]);
    assert_eq!(bench.machine.record().overrides.model.as_deref(), Some("opus"), "as before");
    bench.act(Act::Configure { model: Change::TakeBack, permission: Change::Keep });
    let overrides = Overrides { model: None, permission: Some(Permission::Deny) };
    assert_eq!(bench.machine.record().overrides, overrides);
}

fn adopt(bench: &mut Bench, which: u8) -> Vec<String> {
    bench.act(Act::Adopt {
        thread: thread(which),
        backend: BackendId::new("one"),
        driver: "planner".into(),
        directory: "/srv/there".into(),
    })
}

#[test]
fn a_thread_is_adopted_where_there_is_none() {
    let mut bench = Bench::new();
    assert_eq!(adopt(&mut bench, 1), ["adopted"]);
    assert_eq!(adopt(&mut bench, 1), ["adopted"]);
    assert_eq!(adopt(&mut bench, 2), ["refused Denied"]);
    bench.submit("a");
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread(1)));
    assert_eq!(bench.opened.as_ref().unwrap().directory, Path::new("/srv/there"));
    assert_eq!(adopt(&mut Bench::idle(), 1), ["refused Denied"]);
}

#[test]
fn a_closed_session_takes_nothing_until_it_is_reset() {
    let mut bench = Bench::active();
    bench.submit("b");
    assert_eq!(bench.finish(After::Seal), ["b: interrupted", "interrupt"]);
    assert_eq!(bench.submit("c"), ["deny c: Closed"]);
    assert_eq!(steer(&mut bench), ["refused Denied"]);
    assert_eq!(bench.says(DriverEvent::TurnEnded(completed())), ["a: completed", "detach"]);
    assert_eq!(bench.detached(), ["release", "finished"]);
    let record = bench.saved.clone().unwrap();
    assert!(record.closed && record.thread.is_some() && bench.machine.kept());

    bench.machine = Machine::new(record, policy());
    assert_eq!(bench.submit("d"), ["deny d: Closed"]);
    assert!(bench.machine.done());
    assert_eq!(bench.finish(After::Reset), ["finished"]);
    assert_eq!(bench.submit("e")[0], "accept e");
    assert!(!bench.saved.as_ref().unwrap().closed);
}

#[test]
fn a_turn_that_shows_images_is_none_that_steers() {
    let mut bench = Bench::active();
    bench.began();
    let (mut shows, mut says) = (job("b"), job("c"));
    shows.request.images = vec![Image::encode(b"GIF89a").unwrap()];
    (shows.steers, says.steers) = (true, true);
    assert_eq!(bench.submit_job(shows), ["accept b", "b: waits Queued"]);
    assert_eq!(bench.submit_job(says), ["accept c", "c: waits Queued"], "behind it");
    assert_eq!(bench.completed(), ["a: completed", "busy", "start b"]);
    let (_, input, _) = bench.given.as_ref().unwrap();
    assert_eq!((input.text.as_str(), input.images.len()), ("b", 1));
}

#[test]
fn a_clean_turn_begins_a_new_thread_when_its_turn_comes() {
    let mut bench = Bench::active();
    let before = bench.origin().thread().clone();
    let mut clean = job("b");
    clean.request.renew = true;
    bench.submit_job(clean);
    bench.submit("c");
    assert_eq!(bench.completed(), ["a: completed", "busy", "detach"]);
    assert_eq!(bench.machine.record().generation, 1);
    assert_eq!(bench.detached(), ["release", "acquire"]);
    bench.granted();
    assert!(matches!(bench.origin(), ThreadOrigin::New(thread) if *thread != before));
    assert_eq!(bench.ready(), ["busy", "start b"]);
    bench.began();
    assert_eq!(bench.completed(), ["b: completed", "busy", "start c"], "once");
}
