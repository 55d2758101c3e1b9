//! `/v1/models`, `/health`, and which backend a request's `model` means.

use serde_json::json;

use crate::harness::{Daemon, ask};

const CONFIG: &str = r#"
default_backend = "mine"
[backends.mine]
model = "haiku"
[backends.absent]
command = "no-such-program"
[aliases]
"gpt-4o" = "claude-code-sonnet"
"openai/gpt-5" = "mine"
[agents.ops]
backend = "claude-code-opus"
workspace = "@SCRATCH@/ops"
"#;

async fn daemon() -> Daemon {
    let daemon = Daemon::stand_in().config(CONFIG).start().await;
    std::fs::create_dir(daemon.scratch().join("ops")).unwrap();
    daemon
}

#[tokio::test]
async fn the_backends_are_the_models() {
    let daemon = daemon().await;
    let list = daemon.client.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let data = list["data"].as_array().unwrap();
    let ids: Vec<_> = data.iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["absent", "claude-channel", "claude-code", "claude-code-opus", "claude-code-sonnet", "mine"]);
    for model in data {
        assert_eq!(model["object"], "model");
        let driver = if model["id"] == "claude-channel" { "claude-channel" } else { "claude-stream" };
        assert_eq!(model["owned_by"], driver);
        assert!(model["created"].is_u64());
        assert_eq!(model["ready"], json!(model["id"] != "absent"));
    }
    assert_eq!(daemon.client.get("/v1/models/mine").await.json(), data[5]);
    assert_eq!(daemon.client.get("/v1/models/gpt-4o").await.json()["id"], "claude-code-sonnet", "by an alias");
    assert_eq!(daemon.client.get("/v1/models/openai/gpt-5").await.json()["id"], "mine", "with a slash");
    assert_eq!(daemon.client.get("/v1/models/openai%2Fgpt-5").await.json()["id"], "mine");
    let refusal = daemon.client.get("/v1/models/nope").await.refused(404, "model_not_found");
    assert!(refusal.message.contains("claude-code-opus"), "{refusal:?}");
}

#[tokio::test]
async fn an_unknown_model_is_404_and_the_known_ones_are_named() {
    let daemon = daemon().await;
    for model in ["gpt-3", "claude-code ", "CLAUDE-CODE"] {
        let mut body = ask("hello");
        body["model"] = json!(model);
        for stream in [false, true] {
            body["stream"] = json!(stream);
            let reply = daemon.client.post("/v1/chat/completions", &body).await;
            let refusal = reply.refused(404, "model_not_found");
            assert_eq!(refusal.param.as_deref(), Some("model"));
            assert!(refusal.message.contains(&format!("`{model}`")), "{refusal:?}");
            assert!(
                refusal.message.contains("claude-channel, claude-code, claude-code-opus, claude-code-sonnet, mine"),
                "{refusal:?}"
            );
        }
    }
    assert!(daemon.stand_in_turns().is_empty());
}

#[tokio::test]
async fn the_model_picks_the_backend_or_the_callers_agent_does() {
    let daemon = daemon().await;
    let backend = async |key: &str, model: Option<&str>| {
        let mut body = ask("hello");
        body["model"] = json!(model);
        let reply = daemon.client.session(key).post("/v1/chat/completions", &body).await;
        let session = daemon.session(key).await.unwrap();
        (reply.json()["model"].as_str().unwrap().to_owned(), session["backend"].as_str().unwrap().to_owned())
    };
    let pair = |shown: &str, backend: &str| (shown.to_owned(), backend.to_owned());
    assert_eq!(backend("a::1", Some("claude-code-opus")).await, pair("claude-code-opus", "claude-code-opus"));
    assert_eq!(backend("a::2", Some("gpt-4o")).await, pair("gpt-4o", "claude-code-sonnet"), "the alias is shown");
    assert_eq!(backend("a::3", None).await, pair("mine", "mine"), "the default");
    assert_eq!(backend("a::4", Some("")).await, pair("mine", "mine"), "an empty name is none");
    assert_eq!(backend("ops::5", None).await, pair("claude-code-opus", "claude-code-opus"), "the agent's own");
    assert_eq!(backend("ops::6", Some("mine")).await, pair("mine", "mine"), "what the request says counts");
}

#[tokio::test]
async fn an_agents_workspace_is_where_its_sessions_run() {
    let daemon = daemon().await;
    for (key, folder) in [("ops::1", daemon.scratch().join("ops")), ("main::1", daemon.work())] {
        assert!(daemon.client.session(key).ask("hello").await.status.is_success());
        let folder = folder.canonicalize().unwrap();
        let pid = daemon.agent(key).await;
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), folder, "{key}");
        assert_eq!(daemon.session(key).await.unwrap()["directory"], json!(folder));
    }
}

#[tokio::test]
async fn another_model_of_the_same_driver_switches_live() {
    let daemon = daemon().await;
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent("a::b").await;
    let mut body = ask("two");
    body["model"] = json!("claude-code-opus");
    assert_eq!(session.post("/v1/chat/completions", &body).await.text(), "You said: two [turn 2]");
    assert_eq!(daemon.agent("a::b").await, pid, "the same process");
    assert_eq!(daemon.session("a::b").await.unwrap()["backend"], "claude-code-opus");
}

#[tokio::test]
async fn health_says_how_things_stand() {
    let daemon = daemon().await;
    let health = daemon.client.get("/health").await.json();
    assert_eq!(health["ok"], true);
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    for name in ["processes", "sessions", "queued"] {
        assert_eq!(health[name], 0, "{name}");
    }
    assert_eq!(health["conns"], 1, "this one");
    assert_eq!(health["backends"]["mine"], json!({"driver": "claude-stream", "ready": true}));
    let absent = &health["backends"]["absent"];
    assert_eq!(absent["ready"], false);
    assert!(absent["reason"].as_str().unwrap().contains("no-such-program"), "{absent}");

    let gate = daemon.gate("gate");
    let mut stream = daemon.client.session("a::b").stream(&format!("::say x\n{}", gate.hold())).await;
    stream.first_text().await;
    let queued = daemon.client.session("a::b").stream("waits").await;
    let health = daemon.client.get("/health").await.json();
    assert_eq!((&health["processes"], &health["sessions"], &health["queued"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(health["conns"], 3);
    drop(queued);
}
