//! How many processes live, and for how long: the conversation outlives them.

use serde_json::json;

use crate::harness::{Daemon, gone, within};

#[tokio::test]
async fn an_idle_process_is_retired_and_its_session_resumes() {
    let daemon = Daemon::stand_in().config("sessions.idle_timeout = \"100ms\"").start().await;
    let session = daemon.client.session("a::b");
    let first = session.ask("one").await;
    daemon.logged("the session has no process", 1).await;
    let view = daemon.session("a::b").await.unwrap();
    assert_eq!((&view["pid"], &view["turns"]), (&json!(null), &json!(1)));
    assert_eq!(view["thread"], json!(first.header("x-turnmux-thread")));
    assert_eq!(daemon.client.get("/health").await.json()["sessions"], 1, "the session lives on");
    let second = session.ask("two").await;
    assert_eq!(second.text(), "You said: two [turn 2]", "nothing is lost");
    assert_eq!(second.header("x-turnmux-thread"), first.header("x-turnmux-thread"));
    daemon.logged("the session has no process", 2).await;
    assert_eq!(daemon.client.get("/health").await.json()["processes"], 0);
}

#[tokio::test]
async fn a_turn_keeps_its_process_from_retiring() {
    let daemon = Daemon::stand_in().config("sessions.idle_timeout = \"100ms\"").start().await;
    let text = daemon.client.session("a::b").ask("::say a\n::silent 500\n::say b").await.text();
    assert_eq!(text, "ab");
    assert_eq!(daemon.started(), 1);
}

#[tokio::test]
async fn the_longest_idle_makes_room_and_comes_back() {
    let daemon = Daemon::stand_in().config("sessions.max_live = 2").start().await;
    let client = |key: &str| daemon.client.session(key);
    for key in ["a::1", "b::1"] {
        client(key).ask("one").await;
    }
    let (oldest, newer) = (daemon.agent("a::1").await, daemon.agent("b::1").await);
    assert_eq!(client("c::1").ask("one").await.text(), "You said: one [turn 1]");
    gone(oldest).await;
    assert_eq!(daemon.agent("b::1").await, newer, "the one that was idle for less time stays");
    assert_eq!(daemon.client.get("/health").await.json()["processes"], 2);
    assert_eq!(client("a::1").ask("two").await.text(), "You said: two [turn 2]", "nothing is lost");
    gone(newer).await;
}

#[tokio::test]
async fn a_turn_waits_for_a_place_and_its_stream_says_so() {
    let daemon = Daemon::stand_in().config("sessions.max_live = 1").start().await;
    let gate = daemon.gate("gate");
    let mut busy = daemon.client.session("busy::1").stream(&format!("::say go\n{}", gate.hold())).await;
    busy.first_text().await;
    let mut waits = daemon.client.session("waits::1").stream("hello").await;
    let waiting = |chunk: &serde_json::Value| chunk["turnmux"] == json!({"event": "waiting", "reason": "capacity"});
    waits.until("a word of why it waits", waiting).await;
    assert_eq!(daemon.session("waits::1").await.unwrap()["state"], "waiting");
    let whole = {
        let client = daemon.client.session("whole::1");
        tokio::spawn(async move { client.ask("hello").await.text() })
    };
    gate.open();
    busy.rest().await;
    assert_eq!(waits.rest().await.0, "You said: hello [turn 1]");
    assert_eq!(within("the second in line", whole).await.unwrap(), "You said: hello [turn 1]");
    assert_eq!(daemon.client.get("/health").await.json()["processes"], 1, "never more than one");
}

#[tokio::test]
async fn a_turn_waits_for_a_place_only_so_long() {
    let config = "sessions.max_live = 1\nlimits.capacity = \"200ms\"";
    let daemon = Daemon::stand_in().config(config).start().await;
    let gate = daemon.gate("gate");
    let mut busy = daemon.client.session("busy::1").stream(&format!("::say go\n{}", gate.hold())).await;
    busy.first_text().await;
    let reply = daemon.client.session("waits::1").ask("hello").await;
    let refusal = reply.refused(503, "no_capacity");
    assert!(refusal.message.contains("sessions.max_live"), "{refusal:?}");
    assert!(reply.header("retry-after").is_some() && reply.header("x-should-retry").is_none(), "it may be repeated");
    daemon.client.session("waits::1").stream("hello").await.refused("no_capacity").await;
    gate.open();
    busy.rest().await;
    assert_eq!(daemon.client.session("waits::1").ask("hello").await.text(), "You said: hello [turn 1]");
}

#[tokio::test]
async fn who_leaves_the_line_takes_no_place() {
    let daemon = Daemon::stand_in().config("sessions.max_live = 1").start().await;
    let gate = daemon.gate("gate");
    let mut busy = daemon.client.session("busy::1").stream(&format!("::say go\n{}", gate.hold())).await;
    busy.first_text().await;
    let leaver = daemon.client.session("leaver::1").stream("never to run").await;
    let mut stayer = daemon.client.session("stayer::1").stream("to run").await;
    drop(leaver);
    daemon.logged("its client went away", 1).await;
    gate.open();
    busy.rest().await;
    assert_eq!(stayer.rest().await.0, "You said: to run [turn 1]");
    assert_eq!(daemon.started(), 2);
    assert!(!daemon.stand_in_turns().contains(&"never to run".to_owned()));
}
