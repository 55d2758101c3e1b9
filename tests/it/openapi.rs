//! `/openapi.json` by somebody else's eyes: schemathesis makes up requests from it and judges the answers. How, stands in
//! tests/openapi; what our own tests get is held against it by the harness.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::harness::{Daemon, within_at_most};

#[tokio::test]
async fn made_up_requests_get_what_the_document_says() {
    let daemon = Daemon::stand_in().config("sessions.max_live = 4").start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = root.join(".cache/sdk/schemathesis");
    // Written last when it was fetched. A test that needs it must not pass without it.
    let there = home.join("version");
    assert!(there.exists(), "{} is not there: run scripts/test, or scripts/fetch-sdks", there.display());
    let output = Command::new(home.join("bin/python"))
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(root.join("tests/openapi/schemathesis.toml"))
        .args(["run", &format!("http://{}/openapi.json", daemon.client.address)])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH is set"))
        .env("HOME", daemon.scratch())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(daemon.scratch())
        .kill_on_drop(true)
        .output();
    // It computes for 20 s on a core of its own, and has to share one here.
    let output = within_at_most(Duration::from_mins(8), "schemathesis", output).await.expect("schemathesis starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!daemon.stand_in_turns().is_empty(), "some of it reached an agent:\n{said}");
    assert!(daemon.client.get("/health").await.status.is_success());
}
