//! Secrets stand in no error, no log and no argument list, whatever an agent says.

use crate::harness::{Client, Daemon};

/// The key that the harness gives every agent.
const AGENTS_KEY: &str = "sk-ant-dummy-key-for-tests";
const OURS: &str = "key-of-the-daemon";

fn client(daemon: &Daemon) -> Client {
    daemon.client.with("authorization", &format!("Bearer {OURS}"))
}

#[tokio::test]
async fn what_an_agent_says_of_its_keys_is_not_passed_on() {
    let text = format!("cannot sign in\nANTHROPIC_API_KEY={AGENTS_KEY} was refused, GH_TOKEN=ghp_0123456789 too");
    let daemon = Daemon::stand_in()
        .env("TURNMUX_API_KEY", OURS)
        .env("GH_TOKEN", "ghp_0123456789")
        .env("STAND_IN_FAULT", "die-at-start")
        .env("STAND_IN_DIE_TEXT", text)
        .start()
        .await;
    let refusal = client(&daemon).ask("hello").await.refused(503, "agent_start_failed");
    assert!(refusal.message.contains("ANTHROPIC_API_KEY=***"), "{refusal:?}");
    let (_, streamed) = client(&daemon).stream("hello").await.refused("agent_start_failed").await;
    let health = client(&daemon).get("/health").await.json().to_string();
    let log = daemon.log();
    for shown in [&refusal.message, &streamed.message, &health, &log] {
        for secret in [AGENTS_KEY, OURS, "ghp_0123456789"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
    assert!(log.contains("cannot sign in"), "the rest is there: {log}");
}

#[tokio::test]
async fn prompts_and_answers_are_in_no_log_and_no_argument_list() {
    let daemon = Daemon::stand_in().env("TURNMUX_LOG", "trace").start().await;
    let session = daemon.client.session("a::b");
    let body = serde_json::json!({"messages": [{"role": "system", "content": "instructions-4711"},
        {"role": "user", "content": "question-4711"}]});
    assert!(session.post("/v1/chat/completions", &body).await.text().contains("question-4711"));
    assert_eq!(session.ask("::noise\n::say answer-4712").await.text(), "answer-4712");
    session.ask("::say answer-4712\n::kill").await;
    session.ask("question-4711").await;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", daemon.agent("a::b").await)).unwrap();
    let arguments = String::from_utf8_lossy(&arguments);
    assert!(arguments.contains("stream-json"), "{arguments}");
    let log = daemon.log();
    assert!(log.contains("turn completed"), "{log}");
    for shown in [&*log, &*arguments] {
        for text in ["instructions-4711", "question-4711", "answer-4712"] {
            assert!(!shown.contains(text), "{text} in {shown}");
        }
    }
}
