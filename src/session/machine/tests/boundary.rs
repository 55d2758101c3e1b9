//! A caller's conversation begins anew, or is compacted.

use super::*;
use crate::protocol::{HistoryMessage, Role};

/// A job of the conversation with this number.
fn job_at(name: &str, boundary: u64) -> Job {
    let mut job = job(name);
    job.request.boundary = Some(boundary);
    job
}

fn going_on(name: &str, boundary: u64) -> Job {
    let mut job = job_at(name, boundary);
    job.request.history = vec![HistoryMessage { role: Role::User, text: "before".into() }];
    job
}

fn compacted(name: &str, boundary: u64) -> Job {
    let mut job = going_on(name, boundary);
    job.request.keeps_thread = true;
    job
}

/// A bench whose agent has answered a turn of conversation 0.
fn idle_at_0() -> Bench {
    let mut bench = Bench::new();
    bench.submit_job(job_at("a", 0));
    bench.granted();
    bench.ready();
    bench.began();
    bench.completed();
    bench
}

fn accepted_thread(bench: &mut Bench, job: Job) -> ThreadId {
    bench.names.insert(job.turn, job.request.input.clone());
    let effects = bench.machine.handle(bench.now, Input::Submit(Box::new(job)));
    let thread = effects.into_iter().find_map(|effect| match effect {
        Effect::Accept { thread, .. } => Some(thread),
        _ => None,
    });
    thread.expect("it is accepted")
}

#[test]
fn the_same_conversation_goes_on() {
    let mut bench = idle_at_0();
    assert_eq!(bench.submit_job(going_on("b", 0)), ["accept b", "busy", "start b"]);
    bench.completed();
    assert_eq!(bench.submit("c"), ["accept c", "busy", "start c"], "callers need not count");
    assert_eq!(bench.machine.record().generation, 0);
}

#[test]
fn a_new_conversation_is_a_new_thread_in_a_new_process() {
    let mut bench = idle_at_0();
    let old = bench.origin().thread().clone();
    let promised = accepted_thread(&mut bench, job_at("b", 1));
    assert_eq!(bench.machine.state_name(), "stopping");
    assert_eq!(bench.detached(), ["release", "acquire"]);
    assert_eq!(bench.granted(), ["b: waits Starting", "open new"]);
    assert_eq!(*bench.origin(), ThreadOrigin::New(promised.clone()));
    assert_ne!(promised, old);
    assert_eq!(bench.ready(), ["busy", "start b"]);
    bench.began();
    bench.completed();
    let record = bench.machine.record();
    assert_eq!((record.generation, record.boundary, &record.thread), (1, Some(1), &Some(promised)));
    assert_eq!(bench.submit_job(going_on("c", 1)), ["accept c", "busy", "start c"], "and that goes on");
}

#[test]
fn what_was_asked_before_is_answered_before() {
    let mut bench = idle_at_0();
    bench.submit_job(going_on("b", 0));
    bench.began();
    assert_eq!(bench.submit_job(going_on("c", 0)), ["accept c", "c: waits Queued"]);
    assert_eq!(bench.submit_job(job_at("d", 1)), ["accept d", "d: waits Queued"], "the running turn is not disturbed");
    assert_eq!(bench.completed(), ["b: completed", "busy", "start c"], "in the old thread");
    bench.began();
    assert_eq!(bench.completed(), ["c: completed", "busy", "detach"]);
    bench.detached();
    assert_eq!(bench.granted(), ["d: waits Starting", "open new"]);
}

#[test]
fn without_a_process_the_old_thread_is_not_opened_again() {
    let mut bench = idle_at_0();
    bench.feed(Input::Retire);
    bench.detached();
    assert_eq!(bench.submit_job(job_at("b", 1)), ["accept b", "acquire"]);
    assert_eq!(bench.granted(), ["b: waits Starting", "open new"]);
    assert_eq!(bench.saved.as_ref().unwrap().generation, 1);
}

#[test]
fn a_compaction_of_the_callers_copy_changes_nothing() {
    let mut bench = idle_at_0();
    assert_eq!(bench.submit_job(compacted("b", 1)), ["accept b", "busy", "start b"]);
    bench.began();
    bench.completed();
    assert_eq!(bench.submit_job(compacted("c", 1)), ["accept c", "busy", "start c"]);
    bench.began();
    bench.completed();
    assert_eq!(bench.machine.record().boundary, Some(1));
    assert_eq!(bench.submit_job(job_at("d", 2)), ["accept d", "busy", "detach"]);
}

#[test]
fn what_is_left_over_from_an_earlier_conversation_is_refused() {
    let mut bench = idle_at_0();
    bench.submit("x");
    bench.submit_job(job_at("b", 3));
    assert_eq!(bench.submit_job(going_on("c", 2)), ["deny c: EarlierConversation"]);
    assert_eq!(bench.submit_job(job_at("d", 1)), ["deny d: EarlierConversation"], "one change at a time");

    let mut bench = idle_at_0();
    bench.submit_job(job_at("b", 3));
    let mut retry = job_at("c", 2);
    retry.request.retry = true;
    assert_eq!(bench.submit_job(retry), ["deny c: EarlierConversation"]);
}

#[test]
fn a_count_that_starts_again_is_a_new_conversation() {
    let mut bench = idle_at_0();
    bench.submit_job(job_at("b", 3));
    bench.detached();
    bench.granted();
    bench.ready();
    bench.began();
    bench.completed();
    assert_eq!(bench.submit_job(job_at("c", 0)), ["accept c", "busy", "detach"]);
    assert_eq!(bench.machine.record().boundary, Some(0));
}

#[test]
fn a_new_conversation_may_have_another_driver_directory_and_thread() {
    let mut bench = idle_at_0();
    let mut other = job_at("b", 1);
    other.driver = Arc::new(Planner("other"));
    other.directory = "/srv/other".into();
    other.request.workspace = Some("/srv/other".into());
    other.request.thread = Some(thread(1));
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "detach"]);
    assert_eq!(bench.submit_job(going_on("c", 1)), ["deny c: OtherDriver"], "what follows is held to that");
    bench.detached();
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread(1)));
    assert_eq!(bench.opened.as_ref().unwrap().directory, Path::new("/srv/other"));
}

#[test]
fn a_turn_whose_conversation_never_began_is_not_given_to_another() {
    let mut bench = idle_at_0();
    bench.submit("b");
    bench.began();
    let mut other = job_at("c", 1);
    other.driver = Arc::new(Planner("other"));
    bench.submit_job(other);
    let mut follower = job("d");
    follower.driver = Arc::new(Planner("other"));
    assert_eq!(bench.submit_job(follower), ["accept d", "d: waits Queued"]);
    bench.interrupt("c");
    assert_eq!(bench.completed(), ["b: completed", "busy", "d: failed Conflict", "idle"]);
}

#[test]
fn what_was_given_up_is_promised_to_nobody() {
    let mut bench = idle_at_0();
    let old = bench.origin().thread().clone();
    bench.submit_job(job_at("b", 1));
    bench.interrupt("b");
    let promised = accepted_thread(&mut bench, job_at("c", 1));
    assert_ne!(promised, old);
    bench.detached();
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::New(promised));
}

#[test]
fn a_new_conversation_does_not_keep_the_instructions() {
    let mut bench = Bench::new();
    let mut first = job_at("a", 0);
    first.request.instructions = Some("Speak Latin.".into());
    bench.submit_job(first);
    bench.granted();
    bench.ready();
    bench.began();
    bench.completed();
    bench.submit_job(job_at("b", 1));
    bench.detached();
    bench.granted();
    assert_eq!(bench.opened.as_ref().unwrap().options.system_prompt, None);
}

#[test]
fn a_new_conversation_that_is_called_off_leaves_the_old_one_be() {
    let mut bench = idle_at_0();
    bench.submit("b");
    bench.began();
    bench.submit_job(job_at("c", 1));
    bench.interrupt("c");
    bench.completed();
    assert_eq!(bench.submit_job(going_on("d", 0)), ["accept d", "busy", "start d"]);
}
