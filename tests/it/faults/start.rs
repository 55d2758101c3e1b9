//! Agents that do not start: a 503 with what to do, and with their last words.

use serde_json::json;

use super::goes_on;
use crate::harness::{Daemon, DaemonBuilder, gone};

/// Stops agents that do not listen in no time, so that a test takes none.
const QUICK: &str = "limits.ready = \"500ms\"\nlimits.stop_eof = \"50ms\"\nlimits.stop_term = \"100ms\"";

/// A stand-in with a fault, as long as the file `broken` is there.
fn faulty(fault: &str) -> DaemonBuilder {
    let scratch = std::sync::Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(scratch.path().join("broken"), "").unwrap();
    Daemon::stand_in()
        .scratch(scratch)
        .env("STAND_IN_FAULT", fault)
        .env("STAND_IN_FAULT_WHILE", "@SCRATCH@/broken")
        .env("STAND_IN_DIE_TEXT", "settings.json: line 3 makes no sense")
}

fn mend(daemon: &Daemon) {
    std::fs::remove_file(daemon.scratch().join("broken")).unwrap();
}

#[tokio::test]
async fn an_agent_that_is_not_installed_is_a_real_503_for_streams_too() {
    let daemon = Daemon::stand_in().config("[backends.claude-code]\ncommand = \"no-such-claude\"").start().await;
    let mut body = crate::harness::ask("hello");
    for stream in [false, true] {
        body["stream"] = json!(stream);
        let refusal = daemon.client.post("/v1/chat/completions", &body).await.refused(503, "agent_not_installed");
        assert!(refusal.message.contains("no-such-claude") && refusal.message.contains("npm install"), "{refusal:?}");
        assert!(refusal.message.contains("[backends.claude-code]"), "{refusal:?}");
    }
    let health = daemon.client.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["ok"]), (200, &json!(false)));
    assert!(daemon.client.get("/v1/sessions").await.json()["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_that_is_no_program_is_said() {
    let daemon =
        Daemon::stand_in().config("[backends.claude-code]\ncommand = \"@SCRATCH@/turnmux.toml\"").start().await;
    let reply = daemon.client.ask("hello").await;
    let refusal = reply.refused(503, "agent_not_installed");
    assert!(refusal.message.contains("turnmux.toml"), "{refusal:?}");
}

#[tokio::test]
async fn an_agent_that_dies_at_the_start_is_quoted() {
    let daemon = faulty("die-at-start").start().await;
    let session = daemon.client.session("a::b");
    let refusal = session.ask("one").await.refused(503, "agent_start_failed");
    assert!(refusal.message.contains("settings.json: line 3 makes no sense"), "{refusal:?}");
    assert!(refusal.message.contains("exit status: 1") && refusal.message.contains("terminal"), "{refusal:?}");
    let (text, refusal) = session.stream("two").await.refused("agent_start_failed").await;
    assert!(text.is_empty() && refusal.message.contains("settings.json"), "{refusal:?}");
    // A third try is put off, for a broken agent is not to be started in a loop; it is as plain about it.
    session.ask("three").await.refused(503, "agent_start_failed");
    mend(&daemon);
    assert_eq!(session.ask("four").await.text(), "You said: four [turn 1]");
    goes_on(&daemon, "a::b", 2).await;
}

#[tokio::test]
async fn an_agent_that_hangs_at_the_start_is_quoted_and_ended() {
    for fault in ["hang-at-start", "never-ready,flood-stderr"] {
        let daemon = faulty(fault).config(QUICK).start().await;
        let session = daemon.client.session("a::b");
        let refusal = session.ask("one").await.refused(503, "agent_start_failed");
        assert!(refusal.message.contains("limits.ready"), "{refusal:?}");
        let words = if fault == "hang-at-start" { "settings.json: line 3" } else { "xxxxxxxx" };
        assert!(refusal.message.contains(words), "{fault}: its last words are missing: {refusal:?}");
        let (text, refusal) = session.stream("two").await.refused("agent_start_failed").await;
        assert!(text.is_empty() && refusal.message.contains("limits.ready"), "{refusal:?}");
        mend(&daemon);
        assert_eq!(session.ask("three").await.text(), "You said: three [turn 1]", "{fault}");
    }
}

#[tokio::test]
async fn an_agent_that_hangs_and_hears_no_signal_is_ended_all_the_same() {
    let daemon = faulty("hang-at-start,ignore-term").config(QUICK).start().await;
    let asked = {
        let session = daemon.client.session("a::b");
        tokio::spawn(async move { session.ask("one").await })
    };
    daemon.logged("started an agent", 1).await;
    let log = daemon.log();
    let pid = log.split("pid=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().parse().unwrap();
    asked.await.unwrap().refused(503, "agent_start_failed");
    gone(pid).await;
}

#[tokio::test]
async fn turns_that_wait_behind_a_failed_start_have_their_own_try() {
    let daemon = faulty("never-ready").config(QUICK).start().await;
    let session = daemon.client.session("a::b");
    let mut first = session.stream("first").await;
    let mut second = session.stream("second").await;
    first.refused("agent_start_failed").await;
    second.refused("agent_start_failed").await;
    assert_eq!(daemon.started(), 2);
    mend(&daemon);
    assert_eq!(session.ask("third").await.text(), "You said: third [turn 1]");
    assert_eq!(daemon.stand_in_turns(), ["third"]);
}

#[tokio::test]
async fn noise_at_the_start_is_no_fault() {
    let daemon = faulty("noise-at-start,flood-stderr").start().await;
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent("a::b").await;
    goes_on(&daemon, "a::b", 2).await;
    assert_eq!(daemon.agent("a::b").await, pid);
}
