//! What a call sees of earlier ones, and in which process it runs.

use super::stand_in;
use crate::harness::{Daemon, Ran, Turnmux};

/// What the stand-in says to the K-th text of a thread.
fn kth(k: usize) -> String {
    format!("You said: hello [turn {k}]\n")
}

/// Calls from one directory, for calls from others are of another kind.
fn calls(daemon: &Daemon) -> Turnmux {
    daemon.turnmux(&["call", "-r", "hello"])
}

#[tokio::test]
async fn each_call_begins_with_nothing_in_a_warm_process() {
    let daemon = stand_in().start().await;
    let call = calls(&daemon);
    for _ in 0..5 {
        assert_eq!(call.run().await.ok(), kth(1));
    }
    let started = daemon.started();
    assert!(started <= 2, "{started} processes for five calls, one after the other");
}

#[tokio::test]
async fn a_context_that_is_kept_is_seen_by_the_next_call_alone() {
    let daemon = stand_in().start().await;
    let call = calls(&daemon);
    let kept = call.clone().args(&["--no-clear"]);
    assert_eq!(kept.run().await.ok(), kth(1));
    assert_eq!(kept.run().await.ok(), kth(2));
    assert_eq!(call.run().await.ok(), kth(3), "the next one sees it, and clears after itself");
    assert_eq!(call.run().await.ok(), kth(1));
}

#[tokio::test]
async fn a_session_keeps_its_context_and_its_directory() {
    let daemon = stand_in().start().await;
    let call = calls(&daemon).args(&["--session", "work::one"]);
    assert_eq!(call.run().await.ok(), kth(1));
    let pid = daemon.agent("work::one").await;
    assert_eq!(call.run().await.ok(), kth(2));
    // Another shell, in another directory.
    let elsewhere = calls(&daemon).args(&["--session", "work::one"]);
    assert_eq!(elsewhere.run().await.ok(), kth(3));
    assert_eq!(daemon.agent("work::one").await, pid, "all of them in one process");
    let directory = call.home().canonicalize().unwrap();
    assert_eq!(daemon.session("work::one").await.unwrap()["directory"], directory.to_str().unwrap());
    let moved = elsewhere.args(&["-c", "."]).run().await;
    moved.failed(6, &["(session_conflict)"]);
}

#[tokio::test]
async fn a_session_keeps_the_model_that_a_call_names() {
    let daemon = stand_in().start().await;
    let call = calls(&daemon).args(&["--session", "s"]);
    let model = async || {
        daemon.client.post("/v1/sessions/s/configure", &serde_json::json!({"permission": null})).await.json()["model"]
            .clone()
    };
    assert_eq!(call.clone().args(&["-m", "opus"]).run().await.ok(), kth(1));
    assert_eq!(model().await, "opus", "of a new session, too");
    assert_eq!(call.run().await.ok(), kth(2));
    assert_eq!(model().await, "opus");
    assert_eq!(call.clone().args(&["-m", "haiku"]).run().await.ok(), kth(3));
    assert_eq!(model().await, "haiku");
}

#[tokio::test]
async fn calls_at_the_same_time_do_not_wait_for_each_other() {
    let daemon = stand_in().start().await;
    let gate = daemon.gate("gate");
    let held = daemon.turnmux(&["call", "-r", &format!("{}\n::say held", gate.hold())]);
    let (ran, held): (Ran, Ran) = tokio::join!(
        async {
            // Its turn runs: the other call cannot have its process.
            daemon.logged("started an agent", 1).await;
            let ran = calls(&daemon).run().await;
            gate.open();
            ran
        },
        held.run(),
    );
    assert_eq!((ran.ok(), held.ok()), (kth(1), "held\n".to_owned()));
}
