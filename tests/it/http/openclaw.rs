//! OpenClaw's requests, as recorded from it (tests/fixtures/openclaw).

use serde_json::{Value, json};

use crate::harness::{Client, Daemon, Reply, Stream, gone};

/// A recorded request.
struct Recorded {
    headers: Vec<(String, String)>,
    body: Value,
}

impl Recorded {
    /// Reads one; `@WORKSPACE@` becomes the folder.
    fn load(name: &str, workspace: &str) -> Self {
        let path = format!("{}/tests/fixtures/openclaw/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let recorded: Value = serde_json::from_str(&text.replace("@WORKSPACE@", workspace)).unwrap();
        let headers = recorded["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        Self { headers, body: recorded["body"].clone() }
    }

    /// With another boundary behind the session's id, as `/new` and compaction make it.
    fn at_boundary(mut self, boundary: u32) -> Self {
        for (name, value) in &mut self.headers {
            if ["session_id", "x-client-request-id", "x-session-affinity"].contains(&name.as_str()) {
                *value = value.replace(":0", &format!(":{boundary}"));
            }
        }
        self.body.as_object_mut().unwrap().remove("prompt_cache_key");
        self
    }

    fn client(&self, client: &Client) -> Client {
        self.headers.iter().fold(client.clone(), |client, (name, value)| client.with(name, value))
    }

    async fn stream(&self, daemon: &Daemon) -> Stream {
        self.client(&daemon.client).stream_body(&self.body).await
    }

    async fn refused(&self, daemon: &Daemon) -> Reply {
        self.client(&daemon.client).post("/v1/chat/completions", &self.body).await
    }
}

async fn daemon() -> Daemon {
    let config = r#"
    server.workspace_roots = ["@SCRATCH@"]
    [aliases]
    "claude-mux" = "claude-code"
    "claude" = "claude-code"
    "claude-tools" = "claude-code"
    "#;
    Daemon::stand_in().config(config).start().await
}

fn load(daemon: &Daemon, name: &str) -> Recorded {
    Recorded::load(name, daemon.work().canonicalize().unwrap().to_str().unwrap())
}

#[tokio::test]
async fn session_affinity_names_the_session() {
    let daemon = daemon().await;
    let mut stream = load(&daemon, "affinity-turn1").stream(&daemon).await;
    assert_eq!(stream.header("x-turnmux-session"), Some("default::20935dbb-568f-496f-8eeb-1223d1a298c2:0"));
    assert_eq!(stream.header("x-turnmux-ignored"), Some("max_completion_tokens"));
    let (text, chunks) = stream.rest().await;
    assert!(text.starts_with("You said: [Fri 2026-11-20 13:27 UTC] hello"), "{text}");
    let usage = &chunks[chunks.len() - 2]["usage"];
    assert_eq!(usage["prompt_tokens"], 161, "it asks for usage");
}

#[tokio::test]
async fn the_second_turn_sends_only_what_is_new_to_the_warm_process() {
    let daemon = daemon().await;
    let first = load(&daemon, "gateway-turn1").stream(&daemon).await.rest().await.0;
    assert!(first.ends_with("[turn 1]"), "{first}");
    let key = "default::4dba8afd-450d-40a3-8815-d7b78dff034f:0";
    let pid = daemon.agent(key).await;
    let second = load(&daemon, "gateway-turn2").stream(&daemon).await.rest().await.0;
    assert_eq!(second, "You said: [Fri 2026-11-20 13:37 UTC] second [turn 2]");
    assert_eq!(daemon.agent(key).await, pid, "the same process");
    assert_eq!(daemon.stand_in_turns()[1], "[Fri 2026-11-20 13:37 UTC] second");
}

#[tokio::test]
async fn a_new_conversation_is_another_session() {
    let daemon = daemon().await;
    load(&daemon, "gateway-turn1").stream(&daemon).await.rest().await;
    let text = load(&daemon, "gateway-turn1").at_boundary(1).stream(&daemon).await.rest().await.0;
    assert!(text.ends_with("[turn 1]"), "/new begins anew: {text}");
}

#[tokio::test]
async fn after_a_stop_both_messages_reach_the_agent_in_one_clean_turn() {
    let daemon = daemon().await;
    let gate = daemon.gate("gate");
    let mut before = load(&daemon, "before-abort");
    // The recorded text, and then the agent is held until OpenClaw's user presses Stop.
    let text = before.body["messages"][1]["content"].as_str().unwrap().to_owned();
    before.body["messages"][1]["content"] = json!(format!("{text}\n::say begun\n{}", gate.hold()));
    let mut stream = before.stream(&daemon).await;
    assert_eq!(stream.first_text().await, "begun");
    let key = "default::2685df13-95ba-4acb-9235-731951a6f80e:0";
    let pid = daemon.agent(key).await;
    drop(stream);
    let text = load(&daemon, "after-abort").stream(&daemon).await.rest().await.0;
    assert!(text.contains("will be aborted") && text.contains("after abort") && !text.contains("begun"), "{text}");
    assert_eq!(daemon.agent(key).await, pid, "the process stays warm");
}

#[tokio::test]
async fn the_plugins_headers_name_agent_chat_and_workspace() {
    let daemon = daemon().await;
    let mut stream = load(&daemon, "provider-plugin-turn").stream(&daemon).await;
    let key = "ops::agent:ops:telegram:direct:12345";
    assert_eq!(stream.header("x-turnmux-session"), Some(key));
    stream.rest().await;
    assert_eq!(daemon.session(key).await.unwrap()["directory"], json!(daemon.work().canonicalize().unwrap()));
    let elsewhere = Recorded::load("provider-plugin-turn", "/etc").refused(&daemon).await;
    let refusal = elsewhere.refused(400, "workspace_not_allowed");
    assert_eq!(refusal.param.as_deref(), Some("x-openclaw-workspace"));
}

#[tokio::test]
async fn a_title_request_has_a_session_and_a_process_of_its_own_that_soon_goes() {
    let config = "sessions.unnamed_idle_timeout = \"0s\"\n[aliases]\n\"claude-mux\" = \"claude-code\"";
    let daemon = Daemon::stand_in().config(config).start().await;
    load(&daemon, "gateway-turn1").stream(&daemon).await.rest().await;
    let key = "default::4dba8afd-450d-40a3-8815-d7b78dff034f:0";
    let pid = daemon.agent(key).await;
    let mut title = load(&daemon, "title").stream(&daemon).await;
    let own = title.header("x-turnmux-session").unwrap().to_owned();
    assert_ne!(own, key);
    assert!(title.rest().await.0.ends_with("[turn 1]"));
    daemon.logged("the session has no process", 1).await;
    assert!(daemon.session(&own).await.unwrap()["pid"].is_null());
    assert_eq!(daemon.agent(key).await, pid, "the conversation's process is not touched");
    daemon.client.delete(&format!("/v1/sessions/{}", key.replace(':', "%3A"))).await;
    gone(pid).await;
}

#[tokio::test]
async fn what_is_not_supported_says_what_to_configure() {
    let daemon = daemon().await;
    let refusal = load(&daemon, "tools-request").refused(&daemon).await.refused(400, "unsupported_parameter");
    assert_eq!(refusal.param.as_deref(), Some("tools"));
    assert!(refusal.message.contains("compat.supportsTools: false"), "{refusal:?}");
    let refusal = load(&daemon, "image").refused(&daemon).await.refused(400, "invalid_content");
    assert_eq!(refusal.param.as_deref(), Some("messages[1].content[1].type"));
    assert!(daemon.stand_in_turns().is_empty());
}
