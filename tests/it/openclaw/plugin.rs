//! `plugin/openclaw` inside a gateway: what it tells turnmux, and the daemon that it keeps running.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::world::{OpenClaw, alone, daemon, root};
use crate::harness::{Claude, Client, Daemon, gone};

const MAIN: &str = "agent:main:main";
/// What turnmux calls the same.
const KEY: &str = "main::agent:main:main";

/// Installs the plugin, with these settings.
pub(super) async fn install(openclaw: &OpenClaw, settings: &Value) {
    let folder = root().join("plugin/openclaw");
    let folder = folder.to_str().expect("its name");
    openclaw.run(&["plugins", "install", "--link", folder, "--force", "--accept-capabilities"]).await;
    let settings = settings.to_string();
    openclaw.run(&["config", "set", "plugins.entries.turnmux.config", &settings, "--strict-json"]).await;
}

#[tokio::test]
async fn the_plugin_names_sessions_and_says_stops_and_endings_aloud() {
    let _alone = alone().await;
    // Without the plugin a stopped turn would go on for so long, for OpenClaw may ask again.
    let builder = Daemon::claude(Claude::Newest).config("sessions.linger = \"1h\"");
    let daemon = daemon(builder).start().await;
    let openclaw = OpenClaw::in_front_of(&daemon).await;
    install(&openclaw, &json!({"start": false})).await;

    // No gateway: what a session is called is looked up, for nobody tells of its beginning.
    let local = openclaw.run(&["agent", "--local", "--agent", "main", "--message", "hello"]).await;
    assert!(local.contains("You said: hello [turn 1]"), "{local}");
    let session = daemon.session(KEY).await.expect("the session by the name that people know");
    assert_eq!(session["directory"], json!(openclaw.workspace()));
    let pid = daemon.agent(KEY).await;

    let mut gateway = openclaw.gateway().await;
    assert_eq!(gateway.turn(MAIN, "again").await, "You said: again [turn 2]");
    assert_eq!(daemon.agent(KEY).await, pid, "the process is warm");

    gateway.stopped_turn(MAIN).await;
    daemon.logged("it was aborted by request", 1).await;
    daemon.model.release("work");
    assert_eq!(daemon.agent(KEY).await, pid, "and it still is");

    let route = Client::of_side_door(&gateway.address()).get("/plugins/turnmux/health").await.json();
    assert_eq!((&route["ok"], &route["sessions"]), (&json!(true), &json!(1)), "{route}");
    let command: Value =
        serde_json::from_str(&openclaw.run(&["turnmux", "status", "--json"]).await).expect("JSON alone");
    assert_eq!(command["url"], json!(format!("http://{}", daemon.client.address)));

    gateway.call("sessions.reset", json!({"key": MAIN, "reason": "new"})).await;
    assert_eq!(gateway.turn(MAIN, "afresh").await, "You said: afresh [turn 1]");
    drop(gateway);
    assert!(daemon.stop().await.success());
}

/// A daemon of the gateway's. It is killed with its test, whatever becomes of the gateway.
struct Kept(u32);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.cast_signed()), Signal::SIGKILL);
    }
}

#[tokio::test]
async fn the_gateway_keeps_a_daemon_running() {
    let _alone = alone().await;
    // The gateway's PATH has no agent.
    let builder = Daemon::stand_in().config("backends.claude-code.command = \"@SCRATCH@/bin/claude\"");
    let mut daemon = daemon(builder).start().await;
    let openclaw = OpenClaw::in_front_of(&daemon).await;
    let config = daemon.scratch().join("turnmux.toml");
    install(&openclaw, &json!({"args": ["--config", config]})).await;
    daemon.signal(Signal::SIGTERM);
    daemon.ended().await;

    let gateway = openclaw.gateway().await;
    let door = Client::of_side_door(&gateway.address());
    let service = gateway.logged("turnmux: started at").await;
    assert!(service.contains(&daemon.client.address), "{service}");
    let health = door.get("/plugins/turnmux/health").await.json();
    let pid = health["service"]["pid"].as_u64().unwrap_or_else(|| panic!("a process: {health}"));
    let kept = Kept(u32::try_from(pid).expect("a pid"));
    assert_eq!(health["ok"], json!(true), "{health}");
    assert_eq!(daemon.client.get("/health").await.json()["ok"], json!(true), "it is where the old one was");
    gateway.stop().await;
    gone(kept.0).await;
}
