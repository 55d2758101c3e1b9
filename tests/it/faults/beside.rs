//! One client's bad input, or broken agent, never disturbs another's session.

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use crate::harness::{Daemon, within};

#[tokio::test]
async fn bad_input_beside_a_turn_changes_nothing_in_it() {
    let daemon = Daemon::stand_in().config("limits.body_bytes = \"64KiB\"").start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("good::1");
    let mut stream = session.stream(&format!("::say before\n{}\n::say after", gate.hold())).await;
    assert_eq!(stream.first_text().await, "before");
    let pid = daemon.agent("good::1").await;

    // From others, and with the good session's own name.
    for client in [&daemon.client, &daemon.client.session("bad::1"), &session] {
        let chat = "/v1/chat/completions";
        let bodies: [Bytes; 7] = [
            "".into(),
            "{\"messages\":[".into(),
            "{\"messages\":5}".into(),
            "{\"messages\":[],\"stream\":true}".into(),
            "{\"model\":\"nope\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}".into(),
            "{\"tools\":[{}],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}".into(),
            vec![b'x'; 100_000].into(),
        ];
        for body in bodies {
            assert!(client.request(Method::POST, chat, body).await.status.is_client_error());
        }
        client.with("x-turnmux-workspace", "/etc").ask("x").await.refused(400, "workspace_not_allowed");
        client.with("host", "evil.example").ask("x").await.refused(421, "host_not_allowed");
        client.get("/nowhere").await.refused(404, "unknown_route");
    }
    daemon.client.post("/v1/chat/abort", &json!({"session": "bad::1"})).await.refused(404, "no_active_turn");
    assert_eq!(daemon.session("good::1").await.unwrap()["queued"], 0);
    gate.open();
    assert_eq!(stream.rest().await.0, "after");
    assert_eq!(session.ask("next").await.text(), "You said: next [turn 2]");
    assert_eq!(daemon.agent("good::1").await, pid);
    assert_eq!(daemon.client.get("/v1/sessions").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn broken_agents_beside_a_session_change_nothing_in_it() {
    let config = "limits.line_bytes = \"64KiB\"\nlimits.silence = \"500ms\"\nlimits.interrupt = \"100ms\"\n\
        limits.stop_eof = \"50ms\"\nsessions.max_live = 8";
    let daemon = Daemon::stand_in().config(config).start().await;
    let faults = ["::kill", "::exit 3", "::half-line", "::endless-line 100000", "::no-result", "::status 500"];
    let broken: Vec<_> = faults
        .into_iter()
        .map(|fault| {
            let client = daemon.client.session(&format!("bad::{fault}"));
            tokio::spawn(async move {
                for _ in 0..2 {
                    assert!(!client.ask(&format!("::say some\n{fault}")).await.status.is_success(), "{fault}");
                }
            })
        })
        .collect();
    let session = daemon.client.session("good::1");
    for turn in 1..=30 {
        assert_eq!(session.ask("x").await.text(), format!("You said: x [turn {turn}]"));
    }
    for task in broken {
        within("the broken sessions", task).await.unwrap();
    }
    assert_eq!(session.ask("x").await.text(), "You said: x [turn 31]");
}
