//! What an agent may do unasked, and what it is told otherwise.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{KEY, bash, tool_results};
use crate::harness::{Claude, Daemon};

on_all!(
    ask_denies_at_once_and_says_how_to_allow,
    accept_edits_writes_files_and_runs_nothing,
    deny_denies,
    bypass_is_a_flag_away,
    claudes_own_settings_loosen_nothing,
    a_claude_that_allows_more_than_asked_for_does_nothing,
    bypass_as_root_says_what_claude_says,
);

/// A `::tool` directive that writes a file.
fn write(path: &Path) -> String {
    format!("::tool Write {}", json!({"file_path": path, "content": "written"}))
}

/// A command that no mode but bypass lets through.
const COMMAND: &str = "sh -c 'echo x > by-command'";

/// Tries both tools. Gives whether a file was written by each, and what the model was told.
async fn tried(daemon: &Daemon) -> ((bool, bool), String, String) {
    let session = daemon.client.session(KEY);
    let file = daemon.work().join("by-tool");
    assert_eq!(session.ask(&format!("{}\n::say done", write(&file))).await.text(), "done");
    let of_write = tool_results(&daemon.model);
    assert_eq!(session.ask(&format!("{}\n::say done", bash(COMMAND))).await.text(), "done");
    let of_both = tool_results(&daemon.model);
    let of_bash = of_both.strip_prefix(&*of_write).expect("one result after the other").to_owned();
    ((file.exists(), daemon.work().join("by-command").exists()), of_write, of_bash)
}

async fn ask_denies_at_once_and_says_how_to_allow(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let (written, of_write, of_bash) = tried(&daemon).await;
    assert_eq!(written, (false, false));
    for said in [of_write, of_bash] {
        assert!(said.contains("Permission denied") && said.contains("--permission accept_edits"), "{said}");
        assert!(said.contains("[backends.claude-code]"), "{said}");
    }
}

async fn accept_edits_writes_files_and_runs_nothing(claude: Claude) {
    let daemon = Daemon::claude(claude).args(&["--permission", "accept_edits"]).start().await;
    let (written, _, of_bash) = tried(&daemon).await;
    assert_eq!(written, (true, false));
    assert!(of_bash.contains("--permission bypass"), "{of_bash}");
    // Outside of the workspace is not meant.
    let outside = daemon.scratch().join("outside");
    daemon.client.session(KEY).ask(&write(&outside)).await.text();
    assert!(!outside.exists());
}

async fn deny_denies(claude: Claude) {
    let config = "backends.claude-code.permission = \"deny\"";
    let daemon = Daemon::claude(claude).config(config).start().await;
    let (written, of_write, of_bash) = tried(&daemon).await;
    assert_eq!(written, (false, false));
    assert!(of_write.contains("denied") && of_bash.contains("denied"), "{of_write} {of_bash}");
}

async fn bypass_is_a_flag_away(claude: Claude) {
    let daemon = Daemon::claude(claude).args(&["--permission", "bypass"]).env("IS_SANDBOX", "1").start().await;
    assert_eq!(tried(&daemon).await.0, (true, true));
}

async fn claudes_own_settings_loosen_nothing(claude: Claude) {
    for mode in ["bypassPermissions", "acceptEdits"] {
        let scratch = Arc::new(tempfile::tempdir().unwrap());
        let settings = json!({"permissions": {"defaultMode": mode}});
        std::fs::create_dir_all(scratch.path().join("home/.claude")).unwrap();
        std::fs::write(scratch.path().join("home/.claude/settings.json"), settings.to_string()).unwrap();
        let daemon = Daemon::claude(claude).env("IS_SANDBOX", "1").scratch(scratch).start().await;
        assert_eq!(tried(&daemon).await.0, (false, false), "{mode}");
    }
}

async fn a_claude_that_allows_more_than_asked_for_does_nothing(claude: Claude) {
    // Whatever makes it do so, its own word at the beginning of the turn is what counts.
    let config = r#"backends.claude-code.args = ["--permission-mode", "bypassPermissions"]"#;
    let daemon = Daemon::claude(claude).config(config).env("IS_SANDBOX", "1").start().await;
    // The pause is for a claude that is ended gently: it would run the tool meanwhile.
    let reply = daemon.client.session(KEY).ask(&format!("::silent 500\n{}", bash(COMMAND))).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (503, "agent_misconfigured"));
    let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("`bypassPermissions`") && said.contains("`ask`"), "{said}");
    assert!(!daemon.work().join("by-command").exists());
}

async fn bypass_as_root_says_what_claude_says(claude: Claude) {
    let daemon = Daemon::claude(claude).args(&["--permission", "bypass"]).start().await;
    let reply = daemon.client.session(KEY).ask("one").await;
    if !nix::unistd::geteuid().is_root() {
        assert_eq!(reply.text(), "You said: one [turn 1]");
        return;
    }
    assert_eq!((reply.status.as_u16(), &*reply.code()), (503, "agent_start_failed"));
    let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("root") && said.contains("--dangerously-skip-permissions"), "{said}");
}
