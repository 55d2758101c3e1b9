//! A fresh context in the process that is there.

use super::super::clear;
use super::super::core::State;
use super::*;
use crate::protocol::Call;

/// A job for the backend whose processes can be given a fresh context.
fn clearing(name: &str) -> Job {
    Job { spec: Arc::new(spec("clears")), ..job(name) }
}

fn clean(name: &str) -> Job {
    let mut job = clearing(name);
    job.request.renew = true;
    job
}

fn call(name: &str) -> Job {
    let mut job = clean(name);
    job.request.call = Some(Call { keep: false });
    job
}

fn keeping(name: &str) -> Job {
    let mut job = call(name);
    job.request.call = Some(Call { keep: true });
    job
}

/// A bench whose agent has answered this job.
fn answered(job: Job) -> Bench {
    let mut bench = Bench::new();
    bench.submit_job(job);
    bench.granted();
    bench.ready();
    bench.began();
    bench.completed();
    bench
}

impl Bench {
    fn cleared(&mut self, number: u8) -> Vec<String> {
        self.says(DriverEvent::Cleared { thread: thread(number) })
    }

    /// What the submitter was told: the thread, and whether it may become another.
    fn accepted(&mut self, job: Job) -> (ThreadId, bool) {
        self.names.insert(job.turn, job.request.input.clone());
        let effects = self.machine.handle(self.now, Input::Submit(Box::new(job)));
        let told = effects.into_iter().find_map(|effect| match effect {
            Effect::Accept { thread, is_provisional, .. } => Some((thread, is_provisional)),
            _ => None,
        });
        told.expect("it is accepted")
    }
}

#[test]
fn a_clean_turn_finds_a_cleared_process() {
    let mut bench = answered(clearing("a"));
    assert_eq!(bench.submit_job(clean("b")), ["accept b", "busy", "clear"]);
    assert_eq!(bench.machine.state_name(), "clearing");
    assert_eq!(bench.cleared(1), ["busy", "start b"]);
    bench.says(DriverEvent::Began { thread: thread(1) });
    assert_eq!(bench.completed(), ["b: completed", "idle"]);
    let record = bench.machine.record();
    assert_eq!((record.generation, record.thread.clone()), (1, Some(thread(1))), "the session goes on in it");
    assert_eq!(bench.submit_job(clearing("c")), ["accept c", "busy", "start c"]);
}

#[test]
fn who_waits_for_a_cleared_thread_is_told_that_it_has_no_name_yet() {
    let mut bench = answered(clearing("a"));
    assert!(bench.accepted(clean("b")).1);
    assert!(bench.accepted(clearing("c")).1, "nor for what follows");
}

#[test]
fn a_promised_thread_is_kept_to() {
    let mut bench = answered(clearing("a"));
    bench.submit_job(clearing("b"));
    bench.began();
    let (promised, is_provisional) = bench.accepted(clean("c"));
    assert!(!is_provisional);
    assert_eq!(bench.completed(), ["b: completed", "busy", "detach"]);
    bench.detached();
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::New(promised));
}

#[test]
fn a_call_is_forgotten_before_anybody_asks_for_the_next() {
    let mut bench = Bench::new();
    bench.submit_job(call("a"));
    bench.granted();
    bench.ready();
    bench.began();
    assert_eq!(bench.completed(), ["a: completed", "clear"]);
    assert_eq!(bench.machine.record().thread, None);
    assert_eq!(bench.cleared(1), ["idle"]);
    let mut other = call("b");
    other.request.instructions = None;
    assert_eq!(bench.accepted(other), (thread(1), false), "the next finds a thread with a name");
    assert_eq!(bench.machine.state_name(), "active");
    bench.says(DriverEvent::Began { thread: thread(1) });
    assert_eq!(bench.completed(), ["b: completed", "clear"]);
    assert_eq!(bench.submit_job(call("c")), ["accept c"], "the rest of a clear is waited for");
    assert_eq!(bench.cleared(2), ["busy", "start c"]);
}

#[test]
fn what_went_wrong_is_forgotten_as_well() {
    let mut bench = Bench::new();
    bench.submit_job(call("a"));
    bench.granted();
    bench.ready();
    bench.began();
    bench.interrupt("a");
    assert_eq!(bench.completed(), ["a: completed", "clear"]);
    bench.cleared(1);
    bench.submit_job(call("b"));
    bench.says(DriverEvent::Began { thread: thread(1) });
    assert_eq!(bench.crashed(), ["b: failed AgentLost", "release"]);
    assert_eq!(bench.machine.record().thread, None, "and not resumed");
}

#[test]
fn a_kept_context_is_seen_by_the_next_call_and_goes_with_it() {
    let mut bench = answered(keeping("a"));
    let mut next = call("b");
    next.request.renew = false;
    assert_eq!(bench.submit_job(next), ["accept b", "busy", "start b"]);
    bench.began();
    assert_eq!(bench.completed(), ["b: completed", "clear"]);
}

#[test]
fn an_agent_that_refuses_or_takes_too_long_is_ended() {
    let mut bench = answered(clearing("a"));
    bench.submit_job(clean("b"));
    let State::Clearing { command, .. } = bench.machine.state else { panic!("it clears") };
    let refusal = Err(TurnError::new(ErrorKind::Conflict, "no"));
    assert_eq!(bench.says(DriverEvent::Acked { command, result: refusal }), ["detach"]);
    assert_eq!(bench.detached(), ["release", "acquire"]);
    assert_eq!(bench.granted(), ["b: waits Starting", "open new"], "and the turn gets a new one");

    let mut bench = answered(clearing("a"));
    bench.submit_job(clean("b"));
    assert_eq!(bench.due_in(clear::CLEAR_MAX), ["detach"]);
    assert_eq!(bench.cleared(1), [""; 0], "what it says now counts for nothing");
}

#[test]
fn a_process_that_cannot_be_cleared_is_ended() {
    let mut job = job("a");
    job.request.call = Some(Call { keep: false });
    job.request.renew = true;
    let mut bench = Bench::new();
    bench.submit_job(job);
    bench.granted();
    bench.ready();
    bench.began();
    assert_eq!(bench.completed(), ["a: completed", "detach"]);
}

#[test]
fn other_instructions_take_another_process() {
    let mut bench = answered(clearing("a"));
    let mut other = clean("b");
    other.request.instructions = Some("Speak Latin.".into());
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "detach"]);

    let mut bench = answered(call("a"));
    bench.cleared(1);
    let mut other = call("b");
    other.request.instructions = Some("Speak Latin.".into());
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "detach"]);
    bench.detached();
    bench.granted();
    assert_eq!(bench.opened.as_ref().unwrap().options.system_prompt.as_deref(), Some("Speak Latin."));
}

#[test]
fn a_call_runs_where_it_wants_to() {
    let mut bench = answered(call("a"));
    bench.cleared(1);
    let mut other = call("b");
    other.directory = "/srv/other".into();
    other.request.workspace = Some("/srv/other".into());
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "detach"]);
    bench.detached();
    bench.granted();
    assert_eq!(bench.opened.as_ref().unwrap().directory, Path::new("/srv/other"));
}

#[test]
fn a_reset_keeps_the_process() {
    let mut bench = answered(clearing("a"));
    assert_eq!(bench.finish(After::Reset), ["busy", "clear"]);
    assert_eq!(bench.cleared(1), ["finished", "idle"]);
    assert_eq!(bench.finish(After::Reset), ["finished", "idle"], "there is nothing left to clear");
    assert_eq!(bench.accepted(clearing("b")), (thread(1), false));
    assert_eq!(bench.machine.state_name(), "active");
}

#[test]
fn a_reset_session_may_move_and_adopt() {
    let mut bench = answered(clearing("a"));
    bench.finish(After::Reset);
    bench.cleared(1);
    let mut other = clearing("b");
    other.directory = "/srv/other".into();
    other.request.workspace = Some("/srv/other".into());
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "detach"]);

    let mut bench = answered(clearing("a"));
    bench.finish(After::Reset);
    bench.cleared(1);
    let adopted = Act::Adopt {
        thread: thread(2),
        backend: BackendId::new("clears"),
        driver: "planner".into(),
        directory: "/srv/default".into(),
    };
    assert_eq!(bench.act(adopted), ["adopted"]);
    assert_eq!(bench.submit_job(clearing("b")), ["accept b", "busy", "detach"]);
    bench.detached();
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread(2)));
}

#[test]
fn a_close_does_not_wait_for_a_clear() {
    let mut bench = answered(call("a"));
    assert_eq!(bench.finish(After::Close), ["detach"]);
    assert_eq!(bench.detached(), ["release", "remove", "finished"]);
}
