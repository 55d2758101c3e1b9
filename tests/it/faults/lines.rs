//! Agents that print what is no protocol, or too much of it.

use super::goes_on;
use crate::harness::Daemon;

#[tokio::test]
async fn noise_is_skipped_and_counted() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("::say one \n::noise\n::say two").await.text(), "onetwo");
    assert_eq!(session.stream("::noise\n::say \"a b\"\n::noise").await.rest().await.0, "a b");
    let pid = daemon.agent("a::b").await;
    goes_on(&daemon, "a::b", 3).await;
    assert_eq!(daemon.agent("a::b").await, pid, "no reason to start another");
    daemon.client.delete("/v1/sessions/a%3A%3Ab").await;
    // Three of its seven lines: a blank one is nothing, and types that nobody knows are what a newer agent may say.
    daemon.logged("lines=9", 1).await;
}

#[tokio::test]
async fn a_long_line_within_the_limit_is_no_fault() {
    let daemon = Daemon::stand_in().start().await;
    assert_eq!(daemon.client.session("a::b").ask("::long-line 5000000\n::say done").await.text(), "done");
    let text = daemon.client.session("a::b").ask("::huge 3000000").await.text();
    assert_eq!(text.len(), 3_000_000);
}

#[tokio::test]
async fn an_endless_line_is_an_error_and_its_process_is_replaced() {
    let config = "limits.line_bytes = \"64KiB\"\nlimits.stop_eof = \"50ms\"";
    let daemon = Daemon::stand_in().config(config).start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    let pid = daemon.agent("a::b").await;
    for text in ["::say some\n::endless-line 100000", "::long-line 70000\n::say unreached"] {
        let refusal = session.ask(text).await.refused(502, "agent_lost");
        assert!(refusal.message.contains("limits.line_bytes"), "{refusal:?}");
    }
    let (text, refusal) = session.stream("::say some\n::endless-line 100000").await.refused("agent_lost").await;
    assert_eq!(text, "some", "{refusal:?}");
    goes_on(&daemon, "a::b", 5).await;
    assert_ne!(daemon.agent("a::b").await, pid);
}

/// The agent says nothing more behind so many bytes: nobody may wait for the rest of the line for ever.
#[tokio::test]
async fn half_a_line_and_then_silence_ends_by_the_limits() {
    let config = "limits.silence = \"300ms\"\nlimits.interrupt = \"100ms\"\nlimits.stop_eof = \"50ms\"";
    let daemon = Daemon::stand_in().config(config).start().await;
    let session = daemon.client.session("a::b");
    session.ask("::say some\n::endless-line 1000").await.refused(504, "turn_timed_out");
    goes_on(&daemon, "a::b", 2).await;
}

#[tokio::test]
async fn a_flood_on_stderr_holds_nothing_up() {
    let daemon = Daemon::stand_in().env("STAND_IN_FAULT", "flood-stderr").start().await;
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("::stderr 5000000\n::say done").await.text(), "done");
    let pid = daemon.agent("a::b").await;
    goes_on(&daemon, "a::b", 2).await;
    assert_eq!(daemon.agent("a::b").await, pid);
}
