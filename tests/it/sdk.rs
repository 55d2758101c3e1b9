//! The real OpenAI SDKs, for Python and for Node. What they do and expect stands in tests/sdk; the scene is set here.

use std::path::Path;

use tokio::process::Command;

use crate::harness::{Claude, Daemon, DaemonBuilder, within};

const KEY: &str = "key-of-the-daemon";

/// The SDKs that are tried.
#[derive(Debug, Clone, Copy)]
enum Sdk {
    Python,
    Node,
}

impl Sdk {
    const ALL: [Self; 2] = [Self::Python, Self::Node];

    /// Plays a case to its end. Panics with what the SDK's program said when it did not succeed, and when the SDK is not
    /// there: a test that needs it must not pass without it.
    async fn play(self, case: &str, daemon: &Daemon) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let home = root.join(".cache/sdk").join(if matches!(self, Self::Python) { "python" } else { "node" });
        let there = home.join("openai-version");
        assert!(there.exists(), "{} is not there: run scripts/test, or scripts/fetch-sdks", there.display());
        let mut command = match self {
            Self::Python => Command::new(home.join("bin/python")),
            Self::Node => Command::new("node"),
        };
        let script = if matches!(self, Self::Python) { "sdk.py" } else { "sdk.mjs" };
        let output = command
            .arg(root.join("tests/sdk").join(script))
            .arg(case)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
            .env("HOME", daemon.scratch())
            .env("SDK_URL", format!("http://{}", daemon.client.address))
            .env("SDK_KEY", KEY)
            .env("SDK_MODULES", &home)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .kill_on_drop(true)
            .output();
        let output = within(&format!("{self:?}: {case}"), output).await.expect("the SDK's program starts");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{self:?}, {case}:\n{}", String::from_utf8_lossy(&said));
    }
}

fn stand_in() -> DaemonBuilder {
    Daemon::stand_in().env("TURNMUX_API_KEY", KEY)
}

#[tokio::test]
async fn sdks_converse_with_the_stand_in() {
    let daemon = stand_in().start().await;
    for sdk in Sdk::ALL {
        sdk.play("answers", &daemon).await;
    }
}

#[tokio::test]
async fn sdks_converse_with_the_real_claude() {
    let daemon = Daemon::claude(Claude::Newest).env("TURNMUX_API_KEY", KEY).start().await;
    for sdk in Sdk::ALL {
        sdk.play("answers", &daemon).await;
    }
    let told = daemon.model.requests().iter().filter(|request| request.body.to_string().contains("Be brief.")).count();
    assert!(told >= 2, "the system message reached the model by each SDK");
}

#[tokio::test]
async fn sdks_hold_conversations_side_by_side() {
    for sdk in Sdk::ALL {
        let daemon = stand_in().start().await;
        sdk.play("side_by_side", &daemon).await;
    }
}

#[tokio::test]
async fn sdks_raise_the_error_that_belongs_to_each_status() {
    let daemon = stand_in().config("limits.body_bytes = \"64KiB\"").start().await;
    for sdk in Sdk::ALL {
        sdk.play("errors", &daemon).await;
    }
    assert!(daemon.stand_in_turns().is_empty(), "nothing of that reached an agent");
}

#[tokio::test]
async fn sdks_raise_a_rate_limit_error_when_the_queue_is_full() {
    let daemon = stand_in().config("sessions.queue_max = 1").start().await;
    let gate = daemon.gate("gate");
    let busy = daemon.client.with("x-api-key", KEY).session("busy::1");
    let mut running = busy.stream(&format!("::say go\n{}", gate.hold())).await;
    running.first_text().await;
    let _waits = busy.stream("waits").await;
    for sdk in Sdk::ALL {
        sdk.play("busy", &daemon).await;
    }
}

#[tokio::test]
async fn sdks_raise_when_an_agent_is_lost_and_do_not_repeat_the_turn() {
    for sdk in Sdk::ALL {
        let daemon = stand_in().start().await;
        sdk.play("broken", &daemon).await;
        let turns = daemon.stand_in_turns();
        assert!(turns.len() == 2 && turns[0].starts_with("whole"), "{sdk:?}: each turn runs once: {turns:?}");
    }
}

#[tokio::test]
async fn a_timeout_or_an_abort_of_the_sdk_interrupts_the_turn() {
    for sdk in Sdk::ALL {
        let daemon = stand_in().start().await;
        sdk.play("leave", &daemon).await;
        daemon.logged("its client went away", 2).await;
    }
}
