//! What is told of the real claude's turns when they are over.

use serde_json::{Value, json};

use super::{KEY, bash};
use crate::harness::{Claude, Daemon, ask};

on_all!(a_turn_with_a_tool_is_told_afterwards);

async fn a_turn_with_a_tool_is_told_afterwards(claude: Claude) {
    let bypassing = Daemon::claude(claude).args(&["--permission", "bypass"]).env("IS_SANDBOX", "1");
    let daemon = bypassing.start().await;
    let script = format!("::say \"first\\n\"\n{}\n::say last", bash("echo from the tool"));
    let mut body = ask(&script);
    body["metadata"] = json!({"ticket": "42"});
    let reply = daemon.client.session(KEY).post("/v1/chat/completions", &body).await;
    let turn = reply.header("x-turnmux-turn").expect("a turn").to_owned();
    assert!(reply.text().contains("last"), "{reply:?}");

    let full = daemon.client.get(&format!("/v1/turns/{turn}")).await.json();
    let messages: Vec<(&Value, &str)> = full["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| (&message["kind"], message["text"].as_str().unwrap().trim()))
        .collect();
    let text = json!("text");
    assert_eq!(messages, [(&text, &*script), (&text, "first"), (&text, "last")]);
    let calls = full["tool_calls"].as_array().expect("calls");
    assert_eq!((calls.len(), &calls[0]["name"], &calls[0]["is_error"]), (1, &json!("Bash"), &json!(false)));
    assert_eq!(calls[0]["input"]["command"], "echo from the tool");
    assert!(calls[0]["result"].as_str().unwrap().contains("from the tool"), "{calls:?}");
    assert!(calls[0]["started_at"].as_u64() <= calls[0]["ended_at"].as_u64(), "{calls:?}");
    assert!(full["usage"]["output_tokens"].as_u64() > Some(0), "{full}");

    let found = daemon.client.get("/v1/turns?tag=ticket=42").await.json();
    assert_eq!((found["data"].as_array().map(Vec::len), &found["data"][0]["id"]), (Some(1), &json!(turn)));
    let exported = daemon.client.get(&format!("/v1/sessions/{KEY}/export")).await;
    let exported = String::from_utf8(exported.body.to_vec()).unwrap();
    let kinds: Vec<String> = exported
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["type"].as_str().or(line["object"].as_str()).unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds[..2], ["session", "turn"]);
    for kind in ["user_text", "assistant_text", "tool_use", "tool_result", "turn_completed"] {
        assert!(kinds.iter().any(|other| other == kind), "{kind}: {kinds:?}");
    }
    assert!(!kinds.iter().any(|kind| kind == "text_delta"), "{kinds:?}");
    let text = daemon.client.with("accept", "text/markdown").get(&format!("/v1/sessions/{KEY}/export")).await;
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    let mut parts = ["> first", "<summary>Bash</summary>", "from the tool\n```", "</details>", "> last"].iter();
    assert!(parts.all(|part| text.contains(part)) && text.contains("`ticket=42`"), "{text}");
}
