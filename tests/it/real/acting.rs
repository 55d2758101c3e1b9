//! Acting on a session of the real claude: steered, interrupted, asked and answered.

use serde_json::{Value, json};

use super::{KEY, bash, requests, tool_results};
use crate::harness::{Claude, Daemon, Reply, Watch, types};

on_all!(
    a_steer_while_text_streams_goes_on_with_the_turn,
    a_steer_while_a_tool_waits_joins_it,
    an_interrupt_takes_back_what_waited,
    a_question_is_answered_by_whoever_listens,
    a_yes_for_the_session_counts_for_the_tool,
    a_question_of_the_models_is_answered_in_words,
    a_question_that_nobody_answers_is_given_up,
    a_model_and_a_permission_are_changed_between_turns,
    a_thread_is_adopted_and_a_clean_turn_knows_nothing_of_it,
);

const COMMAND: &str = "sh -c 'echo x > made'";

async fn act(daemon: &Daemon, verb: &str, body: Value) -> Reply {
    daemon.client.post(&format!("/v1/sessions/{KEY}/{verb}"), &body).await
}

async fn done(daemon: &Daemon, verb: &str, body: Value) -> Value {
    let reply = act(daemon, verb, body).await;
    assert!(reply.status.is_success(), "{verb}: {} {:?}", reply.status, reply.body);
    reply.json()
}

async fn watch(daemon: &Daemon) -> Watch {
    daemon.client.watch(&format!("/v1/sessions/{KEY}/events")).await
}

/// The question that the turn waits with.
async fn asked(watch: &mut Watch) -> Value {
    watch.until("permission_asked").await.pop().unwrap()["request"].clone()
}

/// Whether the model was asked with this text anywhere.
fn asked_with(daemon: &Daemon, text: &str) -> bool {
    requests(&daemon.model).iter().any(|request| request.body["messages"].to_string().contains(text))
}

async fn a_steer_while_text_streams_goes_on_with_the_turn(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    session.ask("before").await.text();
    let mut watch = watch(&daemon).await;
    let mut stream = session.stream("::say \"one\\n\"\n::hold here\n::say two").await;
    stream.first_text().await;
    done(&daemon, "steer", json!({"input": "::say steered"})).await;
    daemon.model.release("here");
    assert!(stream.rest().await.0.ends_with("two\n\nsteered"));
    let events = watch.until("turn_completed").await;
    let steers: Vec<&str> = types(&events).into_iter().filter(|kind| kind.starts_with("steer")).collect();
    assert_eq!(steers, ["steered", "steer_consumed"]);
    assert_eq!(session.ask("::say next").await.text(), "next");
}

async fn a_steer_while_a_tool_waits_joins_it(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    daemon.client.session(KEY).ask("before").await.text();
    let mut watch = watch(&daemon).await;
    done(&daemon, "submit", json!({"input": format!("{}\n::say after", bash(COMMAND))})).await;
    let request = asked(&mut watch).await;
    let steered = done(&daemon, "submit", json!({"input": "look at the sky, too"})).await;
    assert_eq!(steered["status"], "steered");
    done(&daemon, "answer", json!({"request": request, "decision": "allow"})).await;
    let events = watch.until("turn_completed").await;
    assert!(types(&events).contains(&"steer_consumed"), "{events:?}");
    assert!(asked_with(&daemon, "look at the sky, too"));
    assert!(daemon.work().join("made").exists());
}

async fn an_interrupt_takes_back_what_waited(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    session.ask("before").await.text();
    let pid = daemon.agent(KEY).await;
    let mut stream = session.stream("::say \"some words\\n\"\n::hold never").await;
    stream.first_text().await;
    done(&daemon, "steer", json!({"input": "::say \"not any more\""})).await;
    assert_eq!(done(&daemon, "interrupt", json!({})).await["status"], "confirmed");
    stream.rest().await;
    assert_eq!(session.ask("::say next").await.text(), "next");
    assert_eq!(daemon.agent(KEY).await, pid);
    act(&daemon, "interrupt", json!({})).await.refused(409, "no_active_turn");
}

async fn a_question_is_answered_by_whoever_listens(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    daemon.client.session(KEY).ask("before").await.text();
    let mut watch = watch(&daemon).await;
    let script = json!({"input": format!("{}\n::say after", bash(COMMAND))});
    done(&daemon, "submit", script.clone()).await;
    let request = asked(&mut watch).await;
    let deny = json!({"request": request, "decision": "deny", "message": "because the test says so"});
    done(&daemon, "answer", deny.clone()).await;
    watch.until("turn_completed").await;
    assert!(tool_results(&daemon.model).contains("because the test says so"));
    assert!(!daemon.work().join("made").exists());
    act(&daemon, "answer", deny).await.refused(410, "request_gone");
    done(&daemon, "submit", script).await;
    let request = asked(&mut watch).await;
    done(&daemon, "answer", json!({"request": request, "decision": "allow"})).await;
    watch.until("turn_completed").await;
    assert!(daemon.work().join("made").exists());
}

async fn a_yes_for_the_session_counts_for_the_tool(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    session.ask("before").await.text();
    let mut watching = watch(&daemon).await;
    done(&daemon, "submit", json!({"input": bash(COMMAND)})).await;
    let request = asked(&mut watching).await;
    done(&daemon, "answer", json!({"request": request, "decision": "allow_session"})).await;
    watching.until("turn_completed").await;
    drop(watching);
    session.ask(&bash("sh -c 'echo x > unasked'")).await.text();
    assert!(daemon.work().join("unasked").exists(), "nobody listens, and nobody need");
    done(&daemon, "reset", json!({})).await;
    session.ask(&bash("sh -c 'echo x > denied'")).await.text();
    assert!(!daemon.work().join("denied").exists());
}

async fn a_question_of_the_models_is_answered_in_words(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    daemon.client.session(KEY).ask("before").await.text();
    let mut watch = watch(&daemon).await;
    let option = |label: &str| json!({"label": label, "description": "a color"});
    let question = json!({"questions": [{"question": "Which color?", "header": "Color", "multiSelect": false,
        "options": [option("Red"), option("Blue")]}]});
    done(&daemon, "submit", json!({"input": format!("::tool AskUserQuestion {question}\n::say after")})).await;
    let request = asked(&mut watch).await;
    let yes = json!({"request": request, "decision": "allow"});
    act(&daemon, "answer", yes).await.refused(400, "wrong_answer");
    done(&daemon, "answer", json!({"request": request, "decision": {"answers": {"Which color?": "Blue"}}})).await;
    watch.until("turn_completed").await;
    let told = tool_results(&daemon.model);
    assert!(told.contains("Blue") && !told.contains("denied"), "{told}");
}

async fn a_question_that_nobody_answers_is_given_up(claude: Claude) {
    let daemon = Daemon::claude(claude).config("limits.answer = \"1s\"").start().await;
    daemon.client.session(KEY).ask("before").await.text();
    let mut watch = watch(&daemon).await;
    done(&daemon, "submit", json!({"input": bash(COMMAND)})).await;
    let events = watch.until("turn_completed").await;
    assert!(events.iter().any(|event| event["by"] == "limit"), "{events:?}");
    assert!(tool_results(&daemon.model).contains("limits.answer"));
}

async fn a_model_and_a_permission_are_changed_between_turns(claude: Claude) {
    let daemon = Daemon::claude(claude).config("backends.claude-code.permission = \"accept_edits\"").start().await;
    let session = daemon.client.session(KEY);
    let thread = session.ask("one").await.header("x-turnmux-thread").unwrap().to_owned();
    let done = done(&daemon, "configure", json!({"model": "claude-haiku-4-5", "permission": "ask"})).await;
    assert_eq!(done["applied"], if claude.in_terminal() { "restart" } else { "next_turn" });
    let file = daemon.work().join("by-tool");
    let write = format!("::tool Write {}\n::say two", json!({"file_path": file, "content": "x"}));
    let second = session.ask(&write).await;
    assert_eq!((second.text(), second.header("x-turnmux-thread")), ("two".to_owned(), Some(&*thread)));
    assert!(!file.exists(), "the stricter permission counts");
    let newest = requests(&daemon.model).pop().unwrap();
    assert!(newest.body["model"].as_str().unwrap().contains("haiku"), "{}", newest.body["model"]);
    let laxer = act(&daemon, "configure", json!({"permission": "bypass"})).await;
    laxer.refused(400, "permission_not_allowed");
}

async fn a_thread_is_adopted_and_a_clean_turn_knows_nothing_of_it(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let thread = daemon.client.session("other::chat").ask("one").await.header("x-turnmux-thread").unwrap().to_owned();
    daemon.client.delete("/v1/sessions/other::chat").await;
    done(&daemon, "adopt", json!({"thread": thread})).await;
    let session = daemon.client.session(KEY);
    let second = session.ask("two").await;
    assert_eq!((&*second.text(), second.header("x-turnmux-thread")), ("You said: two [turn 2]", Some(&*thread)));
    let clean = session.with("x-turnmux-isolation", "clean").ask("three").await;
    assert_eq!(clean.text(), "You said: three [turn 1]");
    assert_eq!(session.ask("four").await.text(), "You said: four [turn 2]");
}
