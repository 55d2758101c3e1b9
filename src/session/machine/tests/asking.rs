//! Questions: who answers them, and what becomes of them when nobody does.

use std::collections::BTreeMap;

use super::*;
use crate::driver::Answer;
use crate::protocol::{AnsweredBy, Decision, McpServer, McpTransport, Permission, Question, RequestId};

const ASKED: &str = "a: PermissionAsked";
const ANSWERED: &str = "a: PermissionAnswered";
const DENIED: &str = "a: PermissionDenied";

fn asks(bench: &mut Bench, tool: &str, input: &str) -> (Vec<String>, RequestId) {
    let question = Question { id: "q".into(), tool: tool.into(), input: input.into() };
    let effects = bench.machine.handle(bench.now, Input::Driver(DriverEvent::Asked(question)));
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Emit(_, EventKind::PermissionAsked(question)) => RequestId::parse(&question.id),
        _ => None,
    });
    (effects.iter().filter_map(|effect| bench.describe(effect)).collect(), asked.unwrap())
}

fn decide(bench: &mut Bench, request: RequestId, decision: Decision) -> Vec<String> {
    bench.act(Act::Answer { request, decision })
}

fn listened() -> Bench {
    let mut bench = Bench::active();
    bench.feed(Input::Listening(true));
    bench
}

#[test]
fn nobody_listens_so_the_answer_is_no_at_once() {
    let mut bench = Bench::active();
    assert_eq!(asks(&mut bench, "Bash", "{}").0, [ASKED, "answer", ANSWERED, DENIED]);
}

#[test]
fn a_question_waits_for_its_answer_and_has_one() {
    let mut bench = listened();
    let (effects, request) = asks(&mut bench, "Bash", "{}");
    assert_eq!(effects, [ASKED]);
    assert_eq!(decide(&mut bench, RequestId::generate(), Decision::Allow), ["refused NoRequest"]);
    assert_eq!(decide(&mut bench, request, Decision::Allow), ["answer", ANSWERED, "answered"]);
    assert_eq!(decide(&mut bench, request, Decision::Allow), ["refused RequestGone"]);
}

#[test]
fn a_no_is_told_with_its_reason() {
    let mut bench = listened();
    let request = asks(&mut bench, "Bash", "{}").1;
    let act = Act::Answer { request, decision: Decision::Deny { message: "because".into() } };
    let effects = bench.machine.handle(bench.now, Input::Act { ask: 1, act });
    let told = effects.iter().any(|effect| {
        matches!(effect, Effect::Command(command) if command.kind == CommandKind::Answer {
            question: "q".into(), answer: Answer::Deny { message: "because".into() } })
    });
    assert!(told, "{effects:?}");
}

#[test]
fn several_wait_at_once_and_a_yes_for_the_session_answers_those_of_the_same_tool() {
    let mut bench = listened();
    let first = asks(&mut bench, "Bash", "{}").1;
    asks(&mut bench, "Bash", "{}");
    let write = asks(&mut bench, "Write", "{}").1;
    let effects = decide(&mut bench, first, Decision::AllowSession);
    assert_eq!(effects, ["answer", ANSWERED, "answer", ANSWERED, "answered"]);
    assert_eq!(asks(&mut bench, "Bash", "{}").0, [ASKED, "answer", ANSWERED], "and every later one");
    assert_eq!(decide(&mut bench, write, Decision::Deny { message: String::new() })[1..3], [ANSWERED, DENIED]);
    bench.feed(Input::Listening(false));
    assert_eq!(asks(&mut bench, "Bash", "{}").0, [ASKED, "answer", ANSWERED], "whether or not anybody listens");
    bench.finish(After::Reset);
    bench.completed();
    bench.detached();
    assert!(bench.machine.record().allowed.is_empty());
}

#[test]
fn a_question_waits_so_long_and_silence_rests_meanwhile() {
    let mut bench = Bench::active_with(|policy| policy.limits.silence = Some(20 * SECOND));
    bench.feed(Input::Listening(true));
    asks(&mut bench, "Bash", "{}");
    assert_eq!(bench.due_in(300 * SECOND), ["answer", ANSWERED, DENIED]);
    assert_eq!(bench.due_in(20 * SECOND), ["interrupt"], "the agent's own silence counts from the answer on");
}

#[test]
fn when_the_last_listener_leaves_a_question_waits_a_moment_longer() {
    let mut bench = listened();
    asks(&mut bench, "Bash", "{}");
    bench.feed(Input::Listening(false));
    bench.now += 9 * SECOND;
    bench.feed(Input::Listening(true));
    bench.now += 20 * SECOND;
    assert_eq!(bench.feed(Input::Tick), [""; 0], "it has come back");
    bench.feed(Input::Listening(false));
    assert_eq!(bench.due_in(10 * SECOND), ["answer", ANSWERED, DENIED]);
}

#[test]
fn an_interrupt_closes_what_is_open() {
    let mut bench = listened();
    let request = asks(&mut bench, "Bash", "{}").1;
    assert_eq!(bench.interrupt("a"), ["interrupt", "answer", ANSWERED, DENIED]);
    assert_eq!(decide(&mut bench, request, Decision::Allow), ["refused RequestGone"]);
    bench.completed();
    assert_eq!(decide(&mut bench, request, Decision::Allow), ["refused RequestGone"]);
}

#[test]
fn an_end_closes_what_is_open_and_says_so() {
    let mut bench = listened();
    asks(&mut bench, "Bash", "{}");
    let effects = bench.machine.handle(bench.now, Input::Driver(DriverEvent::TurnEnded(completed())));
    let by = effects.iter().find_map(|effect| match effect {
        Effect::Emit(_, EventKind::PermissionAnswered { by, .. }) => Some(*by),
        _ => None,
    });
    assert_eq!(by, Some(AnsweredBy::Interrupted));
    assert!(matches!(effects.last(), Some(Effect::MarkIdle(true))));
}

#[test]
fn who_may_do_nothing_is_asked_nothing() {
    let mut bench = Bench::new();
    bench.feed(Input::Listening(true));
    bench.submit_job(job_over("a", |spec| spec.permission = Permission::Deny));
    bench.granted();
    bench.ready();
    bench.began();
    assert_eq!(asks(&mut bench, "Bash", "{}").0, [ASKED, "answer", ANSWERED, DENIED]);
}

#[test]
fn words_answer_what_asks_for_words_and_leave_what_asks_for_leave() {
    let mut bench = listened();
    let asked = r#"{"questions":[{"question":"Which color?"}]}"#;
    let words = |question: &str| Decision::Answers(BTreeMap::from([(question.to_owned(), "Blue".to_owned())]));
    let request = asks(&mut bench, "AskUserQuestion", asked).1;
    let leave = asks(&mut bench, "Bash", "{}").1;
    assert_eq!(decide(&mut bench, leave, words("Which color?")), ["refused WrongAnswer"]);
    assert_eq!(decide(&mut bench, request, Decision::Allow), ["refused WrongAnswer"]);
    assert_eq!(decide(&mut bench, request, words("Which shape?")), ["refused WrongAnswer"]);
    let act = Act::Answer { request, decision: words("Which color?") };
    let effects = bench.machine.handle(bench.now, Input::Act { ask: 1, act });
    let Effect::Command(command) = &effects[0] else { panic!("{effects:?}") };
    let CommandKind::Answer { answer: Answer::AllowWith { input }, .. } = &command.kind else { panic!("{command:?}") };
    let input: serde_json::Value = serde_json::from_str(input).unwrap();
    assert_eq!(input["answers"], serde_json::json!({"Which color?": "Blue"}));
    assert_eq!(input["questions"][0]["question"], "Which color?");
}

#[test]
fn a_tool_that_the_request_itself_offers_and_allows_is_asked_of_nobody() {
    let server = |allowed| McpServer {
        transport: McpTransport::Http,
        url: String::new(),
        headers: BTreeMap::new(),
        always_load: false,
        call_timeout: None,
        allowed,
    };
    let mut bench = Bench::new();
    let mut offering = job("a");
    offering.request.mcp =
        [("own".to_owned(), server(true)), ("other".to_owned(), server(false))].into_iter().collect();
    bench.submit_job(offering);
    bench.granted();
    bench.ready();
    bench.began();
    let question = Question { id: "q".into(), tool: "mcp__own__echo".into(), input: "{}".into() };
    assert_eq!(bench.says(DriverEvent::Asked(question)), ["answer"]);
    assert_eq!(asks(&mut bench, "mcp__other__echo", "{}").0, [ASKED, "answer", ANSWERED, DENIED]);
    assert_eq!(asks(&mut bench, "Bash", "{}").0, [ASKED, "answer", ANSWERED, DENIED]);
    bench.completed();
    bench.submit("b");
    bench.began();
    let asked = asks(&mut bench, "mcp__own__echo", "{}").0;
    assert_eq!(asked[1..], ["answer", "b: PermissionAnswered", "b: PermissionDenied"], "another turn has not said so");
}
