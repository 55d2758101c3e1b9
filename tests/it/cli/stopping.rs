//! `turnmux stop`.

use serde_json::{Value, json};

use super::fake::Fake;
use crate::harness::{Daemon, Turnmux, agents_of};

#[tokio::test]
async fn stop_returns_when_the_daemon_is_gone() {
    let mut daemon = Daemon::stand_in().start().await;
    daemon.client.session("a::b").ask("hello").await.text();
    let stop = daemon.turnmux(&["stop"]);
    let said = stop.run().await.ok();
    assert_eq!(said, format!("the daemon at {} has stopped\n", daemon.client.address));
    assert!(agents_of(daemon.scratch()).is_empty());
    // Whoever starts the next one has its store at once.
    let next = Daemon::stand_in().scratch(daemon.share_scratch()).start().await;
    assert!(daemon.ended().await.success());
    stop.run().await.failed(3, &["no daemon at"]);
    let stopped = next.turnmux(&["stop", "--json"]).run().await.json();
    assert_eq!(stopped, json!({"object": "daemon.stopped", "pid": next.pid(), "stopped": true}));
}

#[tokio::test]
async fn a_running_turn_may_finish_unless_it_is_to_be_now() {
    let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"1h\"").start().await;
    let mut running = daemon.client.session("a::b").stream("::say some\n::silent").await;
    running.first_text().await;
    let waited = daemon.turnmux(&["stop", "--wait", "0s"]).run().await;
    assert_eq!((waited.code, &*waited.stderr), (Some(1), ""), "{waited:?}");
    assert!(waited.stdout.contains("is stopping, and has not yet"), "{waited:?}");
    daemon.turnmux(&["stop", "--now"]).run().await.ok();
    assert!(daemon.ended().await.success());
    running.refused("shutting_down").await;
}

#[tokio::test]
async fn now_is_now_at_once() {
    let mut daemon = Daemon::stand_in().config("server.shutdown_grace = \"1h\"").start().await;
    let mut running = daemon.client.session("a::b").stream("::say some\n::silent").await;
    running.first_text().await;
    daemon.turnmux(&["stop", "--now"]).run().await.ok();
    assert!(daemon.ended().await.success());
}

/// The pid of another process, or of another machine's, is not enough.
#[tokio::test]
async fn nobody_else_is_stopped() {
    let daemon = Daemon::stand_in().start().await;
    let health = daemon.client.get("/health").await.json();
    let start = health["process"]["start"].as_u64().unwrap();
    let other = async |process: Value| {
        let mut health = health.clone();
        health["process"] = process;
        Fake::answering(&health).await
    };
    for process in [
        json!({"pid": daemon.pid(), "start": start + 1}),
        json!({"pid": daemon.pid()}),
        json!({"pid": 0, "start": start}),
        json!({"pid": -1, "start": start}),
    ] {
        let fake = other(process.clone()).await;
        let stop = Turnmux::new(&["stop"]).env("TURNMUX_URL", &*fake.url);
        stop.run().await.failed(1, &["stop it where it runs"]);
    }
    daemon.client.session("a::b").ask("it lives").await.text();
}
