//! Agents that end a turn twice, or never; and agents that allow themselves more than they may.

use super::goes_on;
use crate::harness::{Daemon, DaemonBuilder};

#[tokio::test]
async fn a_second_result_ends_no_other_turn() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let mut streams = Vec::new();
    for number in 0..10 {
        // All wait in line, so that the next turn is given to the agent as soon as the first result is seen.
        streams.push(session.stream(&format!("::two-results\n::say answer {number}")).await);
    }
    for (number, mut stream) in streams.into_iter().enumerate() {
        assert_eq!(stream.rest().await.0, format!("answer {number}"));
    }
    goes_on(&daemon, "a::b", 11).await;
}

/// The worst moment for it: the next turn was given to the agent, and has not begun.
#[tokio::test]
async fn a_result_that_comes_late_ends_no_other_turn() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    for number in 0..3 {
        let text = format!("::late-result\n::say answer {number}");
        assert_eq!(session.ask(&text).await.text(), format!("answer {number}"));
        let (text, _) = session.stream(&format!("::late-result\n::say stream {number}")).await.rest().await;
        assert_eq!(text, format!("stream {number}"));
    }
    goes_on(&daemon, "a::b", 7).await;
}

fn quick() -> DaemonBuilder {
    Daemon::stand_in().config("limits.interrupt = \"100ms\"\nlimits.stop_eof = \"50ms\"\nlimits.stop_term = \"100ms\"")
}

#[tokio::test]
async fn a_turn_without_a_result_ends_by_the_limit_on_silence() {
    let daemon = quick().config("limits.silence = \"300ms\"").start().await;
    let session = daemon.client.session("a::b");
    let reply = session.ask("::say some\n::no-result").await;
    let refusal = reply.refused(504, "turn_timed_out");
    assert!(refusal.message.contains("limits.silence"), "{refusal:?}");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    let (text, refusal) = session.stream("::say some\n::no-result").await.refused("turn_timed_out").await;
    assert_eq!(text, "some", "{refusal:?}");
    goes_on(&daemon, "a::b", 3).await;
}

#[tokio::test]
async fn a_turn_that_never_ends_ends_by_the_limit_on_turns() {
    let daemon = quick().config("limits.turn = \"300ms\"").start().await;
    let session = daemon.client.session("a::b");
    // Not silent for a moment, and no end of it.
    let text = format!("::slow 20\n::chunk 1\n::say {}", "x".repeat(10_000));
    let refusal = session.ask(&text).await.refused(504, "turn_timed_out");
    assert!(refusal.message.contains("limits.turn"), "{refusal:?}");
    let pid = daemon.agent("a::b").await;
    goes_on(&daemon, "a::b", 2).await;
    assert_eq!(daemon.agent("a::b").await, pid, "an agent that heeds the interrupt is kept");
}

#[tokio::test]
async fn by_default_a_turn_may_be_silent() {
    let daemon = quick().start().await;
    let text = daemon.client.ask("::say a\n::silent 700\n::say b").await.text();
    assert_eq!(text, "ab");
}

#[tokio::test]
async fn an_agent_that_allows_itself_more_than_it_may_is_stopped() {
    let daemon = quick().start().await;
    let session = daemon.client.session("a::b");
    for mode in ["bypassPermissions", "acceptEdits", "auto"] {
        let reply = session.ask(&format!("::mode {mode}\n::say done as you wished")).await;
        let refusal = reply.refused(503, "agent_misconfigured");
        assert!(refusal.message.contains(mode) && refusal.message.contains("permission"), "{refusal:?}");
    }
    assert_eq!(session.ask("::mode plan\n::say careful").await.text(), "careful", "less than it may is no fault");
}
