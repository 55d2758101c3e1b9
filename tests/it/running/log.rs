//! The log's two forms.

use serde_json::Value;

use crate::harness::Daemon;

#[tokio::test]
async fn where_no_terminal_reads_it_every_line_is_json_without_a_word_of_the_conversation() {
    let daemon = Daemon::stand_in().without("TURNMUX_LOG_FORMAT").env("TURNMUX_LOG", "trace").start().await;
    let answer = daemon.client.session("a::b").ask("violet hippopotamus").await;
    assert!(answer.text().contains("violet hippopotamus"));
    daemon.logged("turn completed", 1).await;
    let log = daemon.log();
    assert!(!log.contains("hippopotamus"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let serving = lines.iter().find(|line| line["message"] == "serving").expect("it serves");
    assert_eq!(
        (&serving["level"], &serving["config"]),
        (&"INFO".into(), &daemon.scratch().join("turnmux.toml").display().to_string().into())
    );
    assert!(serving["timestamp"].is_string() && serving["max_live"].is_number(), "{serving}");
}

#[tokio::test]
async fn people_read_it_as_text() {
    let daemon = Daemon::stand_in().env("TURNMUX_LOG_FORMAT", "human").start().await;
    daemon.logged(" INFO turnmux::app: serving", 1).await;
}

#[tokio::test]
async fn another_form_is_refused() {
    let (said, status) = Daemon::stand_in().env("TURNMUX_LOG_FORMAT", "xml").refuse().await;
    assert!(!status.success() && said.contains("write human or json"), "{said}");
}
