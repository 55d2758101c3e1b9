//! `turnmux logs`.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::harness::Turnmux;

const LOG: &str = ".local/state/turnmux/turnmux.log";

#[tokio::test]
async fn where_nothing_is_known_that_is_said() {
    let said = Turnmux::new(&["logs"]).run().await.failed(5, &["turnmux.service", "--file", "--unit"]);
    assert!(said.contains(LOG), "{said}");
    Turnmux::new(&["logs", "--file", "no-such.log"]).run().await.failed(5, &["no-such.log"]);
}

#[tokio::test]
async fn the_last_lines_of_the_background_daemons_log_are_shown() {
    let text = "one\ntwo \u{1b}[2J\n{\"level\":\"INFO\"}\n";
    let logs = Turnmux::new(&["logs"]).file(LOG, text);
    assert_eq!(logs.run().await.ok(), "one\ntwo \\u{1b}[2J\n{\"level\":\"INFO\"}\n");
    assert_eq!(logs.clone().args(&["-n", "1"]).run().await.ok(), "{\"level\":\"INFO\"}\n");
    let json: Vec<Value> = logs
        .args(&["--json", "-n", "2"])
        .run()
        .await
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json, [json!({"line": "two \u{1b}[2J"}), json!({"level": "INFO"})]);
}

#[tokio::test]
async fn what_is_added_is_followed() {
    let logs = Turnmux::new(&["logs", "--follow", "--file", "the.log"]).file("the.log", "one\n");
    let mut following = logs.spawn();
    assert_eq!(following.line().await.as_deref(), Some("one"));
    let mut file = std::fs::File::options().append(true).open(logs.home().join("the.log")).unwrap();
    file.write_all(b"two\n").unwrap();
    assert_eq!(following.line().await.as_deref(), Some("two"));
}

/// journalctl takes over, with what was asked for; this one says what that was.
#[tokio::test]
async fn a_service_is_asked_for_in_the_journal() {
    use std::os::unix::fs::PermissionsExt as _;
    let logs = Turnmux::new(&["logs", "-n", "7"])
        .file(".config/systemd/user/turnmux.service", "")
        .file("bin/journalctl", "#!/bin/sh\necho \"$@\"\n")
        .file(LOG, "an older one\n");
    let bin = logs.home().join("bin");
    std::fs::set_permissions(bin.join("journalctl"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let logs = logs.env("PATH", path);
    assert_eq!(logs.run().await.ok(), "--user-unit turnmux.service --lines 7\n");
    let all = logs.clone().args(&["-f", "--json", "--unit", "turnmux@work"]).run().await.ok();
    assert_eq!(all, "--user-unit turnmux@work --lines 7 --follow --output=json\n");
    assert_eq!(logs.args(&["--file", LOG]).run().await.ok(), "an older one\n");
}
