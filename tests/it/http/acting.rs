//! `POST /v1/sessions/{key}/…`, over the stand-in.

use serde_json::{Value, json};

use crate::harness::{Daemon, Reply, Watch, types};

const EVENTS: &str = "/v1/sessions/a::b/events";

async fn act(daemon: &Daemon, verb: &str, body: Value) -> Reply {
    daemon.client.post(&format!("/v1/sessions/a::b/{verb}"), &body).await
}

/// The events until the next end of a turn.
async fn turn(watch: &mut Watch) -> Vec<Value> {
    watch.until("turn_completed").await
}

fn text_of(events: &[Value]) -> &Value {
    &events.iter().rfind(|event| event["type"] == "assistant_text").expect("an answer")["text"]
}

/// The question that a turn waits with.
async fn asked(watch: &mut Watch) -> String {
    let events = watch.until("permission_asked").await;
    events.last().unwrap()["request"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_submitted_turn_runs_unread_and_the_next_one_steers_it() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let first = act(&daemon, "submit", json!({"input": format!("::say some\n{}", gate.hold())})).await;
    let body = first.json();
    assert_eq!((first.status.as_u16(), &body["status"], &body["depth"]), (202, &json!("started"), &json!(0)));
    assert_eq!((&body["session"], &body["object"]), (&json!("a::b"), &json!("session.submitted")));
    let mut watch = daemon.client.watch(&format!("{EVENTS}?after=0")).await;
    watch.until("text_delta").await;
    let more = act(&daemon, "submit", json!({"input": "more"})).await.json();
    assert_eq!((&more["status"], &more["turn"]), (&json!("steered"), &body["turn"]));
    gate.open();
    let events = turn(&mut watch).await;
    let kinds: Vec<&str> = types(&events).into_iter().filter(|kind| kind.starts_with("steer")).collect();
    assert_eq!(kinds, ["steered", "steer_consumed"]);
    assert_eq!(text_of(&events), "some\n\nYou said: more [turn 2]");
    assert_eq!(daemon.stand_in_turns().len(), 2);
}

#[tokio::test]
async fn a_submission_waits_behind_what_waits() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say some\n{}", gate.hold())).await;
    running.first_text().await;
    let mut waits = session.stream("waits").await;
    let last = act(&daemon, "submit", json!({"input": "last"})).await.json();
    assert_eq!((&last["status"], &last["depth"]), (&json!("queued"), &json!(2)));
    gate.open();
    assert_eq!(waits.rest().await.0, "You said: waits [turn 2]");
    let path = format!("/v1/turns/{}/events", last["turn"].as_str().unwrap());
    assert_eq!(text_of(&turn(&mut daemon.client.watch(&path).await).await), "You said: last [turn 3]");
}

#[tokio::test]
async fn a_steer_joins_the_running_turn_and_no_other() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    act(&daemon, "steer", json!({"input": "x"})).await.refused(404, "session_not_found");
    session.ask("one").await;
    act(&daemon, "steer", json!({"input": "x"})).await.refused(409, "no_active_turn");
    let gate = daemon.gate("gate");
    let mut running = session.stream(&format!("::say some\n{}", gate.hold())).await;
    running.first_text().await;
    let steered = act(&daemon, "steer", json!({"input": "more"})).await;
    assert_eq!(steered.status, 200, "{:?}", steered.body);
    assert_eq!(steered.json()["turn"], running.header("x-turnmux-turn").unwrap());
    gate.open();
    assert_eq!(running.rest().await.0, "\n\nYou said: more [turn 3]");
    act(&daemon, "steer", json!({"input": " "})).await.refused(400, "empty_input");
    act(&daemon, "steer", json!({})).await.refused(400, "missing_field");
}

#[tokio::test]
async fn an_interrupt_takes_back_what_waited_and_says_so() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let mut running = session.stream("::say some\n::silent").await;
    running.first_text().await;
    let mut watch = daemon.client.watch(EVENTS).await;
    act(&daemon, "steer", json!({"input": "never"})).await;
    let stopped = act(&daemon, "interrupt", json!({})).await.json();
    assert_eq!((&stopped["status"], &stopped["object"]), (&json!("confirmed"), &json!("session.interrupted")));
    let events = watch.until("turn_interrupted").await;
    assert!(types(&events).contains(&"steer_dropped"), "{events:?}");
    running.refused("turn_interrupted").await;
    act(&daemon, "interrupt", json!({})).await.refused(409, "no_active_turn");
    session.ask("next").await.text();
    assert!(!daemon.stand_in_turns().contains(&"never".to_owned()));
}

#[tokio::test]
async fn a_question_waits_for_whoever_listens_and_is_answered_once() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let script = "::ask Bash {\"command\":\"ls\"}";
    assert!(session.ask(script).await.text().contains("nobody is there"));
    let mut watch = daemon.client.watch(EVENTS).await;
    act(&daemon, "submit", json!({"input": script})).await;
    let request = asked(&mut watch).await;
    act(&daemon, "answer", json!({"request": "req_x", "decision": "allow"})).await.refused(404, "request_not_found");
    let wrong = json!({"request": request, "decision": {"answers": {"Which?": "this"}}});
    act(&daemon, "answer", wrong).await.refused(400, "wrong_answer");
    act(&daemon, "answer", json!({"request": request, "decision": "perhaps"})).await.refused(400, "wrong_answer");
    let deny = json!({"request": request, "decision": "deny", "message": "because the test says so"});
    let denied = act(&daemon, "answer", deny.clone()).await;
    assert_eq!(denied.status, 200, "{:?}", denied.body);
    act(&daemon, "answer", deny).await.refused(410, "request_gone");
    assert!(text_of(&turn(&mut watch).await).as_str().unwrap().contains("because the test says so"));

    act(&daemon, "submit", json!({"input": format!("{script}\n{script}")})).await;
    let request = asked(&mut watch).await;
    act(&daemon, "answer", json!({"request": request, "decision": "allow_session"})).await;
    let events = turn(&mut watch).await;
    let by: Vec<_> = events.iter().filter(|event| event["type"] == "permission_answered").map(|e| &e["by"]).collect();
    assert_eq!(by, ["client", "session"], "the second is allowed unasked");
}

#[tokio::test]
async fn a_question_is_given_up_at_its_limit() {
    let daemon = Daemon::stand_in().config("limits.answer = \"1s\"").start().await;
    daemon.client.session("a::b").ask("before").await.text();
    let mut watch = daemon.client.watch(EVENTS).await;
    act(&daemon, "submit", json!({"input": "::ask Bash {}"})).await;
    let events = turn(&mut watch).await;
    assert!(events.iter().any(|event| event["by"] == "limit"), "{events:?}");
    assert!(text_of(&events).as_str().unwrap().contains("limits.answer"), "{events:?}");
}

#[tokio::test]
async fn options_are_in_force_from_the_next_turn_on() {
    let daemon = Daemon::stand_in().config("backends.claude-code.permission = \"accept_edits\"").start().await;
    act(&daemon, "configure", json!({"model": "opus"})).await.refused(404, "session_not_found");
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    let pid = daemon.agent("a::b").await;
    let done = act(&daemon, "configure", json!({"model": "opus", "permission": "deny"})).await.json();
    assert_eq!(
        (&done["applied"], &done["model"], &done["permission"]),
        (&json!("next_turn"), &json!("opus"), &json!("deny"))
    );
    session.ask("two").await.text();
    assert_eq!(daemon.agent("a::b").await, pid);
    let back = act(&daemon, "configure", json!({"model": null})).await.json();
    assert_eq!((&back["model"], &back["permission"]), (&Value::Null, &json!("deny")));
    for (body, code) in [
        (json!({"permission": "bypass"}), "permission_not_allowed"),
        (json!({"permission": "all"}), "invalid_permission"),
        (json!({"model": "--flag"}), "invalid_model"),
        (json!({"model": 1}), "invalid_type"),
        (json!({}), "missing_field"),
    ] {
        act(&daemon, "configure", body).await.refused(400, code);
    }
}

#[tokio::test]
async fn a_closed_session_is_gone_until_it_is_reset_or_forgotten() {
    let daemon = Daemon::stand_in().start().await;
    act(&daemon, "close", json!({})).await.refused(404, "session_not_found");
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    assert_eq!(act(&daemon, "close", json!({})).await.json()["object"], "session.closed");
    assert_eq!(daemon.session("a::b").await.unwrap()["pid"], Value::Null);
    session.ask("two").await.refused(410, "session_closed");
    for (verb, body) in [
        ("submit", json!({"input": "x"})),
        ("steer", json!({"input": "x"})),
        ("interrupt", json!({})),
        ("answer", json!({"request": "req_x", "decision": "allow"})),
        ("configure", json!({"model": "opus"})),
        ("adopt", json!({"thread": uuid::Uuid::new_v4().to_string()})),
        ("close", json!({})),
    ] {
        act(&daemon, verb, body).await.refused(410, "session_closed");
    }
    assert_eq!(act(&daemon, "reset", json!({})).await.json()["object"], "session.reset");
    assert_eq!(session.ask("three").await.text(), "You said: three [turn 1]");
    act(&daemon, "close", json!({})).await;
    assert_eq!(daemon.client.delete("/v1/sessions/a::b").await.status, 200);
    assert_eq!(session.ask("four").await.text(), "You said: four [turn 1]");
}

#[tokio::test]
async fn a_thread_is_taken_up_by_a_session_that_has_none() {
    let daemon = Daemon::stand_in().start().await;
    let thread = daemon.client.session("x::y").ask("one").await.header("x-turnmux-thread").unwrap().to_owned();
    daemon.client.post("/v1/sessions/x::y/reset", &json!({})).await;
    act(&daemon, "adopt", json!({"thread": "--resume"})).await.refused(400, "invalid_thread");
    assert_eq!(act(&daemon, "adopt", json!({"thread": thread})).await.json()["thread"], json!(thread));
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 2]");
    act(&daemon, "adopt", json!({"thread": uuid::Uuid::new_v4().to_string()})).await.refused(409, "session_conflict");
}

#[tokio::test]
async fn a_turn_sees_of_its_session_what_it_asks_for() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    let isolated = |isolation: &str| session.with("x-turnmux-isolation", isolation);
    assert_eq!(isolated("session").ask("two").await.text(), "You said: two [turn 2]");
    let fresh = isolated("fresh").ask("apart").await;
    assert_eq!(fresh.text(), "You said: apart [turn 1]");
    assert_ne!(fresh.header("x-turnmux-session"), Some("a::b"));
    assert_eq!(session.ask("three").await.text(), "You said: three [turn 3]", "as if nothing had been");
    let process = daemon.agent("a::b").await;
    let clean = isolated("clean").ask("four").await;
    assert_eq!(clean.text(), "You said: four [turn 1]");
    let five = session.ask("five").await;
    assert_eq!(five.text(), "You said: five [turn 2]", "the session goes on from there");
    assert_eq!(clean.header("x-turnmux-thread"), five.header("x-turnmux-thread"), "in the thread that was named");
    assert_eq!(daemon.agent("a::b").await, process, "which is the same process's");
    assert_eq!(daemon.session("a::b").await.unwrap()["generation"], 1);
    isolated("none").ask("x").await.refused(400, "invalid_isolation");
    let named = isolated("clean").with("x-turnmux-thread", &uuid::Uuid::new_v4().to_string());
    named.ask("x").await.refused(400, "invalid_isolation");
}
