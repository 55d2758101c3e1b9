//! The daemon's end: every accepted turn gets its ending, and no process is left.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Daemon, all_gone, gone};

#[tokio::test]
async fn running_turns_finish_waiting_ones_are_told_and_new_ones_refused() {
    let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"1h\"").start().await;
    let gate = daemon.gate("gate");
    let text = format!("::say before\n{}\n::say after", gate.hold());
    let whole = {
        let (client, text) = (daemon.client.session("whole::1"), text.clone());
        tokio::spawn(async move { client.ask(&text).await })
    };
    daemon.logged("turn began", 1).await;
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&text).await;
    running.first_text().await;
    let mut queued = session.stream("waits").await;
    let waits = {
        let session = session.clone();
        tokio::spawn(async move { session.ask("waits too").await })
    };
    daemon.logged("turn accepted session=a::b", 3).await;
    daemon.client.session("idle::1").ask("one").await;
    let agents = [daemon.agent("whole::1").await, daemon.agent("a::b").await, daemon.agent("idle::1").await];

    daemon.signal(Signal::SIGTERM);
    let (_, refusal) = queued.refused("shutting_down").await;
    assert!(refusal.message.contains("shutting down"), "{refusal:?}");
    let reply = waits.await.unwrap();
    reply.refused(503, "shutting_down");
    assert!(reply.header("x-should-retry").is_none(), "it never ran: it may be asked again");
    for key in ["a::b", "idle::1", "new::1"] {
        let reply = daemon.client.session(key).ask("too late").await;
        reply.refused(503, "shutting_down");
        assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
        assert_eq!(daemon.client.session(key).stream("too late").await.status, 503, "before any header of a stream");
    }
    gone(agents[2]).await;
    gate.open();
    let (text, chunks) = running.rest().await;
    assert_eq!((&*text, chunks.last()), ("after", Some(&json!("[DONE]"))));
    assert_eq!(whole.await.unwrap().text(), "beforeafter");
    assert!(daemon.ended().await.success());
    for pid in agents {
        gone(pid).await;
    }
    assert_eq!(daemon.stand_in_turns().len(), 3);
}

#[tokio::test]
async fn a_second_signal_forces() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"1h\"").start().await;
        let mut stream = daemon.client.session("a::b").stream("::child\n::silent").await;
        let child = stream.first_text().await.strip_prefix("child ").unwrap().parse().unwrap();
        let agent = daemon.agent("a::b").await;
        daemon.signal(Signal::SIGINT);
        daemon.logged("shutting down", 1).await;
        assert_eq!(daemon.session("a::b").await.unwrap()["state"], "active", "the first signal lets it finish");
        daemon.signal(second);
        let (_, refusal) = stream.refused("shutting_down").await;
        assert!(refusal.message.contains("shutting down"), "{refusal:?}");
        assert!(daemon.ended().await.success());
        gone(agent).await;
        gone(child).await;
    }
}

#[tokio::test]
async fn after_the_grace_running_turns_are_told_too() {
    let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"200ms\"").start().await;
    let asked = {
        let client = daemon.client.session("a::b");
        tokio::spawn(async move { client.ask("::silent").await })
    };
    daemon.logged("turn began", 1).await;
    let agent = daemon.agent("a::b").await;
    daemon.signal(Signal::SIGTERM);
    let reply = asked.await.unwrap();
    reply.refused(503, "shutting_down");
    assert_eq!(reply.header("x-should-retry"), Some("false"), "it ran: it must not run again");
    assert!(daemon.ended().await.success());
    gone(agent).await;
}

#[tokio::test]
async fn a_turn_whose_agent_is_starting_is_told_as_well() {
    let daemon = Daemon::stand_in().env("STAND_IN_READY_FIFO", "@SCRATCH@/ready");
    let mut daemon = daemon.config("server.shutdown_grace = \"1h\"").start().await;
    let _ready = daemon.gate("ready");
    let mut stream = daemon.client.session("a::b").stream("never").await;
    daemon.logged("started an agent", 1).await;
    daemon.signal(Signal::SIGTERM);
    stream.refused("shutting_down").await;
    assert!(daemon.ended().await.success());
    assert!(daemon.stand_in_turns().is_empty());
}

#[tokio::test]
async fn an_idle_daemon_ends_at_once_by_any_of_its_signals() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"1h\"").start().await;
        let mut agents = Vec::new();
        for key in ["a::1", "b::1"] {
            daemon.client.session(key).ask("one").await;
            agents.push(daemon.agent(key).await);
        }
        let begun = Instant::now();
        daemon.signal(signal);
        assert!(daemon.ended().await.success(), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{signal}: {:?}", begun.elapsed());
        for pid in agents {
            gone(pid).await;
        }
    }
}

/// A client that holds its connection, or does not take the last bytes, does not hold up the daemon's end for long.
#[tokio::test]
async fn an_open_connection_does_not_hold_up_the_end() {
    let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"1h\"").start().await;
    let idle = tokio::net::TcpStream::connect(&daemon.client.address).await.unwrap();
    let half = tokio::net::TcpStream::connect(&daemon.client.address).await.unwrap();
    half.try_write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{").unwrap();
    assert!(daemon.client.get("/health").await.status.is_success());
    let begun = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop((idle, half));
}

#[tokio::test]
async fn a_thread_outlives_a_daemon_that_is_killed() {
    let mut daemon = Daemon::stand_in().start().await;
    let first = daemon.client.session("a::b").ask("one").await;
    let agent = daemon.agent("a::b").await;
    daemon.signal(Signal::SIGKILL);
    assert!(!daemon.ended().await.success());
    gone(agent).await;
    let next = Daemon::stand_in().scratch(daemon.share_scratch()).start().await;
    let session = next.client.session("a::b").with("x-turnmux-thread", first.header("x-turnmux-thread").unwrap());
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 2]");
}

#[tokio::test]
async fn a_daemon_that_is_killed_without_its_folder_leaves_no_process() {
    let mut daemon = Daemon::stand_in().env("STAND_IN_FAULT", "ignore-eof,ignore-term").start().await;
    daemon.client.session("a::b").ask("one").await;
    let agent = daemon.agent("a::b").await;
    let state = daemon.scratch().join("home/.local/state/turnmux");
    std::fs::remove_dir_all(&state).unwrap();
    daemon.signal(Signal::SIGKILL);
    daemon.ended().await;
    all_gone(daemon.scratch()).await;
    gone(agent).await;
    assert!(!state.exists(), "and makes no folder");
}
