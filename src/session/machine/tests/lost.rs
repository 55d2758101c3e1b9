//! A thread that its agent does not know any more.

use super::*;

/// A bench that has answered turn `a`; the agent that is to go on with `b` does not know the thread. Gives the thread.
fn lost() -> (Bench, ThreadId) {
    let mut bench = Bench::idle();
    let thread = lose(&mut bench, job("b"));
    (bench, thread)
}

fn lose(bench: &mut Bench, next: Job) -> ThreadId {
    bench.crashed();
    bench.submit_job(next);
    bench.granted();
    let ThreadOrigin::Resume(thread) = bench.origin().clone() else { panic!("{:?}", bench.origin()) };
    assert_eq!(bench.not_found(), ["recall 1", "release"]);
    assert_eq!(bench.machine.state_name(), "recalling");
    thread
}

/// A job that brings its conversation along.
fn with_history(name: &str) -> Job {
    let mut job = job(name);
    job.request.history = vec![HistoryMessage { role: Role::User, text: "brought along".into() }];
    job
}

/// The turn's events that say what it lost.
fn losses(effects: &[Effect]) -> Vec<(ThreadId, ThreadId, usize)> {
    let loss = |effect: &Effect| match effect {
        Effect::Emit(_, EventKind::ContextLost { from, to, recalled }) => Some((from.clone(), to.clone(), *recalled)),
        _ => None,
    };
    effects.iter().filter_map(loss).collect()
}

#[test]
fn the_session_goes_on_with_a_thread_that_is_told_what_was_said_and_says_so() {
    let (mut bench, old) = lost();
    assert_eq!(bench.recalled(1, &["hello Ada", "hello you"]), ["acquire"]);
    assert_eq!(bench.machine.record().thread.as_ref(), Some(&old), "until there is another");
    assert_eq!(bench.granted(), ["b: waits Starting", "open new"]);
    let new = bench.origin().thread().clone();
    let effects = bench.machine.handle(bench.now, Input::Driver(DriverEvent::Ready { pid: None }));
    assert_eq!(losses(&effects), [(old, new.clone(), 2)]);
    let story = effects.iter().find_map(|effect| match effect {
        Effect::Command(command) => match &command.kind {
            CommandKind::StartTurn { input, .. } => Some(input.preface.join("\n")),
            _ => None,
        },
        _ => None,
    });
    let story = story.unwrap();
    assert!(story.contains("hello Ada") && story.contains("hello you"), "{story}");
    bench.began();
    bench.completed();
    let record = bench.saved.clone().unwrap();
    assert_eq!((record.thread, record.generation, record.turns), (Some(new), 1, 2));
    // From here on it is a thread like any other.
    assert_eq!(bench.submit("c"), ["accept c", "busy", "start c"]);
    assert_eq!(bench.preface(), [""; 0]);
}

#[test]
fn what_the_caller_brings_along_counts_more() {
    let mut bench = Bench::idle();
    lose(&mut bench, with_history("b"));
    bench.recalled(1, &["from the store", "and more"]);
    bench.granted();
    assert_eq!(bench.ready(), ["busy", "start b", "b: ContextLost"]);
    assert!(bench.preface()[0].contains("brought along") && !bench.preface()[0].contains("from the store"));
}

#[test]
fn a_conversation_of_which_nothing_is_kept_is_lost_aloud_too() {
    let (mut bench, _) = lost();
    bench.recalled(1, &[]);
    bench.granted();
    assert_eq!(bench.ready(), ["busy", "start b", "b: ContextLost"]);
    assert_eq!(bench.preface(), [""; 0]);
}

#[test]
fn where_the_store_cannot_be_read_the_turn_fails_and_the_next_one_tries_again() {
    let (mut bench, old) = lost();
    bench.submit("c");
    let error = TurnError::new(ErrorKind::StoreUnavailable, "no");
    let result = Err(error.clone());
    assert_eq!(bench.feed(Input::Recalled { number: 1, result }), ["b: failed StoreUnavailable", "acquire"]);
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(old));
    assert_eq!(bench.not_found(), ["recall 2", "release"]);
    assert_eq!(bench.recalled(1, &["too late"]), [""; 0], "that was the answer to another question");
    bench.recalled(2, &["hello Ada"]);
    bench.granted();
    assert_eq!(bench.ready(), ["busy", "start c", "c: ContextLost"]);
    assert!(bench.preface()[0].contains("hello Ada"));
}

#[test]
fn a_store_that_cannot_be_read_does_not_matter_to_who_brings_the_conversation_along() {
    let mut bench = Bench::idle();
    lose(&mut bench, with_history("b"));
    bench.submit("c");
    let error = TurnError::new(ErrorKind::StoreUnavailable, "no");
    assert_eq!(bench.feed(Input::Recalled { number: 1, result: Err(error.clone()) }), ["acquire"]);
    bench.granted();
    // The one that does not is another matter.
    bench.interrupt("b");
    assert_eq!(bench.ready(), ["busy", "c: failed StoreUnavailable", "idle"]);
}

#[test]
fn nobody_waits_for_ever_for_what_was_said() {
    let (mut bench, _) = lost();
    assert_eq!(bench.due_in(30 * SECOND), ["b: failed StoreUnavailable"]);
    assert!(bench.machine.done());
    assert_eq!(bench.recalled(1, &["too late"]), [""; 0]);
}

#[test]
fn who_waits_for_what_was_said_can_leave() {
    let (mut bench, old) = lost();
    assert_eq!(bench.interrupt("b"), ["b: interrupted"]);
    assert!(bench.machine.done());
    assert_eq!(bench.recalled(1, &["too late"]), [""; 0]);
    bench.submit("c");
    bench.granted();
    assert_eq!(*bench.origin(), ThreadOrigin::Resume(old), "nothing is decided yet");
}

#[test]
fn the_next_turn_is_told_where_the_first_one_left() {
    let (mut bench, _) = lost();
    bench.submit("c");
    bench.interrupt("b");
    bench.recalled(1, &["hello Ada"]);
    bench.granted();
    bench.submit("d");
    bench.interrupt("c");
    assert_eq!(bench.ready(), ["busy", "start d", "d: ContextLost"]);
    // As long as the agent takes no turn of it, the thread has nothing in it.
    let command = bench.given.as_ref().unwrap().0;
    let refusal = Err(TurnError::new(ErrorKind::ModelRefused, "no"));
    bench.submit("e");
    let effects = bench.says(DriverEvent::Acked { command, result: refusal });
    assert_eq!(effects, ["d: failed ModelRefused", "busy", "start e", "e: ContextLost"]);
    assert!(bench.preface()[0].contains("hello Ada"));
}

#[test]
fn a_reset_or_a_shutdown_wants_nothing_recalled() {
    let (mut bench, _) = lost();
    assert_eq!(bench.finish(After::Reset), ["b: interrupted", "finished"]);
    bench.submit("c");
    bench.granted();
    assert!(matches!(bench.origin(), ThreadOrigin::New(_)));
    assert_eq!(bench.ready(), ["busy", "start c"]);
    let (mut bench, _) = lost();
    assert_eq!(bench.finish(After::Shutdown), ["b: interrupted", "finished"]);
    assert_eq!(bench.machine.state_name(), "closed");
}

#[test]
fn a_conversation_that_begins_anew_has_lost_nothing() {
    let mut bench = Bench::idle();
    bench.crashed();
    bench.submit("b");
    let mut other = job("c");
    other.request.renew = true;
    bench.submit_job(other);
    bench.granted();
    bench.interrupt("b");
    assert_eq!(bench.not_found(), ["release", "acquire"]);
    bench.granted();
    assert!(matches!(bench.origin(), ThreadOrigin::New(_)));
    assert_eq!(bench.ready(), ["busy", "start c"]);
}

#[test]
fn a_turn_that_a_thread_is_named_for_does_not_run_without_it() {
    let mut bench = Bench::idle();
    bench.crashed();
    let mut named = job("b");
    named.request.thread = bench.machine.record().thread.clone();
    bench.submit_job(named);
    bench.granted();
    assert_eq!(bench.not_found(), ["b: failed ThreadNotFound", "release"]);
}

#[test]
fn a_thread_that_was_named_and_never_used_is_not_this_sessions_to_lose() {
    let mut bench = Bench::new();
    let mut named = with_history("a");
    named.request.thread = Some(thread(1));
    bench.submit_job(named);
    bench.submit("b");
    bench.granted();
    assert_eq!(bench.not_found(), ["a: failed ThreadNotFound", "release", "acquire"]);
    bench.granted();
    assert_eq!(bench.not_found(), ["b: failed ThreadNotFound", "release"]);
}

#[test]
fn by_configuration_the_turn_fails_until_somebody_resets_the_session() {
    let mut bench = Bench::idle_with(|policy| policy.lost_thread = LostThread::Fail);
    bench.crashed();
    bench.submit_job(with_history("b"));
    bench.granted();
    let error = TurnError::new(ErrorKind::ThreadNotFound, "never heard of it; reset the session");
    let closed = DriverEvent::Closed(DriverEnd::Failed(error));
    let effects = bench.machine.handle(bench.now, Input::Driver(closed));
    let ended = effects.iter().find_map(|effect| match effect {
        Effect::Emit(_, EventKind::Ended(TurnEnding::Failed(error))) => Some(error.message.clone()),
        _ => None,
    });
    let message = ended.unwrap();
    assert!(message.contains("reset the session") && message.contains("sessions.lost_thread"), "{message}");
    assert!(bench.machine.record().thread.is_some(), "a reset is the caller's to ask for");
}

#[test]
fn a_turn_whose_thread_may_turn_out_lost_is_accepted_as_such() {
    let accepted =
        |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Accept { is_provisional: true, .. }));
    let submit = |bench: &mut Bench, name: &str| {
        let job = job(name);
        bench.names.insert(job.turn, name.to_owned());
        accepted(&bench.machine.handle(bench.now, Input::Submit(Box::new(job))))
    };
    let mut bench = Bench::new();
    assert!(!submit(&mut bench, "a"), "there is no thread yet");
    bench.granted();
    bench.ready();
    bench.began();
    bench.completed();
    assert!(!submit(&mut bench, "b"), "the agent has it");
    bench.began();
    bench.completed();
    bench.crashed();
    assert!(submit(&mut bench, "c"));
    assert!(!submit(&mut bench, "d"), "it waits for the turn before it");
    bench.granted();
    bench.not_found();
    bench.recalled(1, &["hello"]);
    bench.granted();
    bench.interrupt("c");
    bench.interrupt("d");
    assert!(submit(&mut bench, "e"), "a new thread is on its way");
}

#[test]
fn what_was_lost_is_not_told_to_the_conversation_after_it() {
    let (mut bench, _) = lost();
    bench.recalled(1, &["hello Ada"]);
    let mut other = job("c");
    other.request.renew = true;
    bench.submit_job(other);
    bench.granted();
    bench.interrupt("b");
    assert_eq!(bench.ready(), ["busy", "detach"], "its process was to know more than it may");
    bench.detached();
    bench.granted();
    assert_eq!(bench.ready(), ["busy", "start c"]);
    assert_eq!(bench.preface(), [""; 0]);
    assert_eq!(bench.machine.record().generation, 1);
}
