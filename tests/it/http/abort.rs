//! `POST /v1/chat/abort`.

use serde_json::{Value, json};

use crate::harness::{Daemon, Reply};

async fn abort(daemon: &Daemon, what: Value) -> Reply {
    daemon.client.post("/v1/chat/abort", &what).await
}

#[tokio::test]
async fn a_running_turn_is_aborted_and_its_process_stays() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    for by_turn in [false, true] {
        let mut running = session.stream(&format!("::say some\n{}\n::say more", gate.hold())).await;
        let turn = running.header("x-turnmux-turn").unwrap().to_owned();
        assert_eq!(running.first_text().await, "some");
        let pid = daemon.agent("a::b").await;
        let what = if by_turn { json!({"turn": turn}) } else { json!({"session": "a::b"}) };
        let reply = abort(&daemon, what).await;
        assert_eq!(reply.json(), json!({"object": "chat.abort", "status": "confirmed", "turn": turn}));
        let (text, refusal) = running.refused("turn_interrupted").await;
        assert_eq!(text, "", "nothing follows an abort");
        assert!(refusal.message.contains("aborted by request"), "{refusal:?}");
        assert_eq!(daemon.agent("a::b").await, pid);
    }
    assert_eq!(session.ask("after").await.text(), "You said: after [turn 3]");
}

#[tokio::test]
async fn an_aborted_turn_that_is_not_streamed_is_409_and_not_to_be_repeated() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let asked = {
        let session = session.clone();
        tokio::spawn(async move { session.ask("::silent").await })
    };
    daemon.logged("turn began", 1).await;
    assert_eq!(abort(&daemon, json!({"session": "a::b"})).await.json()["status"], "confirmed");
    let reply = asked.await.unwrap();
    reply.refused(409, "turn_interrupted");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_turn_that_waits_is_aborted_by_its_id_and_the_others_go_on() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say some\n{}", gate.hold())).await;
    running.first_text().await;
    let mut second = session.stream("second").await;
    let mut third = session.stream("third").await;
    let turn = second.header("x-turnmux-turn").unwrap().to_owned();
    let reply = abort(&daemon, json!({"turn": turn})).await;
    assert_eq!(reply.json(), json!({"object": "chat.abort", "status": "confirmed", "turn": turn}));
    second.refused("turn_interrupted").await;
    abort(&daemon, json!({"turn": turn})).await.refused(404, "no_active_turn");
    gate.open();
    assert_eq!(running.rest().await.1.last(), Some(&json!("[DONE]")));
    assert_eq!(third.rest().await.0, "You said: third [turn 2]");
    assert_eq!(daemon.stand_in_turns().len(), 2, "the aborted turn never ran");
}

#[tokio::test]
async fn a_turn_whose_agent_is_not_ready_is_aborted_at_once() {
    let daemon = Daemon::stand_in().env("STAND_IN_READY_FIFO", "@SCRATCH@/ready").start().await;
    let ready = daemon.gate("ready");
    let session = daemon.client.session("a::b");
    let mut stream = session.stream("never").await;
    assert_eq!(abort(&daemon, json!({"session": "a::b"})).await.json()["status"], "confirmed");
    stream.refused("turn_interrupted").await;
    ready.open();
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 1]");
    assert_eq!(daemon.stand_in_turns(), ["next"]);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_aborted() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    abort(&daemon, json!({"session": "a::b"})).await.refused(404, "no_active_turn");
    let reply = session.ask("one").await;
    abort(&daemon, json!({"session": "a::b"})).await.refused(404, "no_active_turn");
    let over = reply.header("x-turnmux-turn").unwrap();
    abort(&daemon, json!({"turn": over})).await.refused(404, "no_active_turn");
    abort(&daemon, json!({"session": "a::b", "turn": over})).await.refused(404, "no_active_turn");
    let unknown = format!("turn_{}", uuid::Uuid::new_v4().simple());
    abort(&daemon, json!({"turn": unknown})).await.refused(404, "no_active_turn");
    assert_eq!(session.ask("two").await.text(), "You said: two [turn 2]");
}

/// The agent does not listen: the abort says so, instead of promising what it does not know.
#[tokio::test]
async fn an_abort_that_takes_long_is_pending() {
    let daemon = Daemon::stand_in().config("limits.interrupt = \"1h\"").start().await;
    let mut stream = daemon.client.session("a::b").stream("::deaf\n::say x\n::silent").await;
    stream.first_text().await;
    let reply = abort(&daemon, json!({"session": "a::b"})).await;
    assert_eq!(reply.json()["status"], "pending");
    assert_eq!(daemon.session("a::b").await.unwrap()["state"], "interrupting");
}
