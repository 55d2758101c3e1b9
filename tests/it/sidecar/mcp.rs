//! What the agent sees of the sidecar.

use serde_json::{Value, json};

use super::{Agent, Hub, connected};

#[tokio::test]
async fn it_declares_a_channel_and_one_tool() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    let mut result = agent.shake_hands().await;
    let instructions = result["instructions"].take();
    assert!(instructions.as_str().unwrap().contains("<channel source=\"turnmux\""), "{instructions}");
    let experimental = json!({ "claude/channel": {}, "claude/channel/permission": {} });
    let expected = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "experimental": experimental, "tools": {} },
        "serverInfo": { "name": "turnmux", "version": env!("CARGO_PKG_VERSION") },
        "instructions": null,
    });
    assert_eq!(result, expected);
    let tools = agent.call("tools/list", json!({})).await["result"]["tools"].take();
    assert_eq!(tools.as_array().unwrap().len(), 1);
    assert_eq!(tools[0]["name"], "reply");
    let schema = &tools[0]["inputSchema"];
    assert_eq!((&schema["required"], &schema["type"]), (&json!(["text"]), &json!("object")));
    assert_eq!(agent.call("ping", json!({})).await["result"], json!({}));
    agent.stop().await;
}

/// claude 2.1.329 asks for 2026-07-28 first, and gives no channel to a server that takes it.
#[tokio::test]
async fn no_client_gets_a_revision_that_has_no_channels() {
    let hub = Hub::new().await;
    let mut agent = Agent::start(&hub);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "claude-code", "version": "2" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut answer = agent.call("server/discover", json!({ "_meta": meta })).await;
    let mut supported = answer["error"]["data"]["supported"].take();
    assert_eq!(supported.as_array_mut().and_then(Vec::pop), Some(json!("2025-11-25")), "{answer}");
    assert_eq!(agent.initialize("2026-07-28").await["protocolVersion"], "2025-11-25");
    agent.initialized().await;
    agent.stop().await;

    let mut agent = Agent::start(&hub);
    assert_eq!(agent.initialize("2025-06-18").await["protocolVersion"], "2025-06-18", "an older one is spoken");
    agent.stop().await;
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_refused_with_a_sentence() {
    let (_hub, mut agent, _wire, _) = connected().await;
    for (arguments, said) in [
        (json!({}), "give the text"),
        (json!({ "text": 7 }), "give the text"),
        (json!({ "text": "" }), "is empty"),
        (json!({ "text": "x", "final": "yes" }), "true or false"),
        (json!({ "text": "x".repeat((1 << 20) + 1) }), "longer than"),
    ] {
        let (is_error, sentence) = agent.reply(arguments).await;
        assert!(is_error && sentence.starts_with("not sent: ") && sentence.contains(said), "{sentence}");
    }
    agent.stop().await;
}

/// The SDK logs what it refuses, and nothing of what was said may be in it.
#[tokio::test]
async fn an_unknown_tool_is_refused() {
    let (_hub, mut agent, _wire, _) = connected().await;
    let params = json!({ "name": "other", "arguments": { "text": "private words" } });
    let answer = agent.call("tools/call", params).await;
    assert_eq!((&answer["result"], &answer["error"]["code"]), (&Value::Null, &json!(-32602)), "{answer}");
    agent.hang_up();
    let (status, stderr) = agent.ended().await;
    assert!(status.success() && !stderr.contains("private words"), "{status}: {stderr}");
}
