//! Ctrl-C, `--timeout`, a closed pipe: what ends a call early interrupts its turn, and leaves its session as it was.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::stand_in;
use crate::harness::{Daemon, within, within_at_most};

const FOR_EVER: &str = "::say \"begun\\n\"\n::silent";

/// The newest turn.
async fn newest(daemon: &Daemon) -> Value {
    daemon.client.get("/v1/turns?limit=1").await.json()["data"][0].clone()
}

#[tokio::test]
async fn ctrl_c_interrupts_the_turn_and_not_the_session() {
    let daemon = stand_in().config("sessions.disconnect_grace = \"1h\"").start().await;
    let mut running = daemon.turnmux(&["call", "-r", "--session", "s", FOR_EVER]).spawn();
    assert_eq!(running.line().await.as_deref(), Some("begun"));
    let agent = daemon.agent("s").await;
    running.interrupt();
    let ran = running.ended().await;
    assert_eq!((ran.code, &*ran.stdout), (Some(130), ""), "{ran:?}");
    assert!(ran.stderr.ends_with("turnmux: interrupted\n"), "{ran:?}");
    // By the time it says so the turn has ended.
    let turn = newest(&daemon).await;
    assert_eq!((&turn["status"], &turn["cause"]), (&"interrupted".into(), &"request".into()));
    let next = daemon.turnmux(&["call", "-r", "--session", "s", "hello"]).run().await.ok();
    assert_eq!(next, "You said: hello [turn 2]\n");
    assert_eq!(daemon.agent("s").await, agent, "the same process");
}

#[tokio::test]
async fn ctrl_c_twice_leaves_at_once() {
    let daemon = stand_in().config("limits.interrupt = \"1h\"").start().await;
    let mut running = daemon.turnmux(&["call", "-r", "--session", "s", &format!("::deaf\n{FOR_EVER}")]).spawn();
    assert_eq!(running.line().await.as_deref(), Some("begun"));
    let mut stderr = BufReader::new(running.child.stderr.take().expect("a pipe")).lines();
    running.interrupt();
    let said = within("a word about it", stderr.next_line()).await.unwrap().unwrap();
    assert!(said.contains("Ctrl-C once more"), "{said}");
    running.interrupt();
    // Without it the call would wait for the turn for a quarter of a minute.
    let ran = within_at_most(Duration::from_secs(10), "the end of the call", running.ended()).await;
    assert_eq!(ran.code, Some(130));
    assert_eq!(newest(&daemon).await["status"], "in_progress", "the turn is not over yet");
}

#[tokio::test]
async fn a_turn_that_takes_too_long_is_interrupted() {
    let daemon = stand_in().start().await;
    let ran = daemon.turnmux(&["call", "-r", "-t", "2s", "::silent"]).run().await;
    assert_eq!((ran.code, &*ran.stdout), (Some(124), ""), "{ran:?}");
    assert!(ran.stderr.ends_with("turnmux: interrupted: no answer within 2s (--timeout)\n"), "{ran:?}");
    assert_eq!(newest(&daemon).await["status"], "interrupted");
}

#[tokio::test]
async fn a_closed_pipe_ends_quietly_and_interrupts_the_turn() {
    let daemon = stand_in().config("sessions.disconnect_grace = \"1h\"").start().await;
    for more in [&[][..], &["--json-stream"]] {
        let endless = "::say \"begun\\n\"\n::chunk 1\n::slow 5\n::long 1000000";
        let mut running = daemon.turnmux(&["call", "-r", endless]).args(more).spawn();
        assert!(running.line().await.is_some());
        running.close_stdout();
        let ran = running.ended().await;
        assert_eq!((ran.code, &*ran.stderr), (Some(141), ""), "{more:?}");
        let turn = newest(&daemon).await;
        assert_eq!((&turn["status"], &turn["cause"]), (&"interrupted".into(), &"request".into()));
    }
}

/// A call that is killed cannot say anything; that its connection is closed is enough.
#[tokio::test]
async fn a_killed_call_leaves_no_turn_behind() {
    let daemon = stand_in().start().await;
    let mut running = daemon.turnmux(&["call", "-r", "--session", "s", FOR_EVER]).spawn();
    assert_eq!(running.line().await.as_deref(), Some("begun"));
    let mut watch = daemon.client.watch("/v1/sessions/s/events?after=0").await;
    running.child.start_kill().expect("it runs");
    let events = watch.until("turn_interrupted").await;
    assert_eq!(events.last().unwrap()["cause"], "client_gone");
}
