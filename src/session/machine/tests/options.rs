//! What a turn wants in force: model, instructions, history.

use super::*;
use crate::protocol::{HistoryMessage, Permission, Role};

fn told(name: &str, instructions: &str) -> Job {
    let mut job = job(name);
    job.request.instructions = Some(instructions.into());
    job
}

fn with_history(name: &str) -> Job {
    let mut job = job(name);
    let message = |role, text: &str| HistoryMessage { role, text: text.into() };
    job.request.history = vec![message(Role::User, "my name is Ada"), message(Role::Assistant, "hello Ada")];
    job
}

#[test]
fn what_the_agent_takes_while_it_runs_takes_no_restart() {
    let mut bench = Bench::idle();
    let other = job_over("b", |spec| spec.model = Some("opus".into()));
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "start b"]);
    assert_eq!(bench.given.as_ref().unwrap().2.model.as_deref(), Some("opus"));
    assert_eq!(bench.machine.record().backend, BackendId::new("two"));
}

#[test]
fn what_the_agent_takes_at_its_start_only_takes_a_restart() {
    let mut bench = Bench::idle();
    let thread = bench.origin().thread().clone();
    let other = job_over("b", |spec| spec.effort = Some("high".into()));
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "detach"]);
    assert_eq!(bench.detached(), ["release", "acquire"]);
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread));
    assert_eq!(bench.opened.as_ref().unwrap().options.effort.as_deref(), Some("high"));
    assert_eq!(bench.ready(), ["busy", "start b"], "and one restart is enough");
}

#[test]
fn another_program_takes_a_restart_whatever_the_driver_plans() {
    for change in [
        (|spec| spec.command = "other".into()) as fn(&mut BackendSpec),
        |spec| spec.args = vec!["--verbose".into()],
        |spec| spec.env = [("A".to_owned(), "b".to_owned())].into(),
        |spec| spec.env_policy = crate::protocol::EnvPolicy::Strict,
        |spec| spec.commands = crate::protocol::CommandPolicy::Allow,
    ] {
        let mut bench = Bench::idle();
        assert_eq!(bench.submit_job(job_over("b", change)), ["accept b", "busy", "detach"]);
    }
    let mut bench = Bench::idle();
    let other = job_over("b", |spec| spec.permission = Permission::Deny);
    assert_eq!(bench.submit_job(other), ["accept b", "busy", "start b"], "the planner does not mind");
}

#[test]
fn what_cannot_be_had_fails_its_turn_and_the_next_one_begins() {
    let mut bench = Bench::active();
    bench.submit_job(job_over("b", |spec| spec.model = Some("impossible".into())));
    bench.submit("c");
    assert_eq!(bench.completed(), ["a: completed", "busy", "b: failed Conflict", "busy", "start c"]);
}

#[test]
fn history_is_told_to_a_new_thread_and_to_no_other() {
    let mut bench = Bench::new();
    bench.submit_job(with_history("a"));
    bench.granted();
    bench.ready();
    assert_eq!(bench.preface().len(), 1);
    assert!(bench.preface()[0].contains("my name is Ada"));
    assert_eq!(bench.given.as_ref().unwrap().1.text, "a", "the user's words stay their own");
    bench.completed();
    bench.submit_job(with_history("b"));
    assert_eq!(bench.preface(), [""; 0]);

    let mut bench = Bench::new();
    let mut resumed = with_history("a");
    resumed.request.thread = Some(thread(1));
    bench.submit_job(resumed);
    bench.granted();
    bench.ready();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(thread(1)));
    assert_eq!(bench.preface(), [""; 0]);
}

#[test]
fn history_is_told_again_where_the_first_turn_never_reached_the_agent() {
    let mut bench = Bench::new();
    bench.submit_job(with_history("a"));
    bench.submit_job(with_history("b"));
    bench.granted();
    bench.ready();
    let refusal = Err(TurnError::new(ErrorKind::ModelRefused, "no"));
    let command = bench.given.as_ref().unwrap().0;
    bench.says(DriverEvent::Acked { command, result: refusal });
    assert!(bench.preface()[0].contains("my name is Ada"));
}

#[test]
fn instructions_are_what_a_new_thread_starts_with() {
    let mut bench = Bench::new();
    let mut first = job_over("a", |spec| spec.system_prompt = Some("Be brief.".into()));
    first.request.instructions = Some("Speak Latin.".into());
    bench.submit_job(first);
    bench.granted();
    let options = &bench.opened.as_ref().unwrap().options;
    assert_eq!(options.system_prompt.as_deref(), Some("Be brief.\n\nSpeak Latin."));
    bench.ready();
    assert_eq!(bench.preface(), [""; 0], "it knows them already");
}

#[test]
fn changed_instructions_are_told_once() {
    let mut bench = Bench::new();
    bench.submit_job(told("a", "Speak Latin."));
    bench.granted();
    bench.ready();
    bench.completed();
    bench.submit_job(told("b", "Speak Greek."));
    assert_eq!(bench.preface().len(), 1);
    assert!(bench.preface()[0].contains("Speak Greek."), "{:?}", bench.preface());
    bench.completed();
    bench.submit_job(told("c", "Speak Greek."));
    assert_eq!(bench.preface(), [""; 0]);
    bench.completed();
    bench.submit("d");
    assert_eq!(bench.preface(), [""; 0], "left out, they stay as they were");
    assert_eq!(bench.given.as_ref().unwrap().2.system_prompt.as_deref(), Some("Speak Greek."));
}

#[test]
fn a_resumed_thread_goes_by_what_it_was_told_last() {
    let mut bench = Bench::new();
    bench.submit_job(told("a", "Speak Latin."));
    bench.granted();
    bench.ready();
    bench.completed();
    bench.feed(Input::Retire);
    bench.detached();
    bench.submit_job(told("b", "Speak Greek."));
    bench.granted();
    let options = &bench.opened.as_ref().unwrap().options;
    assert_eq!(options.system_prompt.as_deref(), Some("Speak Latin."), "as the thread knows it");
    bench.ready();
    assert!(bench.preface()[0].contains("Speak Greek."));
}
