//! The client goes away: its turn is interrupted, its process stays warm, and what it had waiting never runs.

use serde_json::json;

use crate::harness::{Daemon, within};

#[tokio::test]
async fn the_turn_of_a_client_that_left_is_interrupted_and_the_next_starts_clean() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    for streamed in [true, false] {
        let text = format!("::say partial\n{}\n::say never seen", gate.hold());
        let turns = daemon.stand_in_turns().len();
        if streamed {
            let mut stream = session.stream(&text).await;
            stream.first_text().await;
            drop(stream);
        } else {
            let asked = {
                let session = session.clone();
                tokio::spawn(async move { session.ask(&text).await })
            };
            daemon.logged("turn began", turns + 1).await;
            asked.abort();
        }
        let pid = daemon.agent("a::b").await;
        let next = session.ask("next").await.text();
        assert_eq!(next, format!("You said: next [turn {}]", turns + 2), "nothing of the other turn is in it");
        assert_eq!(daemon.agent("a::b").await, pid, "the process stays warm");
    }
    daemon.logged("its client went away", 2).await;
}

#[tokio::test]
async fn a_turn_that_waits_never_runs_when_its_client_has_left() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say go\n{}", gate.hold())).await;
    running.first_text().await;
    let leaver = session.stream("never to run").await;
    let turn = leaver.header("x-turnmux-turn").unwrap().to_owned();
    let mut stayer = session.stream("to run").await;
    drop(leaver);
    daemon.logged(&format!("turn interrupted session=a::b turn={turn}"), 1).await;
    assert_eq!(daemon.session("a::b").await.unwrap()["queued"], 1);
    gate.open();
    assert_eq!(running.rest().await.1.last(), Some(&json!("[DONE]")));
    assert_eq!(stayer.rest().await.0, "You said: to run [turn 2]");
    let turns = daemon.stand_in_turns();
    assert!(turns.len() == 2 && turns[1] == "to run", "{turns:?}");
}

#[tokio::test]
async fn a_turn_that_waits_for_its_agents_start_never_runs_when_its_client_has_left() {
    let daemon = Daemon::stand_in().env("STAND_IN_READY_FIFO", "@SCRATCH@/ready").start().await;
    let ready = daemon.gate("ready");
    let session = daemon.client.session("a::b");
    drop(session.stream("never to run").await);
    daemon.logged("its client went away", 1).await;
    ready.open();
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 1]");
    assert_eq!(daemon.stand_in_turns(), ["next"]);
}

#[tokio::test]
async fn within_the_grace_the_turn_goes_on() {
    let daemon = Daemon::stand_in().config("sessions.disconnect_grace = \"1h\"").start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut stream = session.stream(&format!("::say some\n{}\n::say more", gate.hold())).await;
    stream.first_text().await;
    let turn = stream.header("x-turnmux-turn").unwrap().to_owned();
    drop(stream);
    daemon.logged(&format!("the reader of a turn has left turn={turn}"), 1).await;
    assert_eq!(daemon.session("a::b").await.unwrap()["state"], "active");
    gate.open();
    daemon.logged(&format!("turn completed session=a::b turn={turn}"), 1).await;
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
}

#[tokio::test]
async fn an_abort_needs_no_grace() {
    let daemon = Daemon::stand_in().config("sessions.disconnect_grace = \"1h\"").start().await;
    let session = daemon.client.session("a::b");
    let mut stream = session.stream("::say some\n::silent").await;
    stream.first_text().await;
    drop(stream);
    let reply = daemon.client.post("/v1/chat/abort", &json!({"session": "a::b"})).await;
    assert_eq!(reply.json()["status"], "confirmed");
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
}

#[tokio::test]
async fn after_the_grace_the_turn_is_interrupted() {
    let daemon = Daemon::stand_in().config("sessions.disconnect_grace = \"200ms\"").start().await;
    let session = daemon.client.session("a::b");
    let mut stream = session.stream("::say some\n::silent").await;
    stream.first_text().await;
    drop(stream);
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
    daemon.logged("its client went away", 1).await;
}

#[tokio::test]
async fn many_clients_that_leave_at_once_leave_nothing_behind() {
    let daemon = Daemon::stand_in().config("sessions.queue_max = 50").start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say go\n{}", gate.hold())).await;
    running.first_text().await;
    let mut leavers = Vec::new();
    for _ in 0..40 {
        leavers.push(session.stream("never to run").await);
    }
    drop(leavers);
    daemon.logged("its client went away", 40).await;
    let health = daemon.client.get("/health").await.json();
    assert_eq!((&health["queued"], &health["processes"]), (&json!(0), &json!(1)));
    gate.open();
    within("the turn that stays", running.rest()).await;
    assert_eq!(daemon.stand_in_turns().len(), 1);
}
