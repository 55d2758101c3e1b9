//! What claude asks in its terminal before it takes a message: answered as the configuration says, or an error that says who
//! has to answer.

use serde_json::{Value, json};

use super::KEY;
use crate::harness::{Claude, Daemon, Reply, channel_memory};

in_terminal!(
    trust_is_given_inside_the_workspace_roots_alone,
    a_configured_api_key_is_used_and_no_other,
    the_first_steps_are_for_a_person,
    a_question_about_the_project_is_shown,
    without_channels_there_is_stdio,
);

/// What claude remembers, without one part of it.
fn forgotten(part: &str) -> Value {
    let mut memory = channel_memory();
    memory.as_object_mut().expect("an object").remove(part).expect("it was there");
    memory
}

/// The error's status and code, and its sentence.
fn error(reply: &Reply) -> ((u16, String), String) {
    let said = reply.json()["error"]["message"].as_str().expect("a sentence").to_owned();
    ((reply.status.as_u16(), reply.code()), said)
}

async fn trust_is_given_inside_the_workspace_roots_alone(claude: Claude) {
    let inside = "server.workspace_roots = [\"@SCRATCH@\"]";
    let daemon = Daemon::claude(claude).remembering(forgotten("projects")).config(inside).start().await;
    assert_eq!(daemon.client.session(KEY).ask("one").await.text(), "You said: one [turn 1]");
    assert!(daemon.log().contains("dialog=Trust"), "claude asked");

    // The home directory is the default, and the daemon's own lies elsewhere.
    let daemon = Daemon::claude(claude).remembering(forgotten("projects")).start().await;
    let (code, said) = error(&daemon.client.session(KEY).ask("one").await);
    assert_eq!(code, (503, "agent_misconfigured".into()), "{said}");
    assert!(said.contains("`server.workspace_roots`") && said.contains("/work"), "{said}");
}

async fn a_configured_api_key_is_used_and_no_other(claude: Claude) {
    let key = "sk-ant-a-key-of-the-configuration";
    let config = format!("backends.claude-code.env.ANTHROPIC_API_KEY = \"{key}\"");
    let daemon = Daemon::claude(claude).remembering(forgotten("customApiKeyResponses")).config(&config).start().await;
    assert_eq!(daemon.client.session(KEY).ask("one").await.text(), "You said: one [turn 1]");
    assert!(daemon.log().contains("dialog=ApiKey"), "claude asked");
    let asked = daemon.model.requests();
    assert!(asked.iter().any(|request| request.header("x-api-key") == Some(key)), "the key is used");

    let daemon = Daemon::claude(claude)
        .remembering(forgotten("customApiKeyResponses"))
        .env("ANTHROPIC_API_KEY", key)
        .start()
        .await;
    let (code, said) = error(&daemon.client.session(KEY).ask("one").await);
    assert_eq!(code, (503, "agent_misconfigured".into()), "{said}");
    assert!(said.contains("[backends.claude-code.env]") && said.contains("ANTHROPIC_API_KEY"), "{said}");
    assert!(!said.contains(key) && !daemon.log().contains(key));
}

async fn the_first_steps_are_for_a_person(claude: Claude) {
    // With a service of its own claude does not look for Anthropic's first.
    let fresh = Daemon::claude(claude).remembering(json!({})).env("CLAUDE_CODE_USE_BEDROCK", "1").start().await;
    let (code, said) = error(&fresh.client.session(KEY).ask("one").await);
    assert_eq!(code, (503, "agent_not_signed_in".into()), "{said}");
    assert!(said.contains("in a terminal") && said.contains("/login"), "{said}");
    // Otherwise it looks for Anthropic's service, which is not to be found here, and ends.
    let fresh = Daemon::claude(claude).remembering(json!({})).start().await;
    let (code, said) = error(&fresh.client.session(KEY).ask("one").await);
    assert_eq!(code, (503, "agent_start_failed".into()), "{said}");
    assert!(said.contains("Unable to connect to Anthropic services"), "{said}");
}

async fn a_question_about_the_project_is_shown(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let servers = json!({"mcpServers": {"of-the-project": {"command": "true"}}});
    std::fs::write(daemon.work().join(".mcp.json"), servers.to_string()).unwrap();
    let (code, said) = error(&daemon.client.session(KEY).ask("one").await);
    assert_eq!(code, (503, "agent_start_failed".into()), "{said}");
    assert!(said.contains("New MCP server found in this project") && said.contains("of-the-project"), "{said}");
    assert!(said.contains("in a terminal"), "{said}");
    // Nobody has answered in the user's place.
    assert!(!daemon.work().join(".claude/settings.local.json").exists());
}

async fn without_channels_there_is_stdio(claude: Claude) {
    let config = "[backends.auto]\ndriver = \"claude\"";
    let memory = forgotten("cachedGrowthBookFeatures");
    let builder = Daemon::claude(claude).remembering(memory).config(config);
    let daemon = builder.env("NO_PROXY", "127.0.0.1").start().await;
    let (code, said) = error(&daemon.client.session(KEY).ask("one").await);
    assert_eq!(code, (503, "agent_start_failed".into()), "{said}");
    assert!(said.contains("no channels") && said.contains("claude-stream"), "{said}");

    let session = daemon.client.session("auto::1");
    for turn in 1..=2 {
        let body = json!({"model": "auto", "messages": [{"role": "user", "content": "word"}]});
        let answer = session.post("/v1/chat/completions", &body).await;
        assert_eq!(answer.text(), format!("You said: word [turn {turn}]"));
    }
    let health = daemon.client.get("/health").await.json();
    let note = health["backends"]["auto"]["note"].as_str().expect("a note").to_owned();
    assert!(note.starts_with("stdio: ") && note.contains("no channels"), "{note}");
    assert!(daemon.log().contains("there are no channels; this backend is spoken with over stdio"));
    let address: std::net::SocketAddr = health["channel"].as_str().expect("an address").parse().expect("an address");
    assert!(address.ip().is_loopback() && address.port() > 0, "{address}");

    // What was found out holds: the next session does not try again.
    let before = daemon.started();
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "word"}]});
    daemon.client.session("auto::2").post("/v1/chat/completions", &body).await.text();
    assert_eq!(daemon.started(), before + 1);
}
