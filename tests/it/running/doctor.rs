//! `turnmux doctor`, on machines on which one thing or another is missing.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::machine::{Machine, Said};
use crate::harness::{Claude, Daemon};

/// The state and the text of a check.
fn check(said: &Said, name: &str) -> (String, String) {
    let report = said.json();
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|check| check["check"].as_str().is_some_and(|check| check.starts_with(name)));
    let found = found.unwrap_or_else(|| panic!("no {name}: {report:#}"));
    let todo = found["todo"].as_str().unwrap_or_default();
    (found["state"].as_str().unwrap().to_owned(), format!("{} {todo}", found["found"].as_str().unwrap()))
}

async fn doctor(machine: &Machine) -> Said {
    machine.turnmux(&["doctor", "--json"]).await
}

#[tokio::test]
async fn where_nothing_is_missing_it_says_so_and_changes_nothing() {
    let machine = Machine::new().with_good_claude().program("openclaw", "echo OpenClaw 2026.9.6");
    let machine = machine.env("TURNMUX_SERVER__LISTEN", "127.0.0.1:0");
    let said = machine.turnmux(&["doctor"]).await.done();
    let lines: Vec<&str> = said.lines().collect();
    let ok = |name: &str| lines.iter().any(|line| line.starts_with(&format!("ok    {name}")));
    for name in
        ["configuration", "backend claude-code (default)", "backend claude-channel", "port", "store", "openclaw"]
    {
        assert!(ok(name), "{name}: {said}");
    }
    assert!(lines[1].contains("release 2.1.329, signed in (api_key)") && !said.contains('\x1b'), "{said}");
    let said = doctor(&machine).await;
    assert_eq!(said.json()["ok"], true);
    assert_eq!(check(&said, "channels").0, "none");
    assert!(machine.files().is_empty(), "it only looks: {:?}", machine.files());
}

#[tokio::test]
async fn a_default_backend_that_cannot_run_is_a_failure() {
    let signed_out = r#"{"loggedIn": false, "authMethod": "none"}"#;
    for (machine, said) in [
        (Machine::new(), "npm install -g @anthropic-ai/claude-code"),
        (Machine::new().with_claude("2.1.329 (Claude Code)", signed_out), "sign in"),
        (Machine::new().program("claude", "echo 'no \x1b[2J library' >&2; exit 127"), "no \\u{1b}[2J library"),
        (Machine::new().file("bin/claude", "no program"), "not executable"),
    ] {
        let report = doctor(&machine).await;
        report.failed(1);
        let (state, text) = check(&report, "backend claude-code (default)");
        assert!(state == "bad" && text.contains(said), "{text}");
        assert_eq!(report.json()["ok"], false);
    }
}

#[tokio::test]
async fn another_backend_that_cannot_run_is_none() {
    let machine = Machine::new().with_good_claude().program("poor", "exit 1");
    let report = doctor(&machine.config("[backends.poor]\ncommand = \"poor\"\n")).await;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_eq!(check(&report, "backend poor").0, "bad");
    let machine = Machine::new().with_good_claude().program("poor", "exit 1");
    let report = doctor(&machine.config("default_backend = \"poor\"\n[backends.poor]\ncommand = \"poor\"\n")).await;
    report.failed(1);
}

#[tokio::test]
async fn what_could_be_better_is_no_failure() {
    let signed_in = r#"{"loggedIn": true, "authMethod": "claude.ai"}"#;
    for (machine, name, said) in [
        (Machine::new().with_claude("2.1.100 (Claude Code)", signed_in), "backend claude-code (default)", "older than"),
        (Machine::new().with_claude("2.1.329", "unknown command"), "backend claude-code (default)", "auth status"),
        (Machine::new().with_good_claude().program("openclaw", "echo 2026.9.5"), "openclaw", "too old"),
        (
            Machine::new().with_good_claude().program("openclaw", "echo needs Node >&2; exit 1"),
            "openclaw",
            "needs Node",
        ),
    ] {
        let report = doctor(&machine).await;
        assert_eq!(report.code, Some(0), "{report:?}");
        let (state, text) = check(&report, name);
        assert!(state == "warn" && text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn channels_are_what_claude_remembers_of_the_account() {
    let machine = || Machine::new().with_good_claude().config("default_backend = \"claude-channel\"\n");
    let memory = |on: bool| format!("{{\"cachedGrowthBookFeatures\": {{\"tengu_harbor\": {on}}}}}");
    for (machine, state) in [
        (machine().file("home/.claude.json", &memory(true)), "ok"),
        (machine().file("home/.claude.json", &memory(false)), "warn"),
        (machine(), "warn"),
        (
            machine().file("home/.claude.json", &memory(true)).env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            "warn",
        ),
    ] {
        let report = doctor(&machine).await;
        assert_eq!(check(&report, "channels").0, state, "{report:?}");
    }
}

#[tokio::test]
async fn who_has_the_port_is_said() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session("a::b").ask("one").await;
    let machine = || Machine::new().with_good_claude();
    let ours = doctor(&machine().env("TURNMUX_SERVER__LISTEN", &daemon.client.address)).await;
    let (state, text) = check(&ours, "port");
    assert!(state == "ok" && text.contains("with 1 sessions and 1 processes"), "{text}");

    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let theirs = doctor(&machine().env("TURNMUX_SERVER__LISTEN", &address)).await;
    let (state, text) = check(&theirs, "port");
    assert!(state == "bad" && text.contains("another program") && text.contains("--port"), "{text}");
    answering.await.unwrap();

    let free = doctor(&machine().env("TURNMUX_SERVER__LISTEN", &address)).await;
    assert_eq!(check(&free, "port").0, "ok", "{free:?}");
}

#[tokio::test]
async fn a_store_that_is_none_is_said() {
    for (path, said) in [("work/notes.txt", "is no SQLite database"), ("work/notes.txt/x.db", "cannot be written")] {
        let machine = Machine::new().with_good_claude().file("work/notes.txt", "these are notes, and no database");
        let path = machine.path(path).display().to_string();
        let report = doctor(&machine.env("TURNMUX_STORE__PATH", &path)).await;
        let (state, text) = check(&report, "store");
        assert!(state == "bad" && text.contains(said), "{text}");
    }
    let report = doctor(&Machine::new().with_good_claude().env("TURNMUX_STORE__EPHEMERAL", "true")).await;
    assert_eq!(check(&report, "store").0, "ok", "{report:?}");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_a_failure() {
    let report = doctor(&Machine::new().with_good_claude().config("[server]\nhartbeat = \"1s\"\n")).await;
    report.failed(1);
    let (state, text) = check(&report, "configuration");
    assert!(state == "bad" && text.contains("server.heartbeat"), "{text}");
}

#[tokio::test]
async fn the_real_claude_is_asked_as_it_wants_to_be() {
    for claude in Claude::ALL {
        let machine = || Machine::new().link("claude", &claude.path()).env("ANTHROPIC_BASE_URL", "http://127.0.0.1:9");
        let report = doctor(&machine()).await;
        report.failed(1);
        let (_, text) = check(&report, "backend claude-code (default)");
        assert!(text.contains("release 2.1.") && text.contains("not signed in"), "{text}");
        let report = doctor(&machine().env("ANTHROPIC_API_KEY", "sk-ant-dummy")).await;
        let (state, text) = check(&report, "backend claude-code (default)");
        assert!(state == "ok" && text.contains("signed in (api_key)"), "{text}");
        assert!(!report.out.contains("sk-ant-dummy"));
    }
}
