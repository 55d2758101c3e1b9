//! Calls: each finds a warm process and nothing of the one before.

use serde_json::Value;

use super::{bash, requests};
use crate::harness::{Claude, Client, Daemon};
use crate::support::model::Recorded;

on_both! {
    nothing_of_a_call_is_in_the_next,
    what_a_call_set_going_does_not_reach_the_next,
    a_cleared_thread_can_be_resumed,
}

on_all! {
    calls_in_a_row_are_strangers,
    a_kept_context_is_seen_once,
}

/// What claude itself leaves of a `/clear`.
const CAVEAT: [&str; 3] =
    ["<local-command-caveat>", "<command-name>/clear</command-name>", "<local-command-stdout></local-command-stdout>"];

fn calls(daemon: &Daemon) -> Client {
    daemon.client.with("x-turnmux-isolation", "call")
}

/// All that the model was sent of a conversation, less the caveat.
fn sent(request: &Recorded) -> Vec<String> {
    let messages = request.body["messages"].as_array().expect("messages").iter();
    let blocks = messages.flat_map(|message| match &message["content"] {
        Value::Array(blocks) => blocks.clone(),
        text => vec![serde_json::json!({"text": text})],
    });
    let said = blocks.map(|block| block["text"].as_str().map_or_else(|| block.to_string(), str::to_owned));
    said.filter(|text| !CAVEAT.iter().any(|caveat| text.starts_with(caveat))).collect()
}

async fn nothing_of_a_call_is_in_the_next(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    // The first changes into a folder, which the next is not to be in.
    std::fs::create_dir(daemon.work().join("plum")).expect("a folder");
    let first = format!("say plum\n{}", bash("cd plum && pwd"));
    calls(&daemon).ask(&first).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let reply = calls(&daemon).ask("what now").await;
        assert_eq!(reply.text(), "You said: what now [turn 1]");
        seen.push(sent(requests(&daemon.model).last().expect("a request")));
    }
    assert!(seen.iter().all(|sent| *sent == seen[0]), "{seen:#?}");
    assert!(!format!("{seen:?}").contains("plum"), "{seen:#?}");
    let place = calls(&daemon).ask(&bash("pwd")).await.text();
    assert!(place.contains("/work") && !place.contains("plum"), "{place}");
    assert_eq!(daemon.started(), 1, "and all in one process");
}

async fn what_a_call_set_going_does_not_reach_the_next(claude: Claude) {
    let daemon = Daemon::claude(claude).config("backends.claude-code.permission = \"bypass\"").env("IS_SANDBOX", "1");
    let daemon = daemon.start().await;
    let command = serde_json::json!({"command": "sleep 1; echo plum", "description": "x", "run_in_background": true});
    calls(&daemon).ask(&format!("::tool Bash {command}")).await;
    let next = calls(&daemon).ask("next").await;
    assert_eq!(next.text(), "You said: next [turn 1]");
    assert_eq!(daemon.started(), 2, "claude tells of its end in whatever conversation there is");
}

async fn a_cleared_thread_can_be_resumed(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let transcripts = daemon.transcripts();
    let session = daemon.client.session("tester::chat");
    session.ask("one").await;
    let process = daemon.agent("tester::chat").await;
    let clean = session.with("x-turnmux-isolation", "clean").ask("two").await;
    assert_eq!(clean.text(), "You said: two [turn 1]");
    assert_eq!(daemon.agent("tester::chat").await, process);
    transcripts.hold("You said: two").await;
    super::send(process, nix::sys::signal::Signal::SIGKILL);
    daemon.logged("ended an agent", 1).await;
    let third = session.ask("three").await;
    assert_eq!(third.text(), "You said: three [turn 2]");
    assert_eq!(third.header("x-turnmux-thread"), clean.header("x-turnmux-thread"));
}

async fn calls_in_a_row_are_strangers(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    for text in ["one", "two", "three"] {
        let reply = calls(&daemon).ask(text).await;
        assert_eq!(reply.text(), format!("You said: {text} [turn 1]"));
    }
    let count = if claude.in_terminal() { 3 } else { 1 };
    assert_eq!(daemon.started(), count);
}

async fn a_kept_context_is_seen_once(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let keeps = calls(&daemon).with("x-turnmux-keep", "true");
    assert_eq!(keeps.ask("one").await.text(), "You said: one [turn 1]");
    assert_eq!(calls(&daemon).ask("two").await.text(), "You said: two [turn 2]");
    assert_eq!(calls(&daemon).ask("three").await.text(), "You said: three [turn 1]");
}
