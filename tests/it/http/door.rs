//! API keys, and requests that come by another site's page or name.

use std::os::unix::fs::PermissionsExt as _;

use hyper::Method;
use serde_json::json;

use crate::harness::{Daemon, DaemonBuilder};

const KEY: &str = "key-of-the-daemon";
const OTHER: &str = "another-key-of-it";

/// Every route that is not open to all.
const LOCKED: [(Method, &str); 8] = [
    (Method::POST, "/v1/chat/completions"),
    (Method::POST, "/chat/completions"),
    (Method::GET, "/v1/models"),
    (Method::GET, "/v1/models/claude-code"),
    (Method::GET, "/v1/sessions"),
    (Method::DELETE, "/v1/sessions/a%3A%3Ab"),
    (Method::POST, "/v1/chat/abort"),
    (Method::POST, "/v1/chat/session/reset"),
];

#[tokio::test]
async fn without_keys_any_is_accepted() {
    let daemon = Daemon::stand_in().start().await;
    for value in ["Bearer unused", "Bearer ", "nonsense"] {
        let client = daemon.client.with("authorization", value);
        assert!(client.ask("hello").await.status.is_success(), "{value}");
    }
    assert!(daemon.client.ask("hello").await.status.is_success());
}

#[tokio::test]
async fn a_wrong_key_is_401_everywhere_and_health_and_the_document_need_none() {
    let daemon = Daemon::stand_in().env("TURNMUX_API_KEY", KEY).start().await;
    for value in
        [None, Some("Bearer wrong"), Some("Bearer "), Some(KEY), Some("Basic a2V5"), Some("Bearer key-of-the-daemonx")]
    {
        let client = value.map_or(daemon.client.clone(), |value| daemon.client.with("authorization", value));
        for (method, path) in LOCKED {
            let body = json!({"session": "a::b", "messages": [{"role": "user", "content": "x"}]}).to_string();
            let reply = client.request(method.clone(), path, body.into()).await;
            let refusal = reply.refused(401, "invalid_api_key");
            assert!(!refusal.message.contains(KEY), "{refusal:?}");
        }
        for open in ["/health", "/openapi.json"] {
            assert!(client.get(open).await.status.is_success(), "{open}");
        }
    }
    assert!(daemon.stand_in_turns().is_empty());
    let ours = daemon.client.with("authorization", &format!("Bearer {KEY}"));
    assert_eq!(ours.ask("hello").await.text(), "You said: hello [turn 1]");
    assert_eq!(daemon.client.with("x-api-key", KEY).ask("hello").await.text(), "You said: hello [turn 1]");
}

#[tokio::test]
async fn both_variables_hold_keys_and_no_agent_inherits_them() {
    let daemon = Daemon::stand_in().env("TURNMUX_API_KEY", KEY).env("AGENT_GATEWAY_KEY", OTHER).start().await;
    for key in [KEY, OTHER] {
        let client = daemon.client.with("authorization", &format!("Bearer {key}")).session("a::b");
        assert!(client.ask("hello").await.status.is_success());
        let sessions = client.get("/v1/sessions").await.json();
        assert_eq!(sessions["data"][0]["key"], "a::b", "both open the same tenant's sessions");
        let environment = std::fs::read(format!("/proc/{}/environ", sessions["data"][0]["pid"])).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(environment.contains("PATH="), "{environment}");
        assert!(!environment.contains(KEY) && !environment.contains(OTHER), "{environment}");
    }
}

#[tokio::test]
async fn the_keys_of_a_file_open_the_sessions_of_their_names_only() {
    let daemon = with_key_file(0o600).start().await;
    let client = |key: &str| daemon.client.with("authorization", &format!("Bearer {key}")).session("a::b");
    let (alice, bob) = (client("key-of-alice"), client("key-of-bob"));
    assert_eq!(alice.ask("one").await.text(), "You said: one [turn 1]");
    assert_eq!(bob.ask("one").await.text(), "You said: one [turn 1]", "the same key, another session");
    assert_eq!(alice.ask("two").await.text(), "You said: two [turn 2]");
    for client in [&alice, &bob] {
        assert_eq!(client.get("/v1/sessions").await.json()["data"].as_array().unwrap().len(), 1);
    }
    assert!(bob.delete("/v1/sessions/a%3A%3Ab").await.status.is_success());
    assert_eq!(alice.ask("three").await.text(), "You said: three [turn 3]", "bob deleted his own");
    let turn = alice.ask("four").await.header("x-turnmux-turn").unwrap().to_owned();
    bob.post("/v1/chat/abort", &json!({"turn": turn})).await.refused(404, "no_active_turn");
    client("key-of-carol").ask("x").await.refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    let (said, status) = with_key_file(0o644).refuse().await;
    assert!(!status.success() && said.contains("chmod 600"), "{said}");
    assert!(!said.contains("key-of-alice"), "{said}");
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_key() {
    let (said, status) = Daemon::stand_in().args(&["--listen", "0.0.0.0:0"]).refuse().await;
    assert!(!status.success() && said.contains("TURNMUX_API_KEY") && said.contains("127.0.0.1"), "{said}");
}

#[tokio::test]
async fn requests_for_another_host_are_misdirected() {
    let daemon = Daemon::stand_in().config("server.allowed_hosts = [\"mux.example\"]").start().await;
    for host in ["evil.example", "evil.example:7433", "127.0.0.1.evil.example", "mux.example.evil"] {
        let refusal = daemon.client.with("host", host).ask("hello").await.refused(421, "host_not_allowed");
        assert!(refusal.message.contains("server.allowed_hosts"), "{refusal:?}");
        daemon.client.with("host", host).get("/health").await.refused(421, "host_not_allowed");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:7433", "mux.example", "MUX.example:8443"] {
        assert!(daemon.client.with("host", host).get("/health").await.status.is_success(), "{host}");
    }
}

/// 400, not 403: clients that switch a provider off at 401 to 403 would take it for a bad key.
#[tokio::test]
async fn other_sites_pages_are_refused() {
    let daemon = Daemon::stand_in().config("server.allowed_hosts = [\"mux.example\"]").start().await;
    for origin in ["https://evil.example", "http://127.0.0.1.evil.example", "null", "file://"] {
        daemon.client.with("origin", origin).ask("hello").await.refused(400, "origin_not_allowed");
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1:8080", "https://mux.example"] {
        assert!(daemon.client.with("origin", origin).get("/v1/models").await.status.is_success(), "{origin}");
    }
    assert!(daemon.stand_in_turns().is_empty());
}

fn with_key_file(mode: u32) -> DaemonBuilder {
    let scratch = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let file = scratch.path().join("keys.toml");
    std::fs::write(&file, "[keys.alice]\nkey = \"key-of-alice\"\n[keys.bob]\nkey = \"key-of-bob\"\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    Daemon::stand_in().scratch(scratch).config("server.key_file = \"@SCRATCH@/keys.toml\"")
}
