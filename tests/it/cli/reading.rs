//! `sessions`, `show`, `tail` and `status`: what people and programs are shown.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::Daemon;

#[tokio::test]
async fn sessions_are_listed_for_people_and_for_programs() {
    let daemon = Daemon::stand_in().start().await;
    assert_eq!(daemon.turnmux(&["sessions"]).run().await.ok(), "no sessions\n");
    daemon.client.session("ops::42").ask("hello").await.text();
    let shown = daemon.turnmux(&["sessions"]).run().await.ok();
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["SESSION", "STATE", "BACKEND", "TURNS", "QUEUED", "PID", "TURN"]);
    let pid = daemon.agent("ops::42").await.to_string();
    assert_eq!(lines[1], ["ops::42", "idle", "claude-code", "1", "0", &pid, "-"]);
    let list = daemon.turnmux(&["sessions", "--json"]).run().await.json();
    assert_eq!(list, daemon.client.get("/v1/sessions").await.json());
}

#[tokio::test]
async fn show_has_the_session_and_what_was_said_last() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("ops::42");
    session.ask("one").await.text();
    session.ask("::tool Read {\"file_path\":\"/etc/hosts\"}\n::say two\n").await.text();
    let shown = daemon.turnmux(&["show", "ops::42"]).run().await.ok();
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("no {text:?} in {shown}"));
    assert!(
        shown.starts_with("ops::42\n  state     idle\n  turns     2\n  backend   claude-code (claude-stream)\n"),
        "{shown}"
    );
    assert!(at("> one") < at("You said: one [turn 1]"));
    assert!(at("You said: one") < at("* Read {\"file_path\":\"/etc/hosts\"}") && at("* Read") < at("\ntwo\n"));
    let last = daemon.turnmux(&["show", "ops::42", "-n", "1"]).run().await.ok();
    assert!(last.contains("two") && !last.contains("You said: one") && last.contains("earlier turns"), "{last}");
    let whole = daemon.turnmux(&["show", "ops::42", "--json"]).run().await.json();
    assert_eq!(whole["session"], daemon.session("ops::42").await.unwrap());
    let turns = daemon.client.get("/v1/sessions/ops::42/turns?expand=messages&limit=5").await.json();
    assert_eq!((&whole["turns"], &whole["has_more"]), (&turns["data"], &json!(false)));
}

#[tokio::test]
async fn an_agent_cannot_drive_the_terminal() {
    let daemon = Daemon::stand_in().start().await;
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}1A\u{202e}txt.exe\rhidden";
    let session = daemon.client.session("ops::42");
    session.ask(&format!("::say {}\n::tool Bash {}", json!(evil), json!({"command": evil}))).await.text();
    let is_safe = |text: &str| text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && c != '\u{202e}');
    for verb in [&["show", "ops::42"][..], &["show", "ops::42", "--json"]] {
        let said = daemon.turnmux(verb).run().await.ok();
        assert!(said.contains("txt.exe") && is_safe(&said), "{verb:?}: {said:?}");
    }
    let whole = daemon.turnmux(&["show", "ops::42", "--json"]).run().await.json();
    let messages = whole["turns"][0]["messages"].as_array().unwrap();
    assert!(messages.iter().any(|message| message["text"] == evil), "JSON says it as it was: {whole}");
    for args in [&["--after", "0"][..], &["--after", "0", "--json"]] {
        let mut tail = daemon.turnmux(&["tail", "ops::42"]).args(args).spawn();
        let end = if args.len() == 3 { "turn_completed" } else { "is done" };
        let said = tail.until(end).await;
        assert!(said.contains("txt.exe") && is_safe(&said), "{args:?}: {said:?}");
    }
}

#[tokio::test]
async fn tail_follows_a_session_and_a_turn_to_its_end() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("ops::42");
    let first = session.ask("one").await;
    let first = daemon.client.get(&format!("/v1/turns/{}", first.header("x-turnmux-turn").unwrap())).await.json();
    let after = first["last_seq"].to_string();
    let mut tail = daemon.turnmux(&["tail", "ops::42", "--after", &after]).spawn();
    let mut json = daemon.turnmux(&["tail", "ops::42", "--after", &after, "--json"]).spawn();
    let reply = session.ask("two\n::think hm\n::say a\n::say b").await;
    let turn = reply.header("x-turnmux-turn").unwrap().to_owned();
    let said = tail.until("is done").await;
    let (asked, answered) = ("> two\n> ::think hm\n> ::say a\n> ::say b\n", format!("{turn} runs\nhm\nab\n"));
    assert!(said.starts_with(asked) && said.contains(&answered), "{said}");
    let lines = json.until("turn_completed").await;
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["data"]["text"], asked.trim_end().replace("> ", ""));
    for event in &events {
        assert_eq!((&event["id"], &event["event"]), (&event["data"]["seq"], &event["data"]["type"]));
        assert_eq!(event["data"]["turn"], *turn);
    }
    let whole = daemon.turnmux(&["tail", &turn]).run().await.ok();
    assert!(whole.contains(&answered) && whole.contains(&format!("{turn} is done\n")), "it ends by itself: {whole}");
}

#[tokio::test]
async fn tail_begins_with_what_happens_now() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("ops::42");
    session.ask("long ago").await.text();
    let mut tail = daemon.turnmux(&["tail", "ops::42"]).spawn();
    let seen = async { tail.until("> now").await };
    tokio::pin!(seen);
    // It is there for one of these from its beginning on.
    let said = loop {
        tokio::select! {
            said = &mut seen => break said,
            reply = session.ask("now") => drop(reply.text()),
        }
    };
    assert!(!said.contains("long ago"), "{said}");
}

#[tokio::test]
async fn nobody_reads_any_more_and_nothing_is_said() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("ops::42");
    session.ask("one").await.text();
    let mut tail = daemon.turnmux(&["tail", "ops::42", "--after", "0"]).spawn();
    tail.until("is done").await;
    tail.close_stdout();
    session.ask("two").await.text();
    let ended = tail.ended().await;
    assert_eq!((ended.code, &*ended.stderr), (Some(141), ""));
}

#[tokio::test]
async fn status_fails_where_no_turn_could_run() {
    let daemon = Daemon::stand_in().start().await;
    let said = daemon.turnmux(&["status"]).run().await.ok();
    assert!(said.contains(" runs: http://") && said.contains("claude-code (claude-stream) ready"), "{said}");
    let health = daemon.turnmux(&["status", "--json"]).run().await.json();
    assert_eq!((&health["name"], &health["process"]["pid"]), (&json!("turnmux"), &json!(daemon.pid())));
    let broken = Daemon::stand_in().config("backends.claude-code.command = \"no-such-program\"").start().await;
    let ran = broken.turnmux(&["status"]).run().await;
    assert_eq!((ran.code, &*ran.stderr), (Some(1), ""));
    assert!(ran.stdout.contains("cannot take turns") && ran.stdout.contains("no-such-program"), "{ran:?}");
    assert_eq!(broken.turnmux(&["status", "--json"]).run().await.code, Some(1));
}

#[tokio::test]
async fn colours_are_for_terminals_whose_users_want_them() {
    let daemon = Daemon::stand_in().start().await;
    let status = daemon.turnmux(&["status"]).env("TERM", "xterm");
    let plain = status.run().await.ok();
    let shown = status.run_in_terminal().await;
    assert!(!plain.contains('\u{1b}') && shown.starts_with("\u{1b}[32mturnmux "), "{shown:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = status.clone().env(name, value).run_in_terminal().await;
        assert!(shown.starts_with("turnmux ") && !shown.contains('\u{1b}'), "{name}: {shown:?}");
    }
}

#[tokio::test]
async fn tail_goes_on_where_it_was_when_the_daemon_is_back() {
    let mut daemon = Daemon::stand_in().start().await;
    let port = daemon.client.address.rsplit(':').next().expect("a port").to_owned();
    let again = |daemon: &Daemon| Daemon::stand_in().scratch(daemon.share_scratch()).args(&["--port", &port]);
    daemon.client.session("ops::42").ask("one").await.text();
    let mut tail = daemon.turnmux(&["tail", "ops::42", "--after", "0", "--json"]).spawn();
    let mut seen = tail.until("turn_completed").await;
    for (signal, text) in [(Signal::SIGKILL, "two"), (Signal::SIGTERM, "three")] {
        daemon.signal(signal);
        daemon.ended().await;
        daemon = again(&daemon).start().await;
        daemon.client.session("ops::42").ask(text).await.text();
        seen += &tail.until("turn_completed").await;
    }
    let events: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap_or_default()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let said = |kind: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["event"] == kind).map(|event| &event["data"]["text"]).collect()
    };
    assert_eq!(said("user_text"), ["one", "two", "three"]);

    // A turn that runs is followed to its end, too, though that comes with the next daemon.
    let mut running = daemon.client.session("ops::42").stream("::say begun\n::silent").await;
    running.first_text().await;
    let turn = running.header("x-turnmux-turn").unwrap().to_owned();
    let mut of_turn = daemon.turnmux(&["tail", &turn]).spawn();
    of_turn.until("begun").await;
    daemon.signal(Signal::SIGKILL);
    daemon.ended().await;
    let daemon = again(&daemon).start().await;
    let ran = of_turn.ended().await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(&turn) && ran.stdout.contains("turnmux ended while"), "{ran:?}");
    assert_eq!(ran.stderr.matches("went away").count(), 1, "{ran:?}");

    // A session that is forgotten has no more to say.
    assert_eq!(daemon.client.delete("/v1/sessions/ops::42").await.status, 200);
    seen = String::new();
    while let Some(line) = tail.line().await {
        seen = line;
    }
    assert!(seen.contains("\"over\""), "{seen}");
    let ran = tail.ended().await;
    assert_eq!((ran.code, ran.stderr.matches("went away").count()), (Some(0), 3), "{ran:?}");
}

#[tokio::test]
async fn tail_waits_for_a_daemon_only_so_long() {
    let mut daemon = Daemon::stand_in().start().await;
    daemon.client.session("ops::42").ask("one").await.text();
    let tail = daemon.turnmux(&["tail", "ops::42", "--after", "0", "--reconnect", "300ms"]);
    let (mut tail, mut json) = (tail.spawn(), tail.clone().args(&["--json"]).spawn());
    tail.until("is done").await;
    json.until("turn_completed").await;
    daemon.signal(Signal::SIGKILL);
    daemon.ended().await;
    let ran = tail.ended().await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("did not come back within 300ms: no daemon at"), "{ran:?}");
    let ran = json.ended().await;
    let error: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((ran.code, &error["error"]["code"]), (Some(3), &json!("no_daemon")), "{ran:?}");
}
