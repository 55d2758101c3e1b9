//! What of a request's messages reaches the agent.

use serde_json::{Value, json};

use crate::harness::{Client, Daemon};

async fn chat(client: &Client, messages: Value) -> String {
    client.post("/v1/chat/completions", &json!({"messages": messages})).await.text()
}

#[tokio::test]
async fn a_session_that_has_a_thread_is_told_only_what_is_new() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    chat(&session, json!([{"role": "user", "content": "one"}])).await;
    let messages = json!([
        {"role": "user", "content": "one"}, {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"}, {"role": "user", "content": [{"type": "text", "text": "and"}, {"type": "text", "text": "three"}]},
    ]);
    assert_eq!(chat(&session, messages).await, "You said: two\n\nand\nthree [turn 2]");
    assert_eq!(daemon.stand_in_turns(), ["one", "two\n\nand\nthree"]);
}

#[tokio::test]
async fn a_session_without_a_thread_is_told_what_was_before() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let messages = json!([
        {"role": "user", "content": "the number is 4711"}, {"role": "assistant", "content": "noted"},
        {"role": "user", "content": "which?"},
    ]);
    // The stand-in counts text blocks: what was before is one of its own, and stands before the newest.
    assert_eq!(chat(&session, messages.clone()).await, "You said: which? [turn 2]");
    let folder = std::fs::read_dir(daemon.scratch().join("threads")).unwrap();
    let thread = std::fs::read_to_string(folder.last().unwrap().unwrap().path()).unwrap();
    assert!(thread.contains("4711") && thread.contains("noted"), "{thread}");
    assert_eq!(chat(&session, messages).await, "You said: which? [turn 3]", "once only");
}

#[tokio::test]
async fn text_is_text_and_ten_megabytes_of_it_are_too() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    for text in ["/clear", "/cost", "@/etc/hostname", "line\nbreaks\u{2028}and \"quotes\" \\ and ü 🦀"] {
        let reply = chat(&session, json!([{"role": "user", "content": text}])).await;
        assert!(reply.starts_with(&format!("You said: {text} [turn")), "{reply}");
    }
    let large = format!("::say read it\n{}", "x".repeat(10 << 20));
    assert_eq!(chat(&session, json!([{"role": "user", "content": large}])).await, "read it");
    assert!(daemon.stand_in_turns().last() == Some(&large), "all of it reached the agent");
}

#[tokio::test]
async fn the_final_text_is_what_counts() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("::say one\n::unstreamed two").await.text(), "onetwo");
    assert_eq!(session.stream("::say one\n::unstreamed two").await.rest().await.0, "onetwo");
    assert_eq!(session.ask("::say yes\n::final no").await.text(), "no");
    let (_, chunks) = session.stream("::say yes\n::final no").await.rest().await;
    assert!(chunks.iter().any(|chunk| chunk["turnmux"]["event"] == "text_mismatch"), "{chunks:?}");
    assert_eq!(session.stream("::no-partial\n::say whole").await.rest().await.0, "whole");
    let (text, _) = session.stream("::subagent secret work\n::say done").await.rest().await;
    assert_eq!(text, "done", "what a subagent says is no part of the answer");
    let (text, chunks) = session.stream("::retry 529\n::say at last").await.rest().await;
    assert_eq!(text, "at last");
    assert!(chunks.iter().any(|chunk| chunk["turnmux"] == json!({"event": "retry", "reason": "529"})), "{chunks:?}");
}

#[tokio::test]
async fn a_tool_that_asks_is_denied_at_once_with_what_to_do() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let text = session.ask("::ask Bash {\"command\":\"rm -rf /\"}").await.text();
    assert!(text.starts_with("Bash was denied:") && text.contains("--permission accept_edits"), "{text}");
    let text = session.ask("::tool Read {\"path\":\"x\"}\n::say done").await.text();
    assert!(text.ends_with("done"), "{text}");
    let daemon = Daemon::stand_in().args(&["--permission", "bypass"]).start().await;
    assert_eq!(daemon.client.ask("::ask Bash {}").await.text(), "Bash was allowed");
}
