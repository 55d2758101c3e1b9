//! A reader that takes nothing: the pressure goes to its agent, and to nobody else.

use serde_json::json;

use crate::harness::Daemon;

/// More than all buffers on the way hold together, those of the kernel included: some 14 MiB.
const LARGE: usize = 24 << 20;
/// What would fill any memory, did nobody hold it up.
const FLOOD: usize = 256 << 20;
/// What the daemon may take for a reader that does not read, in KiB: the buffers, twice.
const PEAK_KIB: u64 = 48 << 10;

#[tokio::test]
async fn a_slow_reader_holds_up_its_own_agent_only_and_memory_stays_bounded() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session("other::1").ask("one").await;
    let before = peak_kib(&daemon);
    let mut slow = daemon.client.session("slow::1").stream(&format!("::huge {FLOOD}")).await;
    daemon.logged("a slow reader holds up its agent", 1).await;
    for turn in 2..=20 {
        let text = daemon.client.session("other::1").ask("x").await.text();
        assert_eq!(text, format!("You said: x [turn {turn}]"), "other sessions go on");
    }
    let pid = daemon.agent("slow::1").await;
    let peak = peak_kib(&daemon);
    assert!(peak - before < PEAK_KIB, "the daemon took {} KiB for a stream that nobody reads", peak - before);

    let reply = daemon.client.post("/v1/chat/abort", &json!({"session": "slow::1"})).await;
    assert_eq!(reply.json()["status"], "confirmed", "an abort passes the pressure");
    let (text, _) = slow.refused("turn_interrupted").await;
    assert!(text.len() < FLOOD / 4, "it was stopped in the middle");
    assert!(text.bytes().all(|byte| byte == b'x'));
    assert_eq!(daemon.client.session("slow::1").ask("next").await.text(), "You said: next [turn 2]");
    assert_eq!(daemon.agent("slow::1").await, pid, "the process stays warm");
}

#[tokio::test]
async fn a_slow_reader_that_leaves_frees_its_session() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("slow::1");
    let slow = session.stream(&format!("::huge {LARGE}")).await;
    daemon.logged("a slow reader holds up its agent", 1).await;
    drop(slow);
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_for_long_is_let_go_and_its_turn_goes_on() {
    let daemon = Daemon::stand_in().config("limits.reader_stall = \"300ms\"").start().await;
    let session = daemon.client.session("slow::1");
    let mut slow = session.stream(&format!("::huge {LARGE}")).await;
    let turn = slow.header("x-turnmux-turn").unwrap().to_owned();
    daemon.logged("let a reader go that took nothing", 1).await;
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
    assert!(daemon.log().contains(&format!("turn completed session=slow::1 turn={turn}")));
    let (text, refusal) = slow.refused("reader_detached").await;
    assert!(text.len() < LARGE && refusal.message.contains("limits.reader_stall"), "{refusal:?}");
}

#[tokio::test]
async fn a_reader_that_is_slow_but_reads_misses_nothing() {
    let daemon = Daemon::stand_in().start().await;
    let mut slow = daemon.client.session("slow::1").stream(&format!("::huge {LARGE}")).await;
    daemon.logged("a slow reader holds up its agent", 1).await;
    let (text, chunks) = slow.rest().await;
    assert_eq!(text.len(), LARGE);
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
}

/// The most memory that the daemon ever had, in KiB.
fn peak_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}
