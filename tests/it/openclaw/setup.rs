//! `scripts/setup-openclaw.sh`, with the real OpenClaw; where it is refused, with programs that are there in its place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::world::{OpenClaw, Said, root};

/// A configuration as somebody has written it: what OpenClaw writes looks otherwise.
const OWN: &str = "{ \"gateway\": {\"mode\": \"local\"},\n\n  \"agents\": {\"defaults\": {\"model\": \"anthropic/claude-opus-4-6\"}} }\n";

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a scratch folder")
}

fn bytes(openclaw: &OpenClaw) -> Vec<u8> {
    std::fs::read(openclaw.config_file()).expect("a configuration")
}

#[tokio::test]
async fn where_nothing_was_nothing_is_left() {
    let home = scratch();
    let openclaw = OpenClaw::at(home.path());
    let tried = openclaw.set_up(&["--dry-run"]).await;
    assert!(tried.stdout.contains("\"primary\": \"turnmux/claude-code\""), "{tried:?}");
    assert!(!openclaw.config_file().exists(), "a dry run writes nothing");

    openclaw.set_up(&["--port", "7999", "--backend", "claude-code-opus", "--backend", "claude-code"]).await;
    let config = openclaw.config();
    let provider = &config["models"]["providers"]["turnmux"];
    assert_eq!(provider["baseUrl"], "http://127.0.0.1:7999/v1");
    assert_eq!(provider["timeoutSeconds"], 1800);
    assert_eq!(
        (&provider["models"][0]["id"], &provider["models"][1]["id"]),
        (&json!("claude-code-opus"), &json!("claude-code"))
    );
    let compat = json!({"sendSessionAffinityHeaders": true, "supportsPromptCacheKey": true, "supportsTools": false});
    assert_eq!(provider["models"][0]["compat"], compat);
    assert!(provider["localService"].is_null(), "only when asked for");
    assert_eq!(config["agents"]["defaults"]["model"]["primary"], "turnmux/claude-code-opus");
    assert_eq!(
        config["agents"]["defaults"]["compaction"],
        json!({"enabled": false, "memoryFlush": {"enabled": false}})
    );

    openclaw.set_up(&["--undo"]).await;
    assert!(!openclaw.config_file().exists(), "there was none before");
    let again = openclaw.set_up(&["--undo"]).await;
    assert!(again.stdout.contains("nothing to take back"), "{again:?}");
}

#[tokio::test]
async fn what_was_before_comes_back_to_the_byte() {
    let home = scratch();
    let openclaw = OpenClaw::at(home.path());
    openclaw.configure(OWN);
    std::fs::set_permissions(openclaw.config_file(), std::fs::Permissions::from_mode(0o600)).unwrap();

    openclaw.set_up(&["--service"]).await;
    let service = &openclaw.config()["models"]["providers"]["turnmux"]["localService"];
    assert_eq!(
        (&service["args"], &service["healthUrl"]),
        (&json!(["serve", "--port", "7433"]), &json!("http://127.0.0.1:7433/health"))
    );
    assert!(Path::new(service["command"].as_str().unwrap()).is_absolute(), "{service}");
    openclaw.set_up(&[]).await;
    let config = openclaw.config();
    assert!(config["models"]["providers"]["turnmux"]["localService"].is_null(), "it is as the last set-up says");
    assert_eq!(config["gateway"], json!({"mode": "local"}), "the rest stays");
    let once = bytes(&openclaw);
    openclaw.set_up(&[]).await;
    assert_eq!(bytes(&openclaw), once, "the same set-up again changes nothing");

    openclaw.set_up(&["--undo"]).await;
    assert_eq!(String::from_utf8_lossy(&bytes(&openclaw)), OWN);
    let mode = std::fs::metadata(openclaw.config_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let names = std::fs::read_dir(home.path().join(".openclaw")).unwrap();
    let left = names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("turnmux")).count();
    assert_eq!(left, 0, "no copy is left");
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_stays() {
    let home = scratch();
    let openclaw = OpenClaw::at(home.path());
    openclaw.configure(OWN);
    openclaw.set_up(&["--plugin"]).await;
    openclaw.run(&["config", "set", "gateway.port", "19001"]).await;
    // A second set-up does not take the change for its own, and takes the plugin out again.
    openclaw.set_up(&["--port", "7999"]).await;
    assert_eq!(linked(&openclaw), [""; 0], "it is as the last set-up says");
    openclaw.set_up(&["--undo"]).await;
    let config = openclaw.config();
    assert!(config["plugins"].is_null(), "{config}");
    assert_eq!(config["gateway"], json!({"mode": "local", "port": 19001}));
    assert_eq!(config["agents"], json!({"defaults": {"model": "anthropic/claude-opus-4-6"}}));
    assert!(config["models"].is_null(), "{config}");
}

/// The folders of plugins that its configuration has.
fn linked(openclaw: &OpenClaw) -> Vec<String> {
    let config = openclaw.config();
    let paths = config["plugins"]["load"]["paths"].as_array().cloned().unwrap_or_default();
    paths.iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_plugin_comes_and_goes_with_the_rest() {
    let home = scratch();
    let openclaw = OpenClaw::at(home.path());
    openclaw.configure(OWN);
    let folder = root().canonicalize().unwrap().join("plugin/openclaw").to_str().unwrap().to_owned();
    let tried = openclaw.set_up(&["--plugin", "--dry-run"]).await;
    let command = format!("openclaw plugins install --force --accept-capabilities --link {folder}");
    assert!(tried.stdout.contains(&command), "{tried:?}");
    assert_eq!(String::from_utf8_lossy(&bytes(&openclaw)), OWN, "a dry run writes nothing");

    openclaw.set_up(&["--plugin"]).await;
    assert_eq!(linked(&openclaw), [folder]);
    let once = bytes(&openclaw);
    openclaw.set_up(&["--plugin"]).await;
    assert_eq!(String::from_utf8_lossy(&bytes(&openclaw)), String::from_utf8_lossy(&once), "once is enough");
    assert_eq!(openclaw.config()["plugins"]["entries"]["turnmux"], json!({"enabled": true}));

    openclaw.set_up(&["--undo"]).await;
    assert_eq!(String::from_utf8_lossy(&bytes(&openclaw)), OWN);
    let gone = openclaw.command("openclaw").args(["plugins", "inspect", "turnmux", "--json"]).output().await.unwrap();
    assert!(!gone.status.success(), "OpenClaw knows nothing of it: {gone:?}");
}

/// The script, with a shell script as `openclaw`, or none.
async fn refused(openclaw: Option<&str>, args: &[&str]) -> Said {
    let home = scratch();
    let programs = home.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    if let Some(text) = openclaw {
        let program = programs.join("openclaw");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let said = OpenClaw::with_programs(home.path(), &programs).script(args).await;
    assert!(!said.success, "{said:?}");
    said
}

#[tokio::test]
async fn a_machine_that_is_not_ready_is_told_what_it_lacks() {
    let said = refused(None, &[]).await;
    assert!(said.stderr.contains("not on PATH: npm install -g openclaw"), "{said:?}");
    let said = refused(Some("echo 'OpenClaw 2026.9.4 (abc)'"), &[]).await;
    assert!(said.stderr.contains("OpenClaw 2026.9.4") && said.stderr.contains("2026.9.6 is the oldest"), "{said:?}");
    let said = refused(Some("echo 'openclaw: Node 20.20.2: use 24.16+' >&2; exit 1"), &[]).await;
    assert!(said.stderr.contains("too old for OpenClaw") && said.stderr.contains("use 24.16+"), "{said:?}");
    for args in [&["--port", "0"][..], &["--port", "x"], &["--port"], &["--backend", "a b"], &["--later"]] {
        let said = refused(Some("exit 0"), args).await;
        assert!(said.stderr.contains("--port") || said.stderr.contains("--backend"), "{args:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_valid_is_not_touched() {
    let home = scratch();
    let openclaw = OpenClaw::at(home.path());
    let invalid = "{\"gateway\": {\"mode\": 7}}";
    openclaw.configure(invalid);
    let said = openclaw.script(&[]).await;
    assert!(
        !said.success && said.stderr.contains("config is invalid") && said.stderr.contains("gateway.mode"),
        "{said:?}"
    );
    assert_eq!(String::from_utf8_lossy(&bytes(&openclaw)), invalid);
}
