//! What programs are told when a verb fails.

use serde_json::Value;

use crate::harness::{Daemon, Ran, Turnmux};

/// The verbs that ask a daemon, and a call.
const ASKING: [&[&str]; 12] = [
    &["sessions", "--json"],
    &["show", "a::b", "--json"],
    &["tail", "a::b", "--json"],
    &["steer", "a::b", "on", "--json"],
    &["interrupt", "a::b", "--json"],
    &["answer", "a::b", "req_1", "deny", "--json"],
    &["reset", "a::b", "--json"],
    &["close", "a::b", "--json"],
    &["status", "--json"],
    &["stop", "--json"],
    &["attach", "a::b"],
    &["call", "hello", "--json-stream"],
];

/// The one line of JSON on stderr: code and message.
#[track_caller]
fn error(ran: Ran, code: i32) -> (String, String) {
    let line = ran.failed(code, &["{"]);
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    assert_eq!(line.lines().count(), 1, "{line:?}");
    let text = |name: &str| said["error"][name].as_str().expect("a text").to_owned();
    (text("code"), text("message"))
}

#[tokio::test]
async fn every_verb_says_in_json_that_there_is_no_daemon() {
    for args in ASKING {
        let turnmux = Turnmux::new(args).env("TURNMUX_URL", "http://127.0.0.1:1");
        if args[0] == "attach" {
            turnmux.clone().run().await.failed(3, &["turnmux: no daemon at 127.0.0.1:1"]);
            assert_eq!(error(turnmux.args(&["--json"]).run().await, 2).0, "usage", "it has no JSON to show");
            continue;
        }
        let (code, message) = error(turnmux.run().await, 3);
        assert_eq!(code, "no_daemon", "{args:?}");
        assert!(message.starts_with("no daemon at 127.0.0.1:1"), "{args:?}: {message}");
    }
}

#[tokio::test]
async fn a_refusal_has_the_apis_own_code_and_wrong_arguments_have_one_too() {
    let daemon = Daemon::stand_in().start().await;
    let (code, _) = error(daemon.turnmux(&["show", "no::such", "--json"]).run().await, 5);
    assert_eq!(code, "session_not_found");
    let (code, message) = error(daemon.turnmux(&["show", "--json"]).run().await, 2);
    assert!(code == "usage" && message.contains("<SESSION>"), "{message}");
    let (code, _) = error(daemon.turnmux(&["logs", "--json", "--file", "/no/such/file"]).run().await, 5);
    assert_eq!(code, "not_found");
    let taken = daemon.turnmux(&["init", "--json", "turnmux.toml"]).file("turnmux.toml", "");
    assert_ne!(taken.run().await.stderr.find("{\"error\":{\"code\":"), None);
    let (code, _) = error(daemon.turnmux(&["doctor", "--json", "--no-such-flag"]).run().await, 2);
    assert_eq!(code, "usage");
    // A prompt may look like a flag.
    let ran = daemon.turnmux(&["call", "-r", "-c", "no-such", "--", "--json"]).run().await;
    ran.failed(2, &["turnmux: "]);
    let (code, _) = error(daemon.turnmux(&["call", "hello", "--json-stream"]).run().await, 2);
    assert_eq!(code, "workspace_not_allowed", "its own home is none of the daemon's folders");
}
