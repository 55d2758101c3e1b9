//! What a person types in the terminal of a real claude.

use serde_json::{Value, json};

use super::{KEY, with_a_turn};
use crate::harness::{Claude, Console, Daemon, Watch, types};

in_terminal!(
    a_typed_turn_is_a_turn_of_the_session,
    what_is_typed_while_a_turn_runs_is_not_lost,
    turns_of_clients_wait_for_a_typed_one,
    a_question_may_be_answered_there,
    a_menu_holds_nothing_up_for_good,
);

/// A daemon, a session with one turn behind it, somebody at its terminal, and its events.
async fn at_the_terminal(claude: Claude) -> (Daemon, Console, Watch) {
    let daemon = with_a_turn(claude).await;
    let watch = daemon.client.watch(&format!("/v1/sessions/{KEY}/events")).await;
    let mut console = Console::attach(&daemon, &[KEY]).await;
    console.sees("You said: the first word [turn 1]").await;
    (daemon, console, watch)
}

fn texts<'a>(events: &'a [Value], kind: &str) -> Vec<&'a str> {
    events.iter().filter(|event| event["type"] == kind).map(|event| event["text"].as_str().expect("a text")).collect()
}

/// Whether claude has taken what was typed: it shows it above its prompt, which is two rules with a line between them.
fn has_left_the_prompt(screen: &str, text: &str) -> bool {
    let lines: Vec<&str> = screen.lines().collect();
    let mut rules = (0..lines.len()).filter(|at| lines[*at].starts_with("──"));
    let prompt = rules.nth_back(1).and_then(|top| lines.get(top + 1));
    screen.contains(text) && prompt.is_some_and(|prompt| !prompt.contains(text))
}

async fn a_typed_turn_is_a_turn_of_the_session(claude: Claude) {
    let (daemon, mut console, mut watch) = at_the_terminal(claude).await;
    let pid = daemon.agent(KEY).await;
    console.types("typed by hand").await;
    console.sees("typed by hand").await;
    console.types("\r").await;
    let events = watch.until("turn_completed").await;
    assert_eq!(types(&events)[..3], ["user_text", "typed", "turn_started"], "{events:?}");
    assert_eq!(texts(&events, "user_text"), ["typed by hand"]);
    assert_eq!(texts(&events, "assistant_text"), ["You said: typed by hand [turn 2]"]);
    let turn = events[0]["turn"].as_str().expect("a turn");
    let kept = daemon.client.get(&format!("/v1/turns/{turn}")).await.json();
    assert_eq!((&kept["status"], &kept["session"]), (&json!("completed"), &json!(KEY)), "{kept}");
    assert!(kept["usage"]["output_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{kept}");

    let answer = daemon.client.session(KEY).ask("by a client").await.text();
    assert_eq!(answer, "You said: by a client [turn 3]", "it is the same conversation");
    console.types("\u{1c}\u{1c}").await;
    assert_eq!(console.ends().await.0, Some(0));
    assert_eq!(daemon.agent(KEY).await, pid);
    assert!(daemon.stop().await.success());
}

async fn what_is_typed_while_a_turn_runs_is_not_lost(claude: Claude) {
    let (daemon, mut console, mut watch) = at_the_terminal(claude).await;
    let mut stream = daemon.client.session(KEY).stream("::say \"one\\n\"\n::hold a\n::say two").await;
    assert_eq!(stream.first_text().await, "one\n");
    console.types("typed meanwhile").await;
    console.sees("typed meanwhile").await;
    console.types("\r").await;
    console.sees_if("it above the prompt", |screen| has_left_the_prompt(screen, "typed meanwhile")).await;
    daemon.model.release("a");
    assert_eq!(stream.rest().await.0, "two");
    let first = watch.until("turn_completed").await;
    let second = watch.until("turn_completed").await;
    assert_ne!(first[0]["turn"], second[0]["turn"]);
    assert_eq!(types(&second)[..3], ["user_text", "typed", "turn_started"], "{second:?}");
    assert_eq!(texts(&second, "user_text"), ["typed meanwhile"]);
    assert_eq!(texts(&second, "assistant_text"), ["You said: typed meanwhile [turn 3]"]);

    // In a tool claude merges it.
    let script = "::tool Bash {\"command\": \"read -r line < fifo; echo $line\"}\n::say done";
    let permit = daemon.client.session(KEY);
    nix::unistd::mkfifo(&daemon.work().join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let mut stream = permit.stream(script).await;
    let asked = watch.until("permission_asked").await;
    let request = asked.last().expect("an event")["request"].clone();
    console.sees("Do you want to").await;
    let answer = daemon
        .client
        .post(&format!("/v1/sessions/{KEY}/answer"), &json!({"request": request, "decision": "allow"}))
        .await;
    assert_eq!(answer.status, 200);
    // Keys would answer the dialog while it is there.
    console.sees_if("no dialog", |screen| !screen.contains("Do you want to")).await;
    console.types("typed in a tool").await;
    console.sees("typed in a tool").await;
    console.types("\r").await;
    console.sees_if("it above the prompt", |screen| has_left_the_prompt(screen, "typed in a tool")).await;
    let fifo = daemon.work().join("fifo");
    tokio::task::spawn_blocking(move || std::fs::write(fifo, "go\n")).await.expect("a thread").expect("a reader");
    stream.rest().await;
    let events = watch.until("turn_completed").await;
    assert_eq!(texts(&events, "steered"), ["typed in a tool"], "{events:?}");
    let names = types(&events);
    let at = names.iter().position(|name| *name == "steered").expect("it is there");
    assert_eq!(names[at..at + 3], ["steered", "typed", "steer_consumed"]);
    assert_eq!(events[at]["steer"], events[at + 1]["steer"]);
}

async fn turns_of_clients_wait_for_a_typed_one(claude: Claude) {
    let (daemon, mut console, mut watch) = at_the_terminal(claude).await;
    // A pasted prompt has several lines. An Enter that comes right behind it may count as one of them.
    console.types("\u{1b}[200~::say \"mine\\n\"\n::hold a\n::say over\u{1b}[201~").await;
    console.sees("::say over").await;
    console.types("\r").await;
    watch.until("text_delta").await;
    let client = daemon.client.session(KEY);
    let asking = tokio::spawn(async move { client.ask("a client's word").await.text() });
    let waiting = watch.until("turn_waiting").await;
    assert_eq!(texts(&waiting, "user_text"), ["a client's word"]);
    daemon.model.release("a");
    let events = watch.until("turn_completed").await;
    assert_eq!(texts(&events, "assistant_text").concat(), "mine\nover");
    assert_eq!(asking.await.expect("an answer"), "You said: a client's word [turn 3]");
    watch.until("turn_completed").await;

    // It is stopped like any other.
    console.types("\u{1b}[200~::say \"mine\\n\"\n::hold b\u{1b}[201~").await;
    console.sees("::hold b").await;
    console.types("\r").await;
    watch.until("text_delta").await;
    let stopped = daemon.client.post(&format!("/v1/sessions/{KEY}/interrupt"), &json!({})).await;
    assert_eq!(stopped.json()["status"], "confirmed");
    watch.until("turn_interrupted").await;
    assert_eq!(daemon.client.session(KEY).ask("after it").await.text(), "You said: after it [turn 5]");
}

async fn a_question_may_be_answered_there(claude: Claude) {
    let (daemon, mut console, watch) = at_the_terminal(claude).await;
    // The terminal itself counts as one who can answer.
    drop(watch);
    let client = daemon.client.session(KEY);
    let asking = tokio::spawn(async move {
        client.ask("::tool Bash {\"command\": \"touch made\", \"description\": \"make it\"}\n::say done").await.text()
    });
    console.sees("Do you want to").await;
    console.types("1").await;
    assert_eq!(asking.await.expect("an answer"), "done");
    assert!(daemon.work().join("made").exists());
    let mut watch = daemon.client.watch(&format!("/v1/sessions/{KEY}/events?after=0")).await;
    watch.until("turn_completed").await;
    let events = watch.until("assistant_text").await;
    let answered = events.iter().find(|event| event["type"] == "permission_answered").expect("told at once");
    assert_eq!((&answered["decision"], &answered["by"]), (&json!("allow"), &json!("terminal")));
}

async fn a_menu_holds_nothing_up_for_good(claude: Claude) {
    let (daemon, mut console, _watch) = at_the_terminal(claude).await;
    console.types("/model").await;
    console.sees("/model").await;
    console.types("\r").await;
    console.sees("Select model").await;
    let client = daemon.client.session(KEY);
    let mut stream = client.stream("behind a menu").await;
    console.types("\u{1b}").await;
    assert_eq!(stream.rest().await.0, "You said: behind a menu [turn 2]");
    assert_eq!(client.ask("and another").await.text(), "You said: and another [turn 3]");
}
