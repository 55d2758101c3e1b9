//! `plugin/openclaw` as a CLI backend: OpenClaw's turns are carried out by turnmux, with OpenClaw's tools and approvals.

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::plugin::install;
use super::world::{OpenClaw, alone, asked, daemon};
use crate::harness::{Claude, Daemon, Watch};

const MAIN: &str = "agent:main:main";
/// What turnmux calls the same.
const KEY: &str = "main::agent:main:main";

/// An OpenClaw whose agents run on the backend, and are asked before they do what needs leave.
async fn openclaw(daemon: &Daemon) -> OpenClaw {
    let openclaw = OpenClaw::in_front_of(daemon).await;
    install(&openclaw, &json!({"start": false})).await;
    openclaw.run(&["models", "set", "turnmux-cli/claude-code"]).await;
    openclaw
}

async fn watch(daemon: &Daemon) -> Watch {
    daemon.client.watch(&format!("/v1/sessions/{KEY}/events")).await
}

#[tokio::test]
async fn turns_run_in_one_warm_process_with_openclaws_own_tools() {
    let _alone = alone().await;
    let daemon = daemon(Daemon::claude(Claude::Newest)).start().await;
    let openclaw = openclaw(&daemon).await;
    let mut gateway = openclaw.gateway().await;
    let first = gateway.turn(MAIN, "hello").await;
    assert!(first.ends_with("hello [turn 1]"), "{first}");
    let session = daemon.session(KEY).await.expect("the session by the name that people know");
    assert_eq!(session["directory"], json!(openclaw.workspace()));
    let pid = daemon.agent(KEY).await;
    let body = asked(&daemon, "hello");
    assert!(body["system"].to_string().contains("running inside OpenClaw"), "its persona is the agent's");
    assert!(body["tools"].to_string().contains("mcp__openclaw__agents_list"), "and so are its tools");

    // OpenClaw gives each turn another key for its tools.
    for turn in 2..=3 {
        let call = gateway.turn(MAIN, "who is there\n::tool mcp__openclaw__agents_list {}").await;
        assert!(call.contains("The tool said: {") && call.contains("requester"), "{call}");
        assert!(call.ends_with(&format!("[turn {turn}]")), "only what is new is sent: {call}");
        assert_eq!(daemon.agent(KEY).await, pid, "in the same process");
    }

    gateway.stopped_turn(MAIN).await;
    daemon.logged("it was aborted by request", 1).await;
    daemon.model.release("work");
    let after = gateway.turn(MAIN, "after the stop").await;
    assert!(after.contains("after the stop"), "{after}");
    assert_eq!(daemon.agent(KEY).await, pid);

    std::fs::write(openclaw.workspace().join("AGENTS.md"), "You speak like a pirate of the seven seas.\n").unwrap();
    let mut gateway = gateway.restart(&openclaw).await;
    let again = gateway.turn(MAIN, "after a restart").await;
    assert!(again.contains("after a restart"), "{again}");
    assert_eq!(daemon.agent(KEY).await, pid, "neither a restart nor another persona ends it");
    assert!(asked(&daemon, "after a restart")["messages"].to_string().contains("hello"), "the conversation goes on");
    let call = gateway.turn(MAIN, "who is there now\n::tool mcp__openclaw__agents_list {}").await;
    assert!(call.contains("requester"), "the new gateway's tools are at another address: {call}");

    gateway.turn(MAIN, "/new").await;
    let afresh = gateway.turn(MAIN, "afresh").await;
    assert!(afresh.ends_with("afresh [turn 1]"), "{afresh}");
    assert!(!asked(&daemon, "afresh")["messages"].to_string().contains("hello"), "it knows nothing of the old one");
    drop(gateway);
    assert!(daemon.stop().await.success());
}

/// Waits until OpenClaw asks its people, and gives what it asks.
async fn approval(gateway: &mut Gateway) -> Value {
    gateway.event("plugin.approval.requested").await
}

#[tokio::test]
async fn what_needs_leave_is_asked_of_openclaws_people() {
    let _alone = alone().await;
    let daemon = daemon(Daemon::claude(Claude::Newest)).start().await;
    let openclaw = openclaw(&daemon).await;
    openclaw
        .run(&["config", "set", "tools.exec", r#"{"security": "allowlist", "ask": "always"}"#, "--strict-json"])
        .await;
    let mut gateway = openclaw.gateway().await;
    gateway.turn(MAIN, "hello").await;
    let mut events = watch(&daemon).await;
    let file = openclaw.workspace().join("made");
    let script = |text: &str| {
        let input = json!({"file_path": file, "content": text});
        format!("please write\n::tool Write {input}\n::say {text}")
    };

    for (decision, is_made) in [("deny", false), ("allow-once", true)] {
        let run = gateway.send(MAIN, &script(decision)).await;
        let asked = approval(&mut gateway).await;
        assert!(asked.to_string().contains("Write"), "{asked}");
        assert!(!file.exists(), "it waits");
        gateway.call("plugin.approval.resolve", json!({"id": asked["id"], "decision": decision})).await;
        assert!(gateway.until(&run, "final").await.contains(decision));
        assert_eq!(file.exists(), is_made, "{decision}");
        let seen = events.until("permission_answered").await.pop().unwrap();
        assert_eq!(
            (&seen["by"], &seen["decision"]),
            (&json!("client"), &json!(if is_made { "allow" } else { "deny" }))
        );
    }
    drop(gateway);
    assert!(daemon.stop().await.success());
}
