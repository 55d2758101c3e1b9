//! Agents that do not listen: to an interrupt, to the end of their input, to SIGTERM.

use nix::sys::signal::Signal;
use serde_json::json;

use super::goes_on;
use crate::harness::{Daemon, DaemonBuilder, gone};

fn stubborn(faults: &str) -> DaemonBuilder {
    let quick = "limits.interrupt = \"200ms\"\nlimits.stop_eof = \"50ms\"\nlimits.stop_term = \"100ms\"";
    Daemon::stand_in().config(quick).env("STAND_IN_FAULT", faults)
}

#[tokio::test]
async fn a_turn_whose_agent_ignores_the_interrupt_ends_all_the_same() {
    for faults in ["ignore-interrupt", "ignore-interrupt,ignore-eof", "ignore-interrupt,ignore-eof,ignore-term"] {
        let daemon = stubborn(faults).start().await;
        let mut stream = daemon.client.session("a::b").stream("::say some\n::silent").await;
        stream.first_text().await;
        let pid = daemon.agent("a::b").await;
        let reply = daemon.client.post("/v1/chat/abort", &json!({"session": "a::b"})).await;
        assert_eq!(reply.json()["status"], "confirmed", "{faults}");
        stream.refused("turn_interrupted").await;
        goes_on(&daemon, "a::b", 2).await;
        gone(pid).await;
        assert_ne!(daemon.agent("a::b").await, pid, "{faults}: a process that does not listen is replaced");
    }
}

#[tokio::test]
async fn an_idle_agent_that_ignores_everything_is_ended() {
    let daemon = stubborn("ignore-eof,ignore-term").start().await;
    daemon.client.session("a::b").ask("one").await;
    let pid = daemon.agent("a::b").await;
    assert_eq!(daemon.client.delete("/v1/sessions/a::b").await.status, 200);
    gone(pid).await;
    goes_on(&daemon, "a::b", 1).await;
}

#[tokio::test]
async fn a_daemon_whose_agents_ignore_everything_ends_all_the_same() {
    let daemon = stubborn("ignore-interrupt,ignore-eof,ignore-term");
    let mut daemon = daemon.config("server.shutdown_grace = \"100ms\"").start().await;
    daemon.client.session("idle::1").ask("one").await;
    let mut stream = daemon.client.session("busy::1").stream("::child\n::silent").await;
    let text = stream.first_text().await;
    let child = text.strip_prefix("child ").unwrap().parse().unwrap();
    let agents = [daemon.agent("idle::1").await, daemon.agent("busy::1").await, child];
    daemon.signal(Signal::SIGTERM);
    stream.refused("shutting_down").await;
    assert!(daemon.ended().await.success());
    for pid in agents {
        gone(pid).await;
    }
}
