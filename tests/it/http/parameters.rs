//! What becomes of parameters that an agent cannot honour: refused where the answer would mean something else without
//! them, else ignored and named.

use serde_json::{Value, json};

use crate::harness::{Daemon, ask};

const CHAT: &str = "/v1/chat/completions";

fn with(extra: &Value) -> Value {
    let mut body = ask("hello");
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_would_change_the_answers_meaning_is_refused() {
    let daemon = Daemon::stand_in().start().await;
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    for (extra, param) in [
        (json!({"tools": [tool]}), "tools"),
        (json!({"functions": [{"name": "f"}]}), "functions"),
        (json!({"n": 2}), "n"),
        (json!({"n": 0}), "n"),
        (json!({"response_format": {"type": "json_object"}}), "response_format.type"),
        (json!({"response_format": {"type": "json_schema", "json_schema": {}}}), "response_format.type"),
        (json!({"stop": "END"}), "stop"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]}),
            "messages[0].content[0].type",
        ),
    ] {
        let reply = daemon.client.post(CHAT, &with(&extra)).await;
        let code = reply.code();
        let refusal = reply.refused(400, &code);
        assert_eq!(refusal.param.as_deref(), Some(param), "{extra}");
        assert!(["unsupported_parameter", "invalid_content"].contains(&&*code), "{extra}: {refusal:?}");
    }
    assert!(daemon.stand_in_turns().is_empty(), "nothing may reach an agent");
}

#[tokio::test]
async fn what_is_ignored_is_named() {
    let daemon = Daemon::stand_in().start().await;
    let extra =
        json!({"temperature": 0.2, "top_p": 0.9, "max_completion_tokens": 100, "seed": 7, "frobnicate": {"a": [1]}});
    let reply = daemon.client.post(CHAT, &with(&extra)).await;
    assert_eq!(reply.text(), "You said: hello [turn 1]");
    let ignored = "frobnicate, max_completion_tokens, seed, temperature, top_p";
    assert_eq!(reply.header("x-turnmux-ignored"), Some(ignored));

    let mut body = with(&extra);
    body["stream"] = json!(true);
    let mut stream = daemon.client.stream_body(&body).await;
    assert_eq!(stream.header("x-turnmux-ignored"), Some(ignored));
    assert_eq!(stream.rest().await.0, "You said: hello [turn 1]");
}

#[tokio::test]
async fn what_says_nothing_new_is_neither_refused_nor_named() {
    let daemon = Daemon::stand_in().start().await;
    let extra = json!({"n": 1, "tools": [], "stop": null, "logprobs": false, "response_format": {"type": "text"},
        "stream_options": null, "user": null, "modalities": ["text"], "store": false});
    let reply = daemon.client.post(CHAT, &with(&extra)).await;
    assert_eq!(reply.text(), "You said: hello [turn 1]");
    assert_eq!(reply.header("x-turnmux-ignored"), None);
}

#[tokio::test]
async fn a_deep_field_that_nobody_reads_does_no_harm() {
    let daemon = Daemon::stand_in().start().await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let body = ask("hello").to_string();
    let with = |name: &str| format!("{}, \"{name}\": {deep}}}", body.strip_suffix('}').unwrap());
    let reply = daemon.client.request(hyper::Method::POST, CHAT, with("frobnicate").into()).await;
    assert_eq!(reply.text(), "You said: hello [turn 1]");
    assert_eq!(reply.header("x-turnmux-ignored"), Some("frobnicate"));
    // Nor does one that is read.
    let reply = daemon.client.request(hyper::Method::POST, CHAT, with("metadata").into()).await;
    reply.refused(400, "invalid_tags");
}

#[tokio::test]
async fn servers_of_tools_are_taken_where_their_tools_could_run() {
    let denying = "[backends.denying]\npermission = \"deny\"\ncommand = \"claude\"";
    let daemon = Daemon::stand_in().config(denying).start().await;
    let server = json!({"type": "http", "url": "http://127.0.0.1:9/"});
    let mut offering = with(&json!({"turnmux": {"mcp_servers": {"own": server}}, "model": "denying"}));
    let refusal = daemon.client.post(CHAT, &offering).await.refused(400, "mcp_unsupported");
    assert!(
        refusal.message.contains("`deny`") && refusal.param.as_deref() == Some("turnmux.mcp_servers"),
        "{refusal:?}"
    );
    offering["turnmux"]["mcp_servers"]["own"]["url"] = json!("http://192.0.2.1/");
    let refusal = daemon.client.post(CHAT, &offering).await.refused(400, "invalid_mcp_servers");
    assert_eq!(refusal.param.as_deref(), Some("turnmux.mcp_servers.own"));
    let none = daemon.client.post(CHAT, &with(&json!({"turnmux": {}}))).await;
    assert_eq!((none.text().as_str(), none.header("x-turnmux-ignored")), ("You said: hello [turn 1]", None));
}
