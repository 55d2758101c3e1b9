//! Many at once: agents, sessions, requests of one new session, and a connection that breaks. The stand-in is behind it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::world::{OpenClaw, alone, daemon};
use crate::harness::Daemon;

/// More than OpenClaw's own claude backend keeps alive.
const SESSIONS: usize = 17;

async fn live(daemon: &Daemon) -> Vec<Value> {
    let sessions = daemon.client.get("/v1/sessions").await.json();
    sessions["data"].as_array().unwrap().iter().filter(|session| session["pid"].is_u64()).cloned().collect()
}

#[tokio::test]
async fn agents_and_sessions_run_side_by_side() {
    let _alone = alone().await;
    let settings = format!("sessions.max_live = {}\nsessions.linger = \"1m\"", SESSIONS + 5);
    let daemon = daemon(Daemon::stand_in().config(&settings)).start().await;
    let proxy = Proxy::before(&daemon.client.address).await;
    let openclaw = OpenClaw::beside(&daemon);
    let ops = openclaw.home().join("ops");
    let agents = json!({
        "ownership": "explicit",
        "defaults": {"systemAgent": {"agentId": "main"}},
        "entries": {"main": {}, "ops": {"workspace": ops}},
    });
    openclaw.configure(&json!({"agents": agents}).to_string());
    openclaw.set_up(&["--port", &proxy.port().to_string()]).await;
    let mut gateway = openclaw.gateway().await;

    // Two agents at the same time, each in its own folder: both have begun before either may go on.
    let gate = daemon.gate("agents");
    let held = format!("::say begun\n{}", gate.hold());
    let main = gateway.send("agent:main:main", &held).await;
    let other = gateway.send("agent:ops:main", &held).await;
    gateway.until(&main, "delta").await;
    gateway.until(&other, "delta").await;
    gate.open();
    gateway.until(&main, "final").await;
    gateway.until(&other, "final").await;
    let folder = |agent: &str, sessions: &[Value]| {
        let is_its = |session: &&Value| session["key"].as_str().unwrap().starts_with(&format!("{agent}::"));
        sessions.iter().find(is_its).expect("its session")["directory"].clone()
    };
    let sessions = live(&daemon).await;
    assert_eq!(folder("main", &sessions), json!(openclaw.workspace()));
    assert_eq!(folder("ops", &sessions), json!(ops));

    // The connection breaks in the middle of an answer: OpenClaw asks again, and meets the turn that runs.
    let gate = daemon.gate("cut");
    let cut =
        gateway.send("agent:ops:main", &format!("once only\n::say begun\n{}\n::say \" and done\"", gate.hold())).await;
    gateway.until(&cut, "delta").await;
    proxy.cut();
    daemon.logged("the reader of a turn has left", 1).await;
    gate.open();
    let answer = gateway.until(&cut, "final").await;
    assert!(answer.ends_with("begun and done"), "{answer}");
    let runs = daemon.stand_in_turns().iter().filter(|text| text.contains("once only")).count();
    assert_eq!(runs, 1, "the turn ran once");

    // Three first requests of one new session. OpenClaw's own endpoint would refuse two of them before it asks anybody.
    let newcomer = daemon.client.session("main::newcomer");
    let mut answers = Vec::new();
    for reply in join_all([newcomer.ask("first"), newcomer.ask("first"), newcomer.ask("first")]).await {
        answers.push(reply.text());
    }
    answers.sort();
    assert_eq!(answers, [1, 2, 3].map(|n| format!("You said: first [turn {n}]")));

    let mut runs = Vec::new();
    for n in 0..SESSIONS {
        runs.push(gateway.send(&format!("agent:main:guest-{n}"), "hello").await);
    }
    for run in &runs {
        assert_eq!(gateway.until(run, "final").await, "You said: hello [turn 1]");
    }
    let guests = live(&daemon).await;
    assert!(guests.len() >= SESSIONS + 2, "all have a process: {}", guests.len());
    let again = gateway.turn("agent:main:guest-0", "hello").await;
    assert_eq!(again, "You said: hello [turn 2]", "the first of them has not made room");
    drop(gateway);
    assert!(daemon.stop().await.success());
}
