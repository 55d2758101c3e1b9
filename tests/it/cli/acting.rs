//! `steer`, `interrupt`, `answer`, `reset` and `close`.

use serde_json::json;

use crate::harness::Daemon;

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let daemon = Daemon::stand_in().start().await;
    for verb in [
        &["show", "no::such"][..],
        &["tail", "no::such"],
        &["steer", "no::such", "more"],
        &["interrupt", "no::such"],
        &["answer", "no::such", "req_1", "deny", "-m", "why not"],
        &["reset", "no::such"],
        &["close", "no::such"],
        &["close", "no::such", "--forget"],
    ] {
        daemon.turnmux(verb).run().await.failed(5, &["there is no session `no::such`", "session_not_found"]);
    }
    daemon.turnmux(&["tail", "turn_01890a5d-ac96-774b-bcce-b302099a8057"]).run().await.failed(5, &["turn_not_found"]);
    daemon.turnmux(&["show", ""]).run().await.failed(2, &["session"]);
}

#[tokio::test]
async fn a_steer_reaches_the_running_turn_from_an_argument_and_from_stdin() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await.text();
    let steer = daemon.turnmux(&["steer", "a::b"]);
    steer.clone().args(&["more"]).run().await.failed(6, &["no_active_turn"]);
    let gate = daemon.gate("gate");
    let mut running = session.stream(&format!("::say some\n{}", gate.hold())).await;
    running.first_text().await;
    let turn = running.header("x-turnmux-turn").unwrap().to_owned();
    let said = steer.clone().args(&["more"]).run().await.ok();
    assert!(said.starts_with(&format!("given to {turn} (")), "{said}");
    let steered = steer.clone().args(&["-", "--json"]).stdin("and more\n").run().await.json();
    assert_eq!((&steered["object"], &steered["turn"]), (&json!("session.steered"), &json!(turn)));
    steer.args(&["-"]).run().await.failed(2, &["empty_input"]);
    gate.open();
    running.rest().await;
    let turns = daemon.stand_in_turns();
    assert!(turns.iter().any(|text| text == "more") && turns.iter().any(|text| text == "and more\n"), "{turns:?}");
}

#[tokio::test]
async fn an_interrupt_stops_the_turn_and_keeps_the_process() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let mut running = session.stream("::say some\n::silent").await;
    running.first_text().await;
    let (turn, agent) = (running.header("x-turnmux-turn").unwrap().to_owned(), daemon.agent("a::b").await);
    let interrupt = daemon.turnmux(&["interrupt", "a::b"]);
    assert_eq!(interrupt.run().await.ok(), format!("{turn} is interrupted\n"));
    interrupt.run().await.failed(6, &["no_active_turn"]);
    assert_eq!(daemon.agent("a::b").await, agent);
    assert!(daemon.turnmux(&["show", "a::b"]).run().await.ok().contains("interrupted ("));
}

#[tokio::test]
async fn a_question_is_shown_by_tail_and_answered_from_another_shell() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await.text();
    let mut tail = daemon.turnmux(&["tail", "a::b", "--after", "0"]).spawn();
    tail.until("is done").await;
    let asking = tokio::spawn(async move { session.ask("::ask Bash {\"command\":\"ls\"}").await.text() });
    let said = tail.until("turnmux answer").await;
    assert!(said.contains("? Bash {\"command\":\"ls\"}\n"), "{said}");
    let line = said.lines().last().unwrap();
    let (how, words) = line.trim().rsplit_once(' ').unwrap();
    assert_eq!(words, "allow|allow_session|deny");
    let request = how.strip_prefix("turnmux answer 'a::b' ").unwrap_or_else(|| panic!("{line}"));
    daemon.turnmux(&["answer", "a::b", "req_x", "allow"]).run().await.failed(5, &["request_not_found"]);
    let answer = daemon.turnmux(&["answer", "a::b", request, "deny", "-m", "because the test says so"]);
    assert!(answer.run().await.ok().ends_with(" goes on\n"));
    answer.run().await.failed(6, &["request_gone"]);
    assert!(asking.await.unwrap().contains("because the test says so"));
    assert!(tail.until("is done").await.contains(&format!("{request}: deny, by ")));
}

#[tokio::test]
async fn a_question_of_the_models_own_is_answered_in_words() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await.text();
    let mut tail = daemon.turnmux(&["tail", "a::b", "--after", "0"]).spawn();
    tail.until("is done").await;
    let script = "::ask AskUserQuestion {\"questions\":[{\"question\":\"Which color?\"}]}";
    let asking = tokio::spawn(async move { session.ask(script).await.text() });
    let said = tail.until("turnmux answer").await;
    let request = said.split_whitespace().find(|word| word.starts_with("req_")).unwrap();
    let answer = daemon.turnmux(&["answer", "a::b", request, "--say", "Which color?=Blue = green"]);
    answer.run().await.ok();
    assert!(asking.await.unwrap().contains("Blue = green"));
}

#[tokio::test]
async fn a_session_begins_anew_closes_and_is_forgotten() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await.text();
    let run = async |verb: &[&str]| daemon.turnmux(verb).run().await;
    assert_eq!(run(&["reset", "a::b"]).await.ok(), "a::b begins anew with its next turn\n");
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 1]");
    assert_eq!(run(&["close", "a::b"]).await.ok(), "a::b is closed\n");
    run(&["steer", "a::b", "more"]).await.failed(6, &["session_closed"]);
    assert_eq!(run(&["reset", "a::b", "--json"]).await.json()["object"], "session.reset");
    assert_eq!(run(&["close", "a::b", "--forget"]).await.ok(), "a::b is closed and forgotten\n");
    run(&["show", "a::b"]).await.failed(5, &["session_not_found"]);
}
