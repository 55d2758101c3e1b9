//! What the real claude does, as events.

use serde_json::{Value, json};

use super::{KEY, bash};
use crate::harness::{Claude, Daemon, types};

on_all!(a_turn_with_tools_is_told_step_by_step);

async fn a_turn_with_tools_is_told_step_by_step(claude: Claude) {
    let bypassing = Daemon::claude(claude).args(&["--permission", "bypass"]).env("IS_SANDBOX", "1");
    let daemon = bypassing.start().await;
    let session = daemon.client.session(KEY);
    session.ask("before").await.text();
    let mut watch = daemon.client.watch(&format!("/v1/sessions/{KEY}/events")).await;
    let file = daemon.work().join("new.txt");
    let write = json!({"file_path": file, "content": "written"});
    let script = format!("::say \"first\\n\"\n{}\n::tool Write {write}\n::say last", bash("echo from the tool"));
    session.ask(&script).await.text();
    let events = watch.until("turn_completed").await;
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let of = |kind: &str| -> Vec<&Value> { events.iter().filter(|event| event["type"] == kind).collect() };
    assert_eq!(types(&events)[..2], ["user_text", "turn_started"]);
    let tools: Vec<_> = of("tool_use").iter().map(|event| event["name"].clone()).collect();
    assert_eq!(tools, ["Bash", "Write"]);
    let results = of("tool_result");
    assert!(results[0]["text"].as_str().unwrap().contains("from the tool"), "{results:?}");
    assert_eq!((&results[0]["id"], &results[0]["is_error"]), (&of("tool_use")[0]["id"], &json!(false)));
    let changes = of("file_change");
    assert_eq!((changes.len(), &changes[0]["path"], &changes[0]["change"]), (1, &json!(file), &json!("created")));
    let messages: Vec<_> = of("assistant_text").iter().map(|event| event["text"].as_str().unwrap().trim()).collect();
    assert_eq!(messages, ["first", "last"]);
    assert!(of("usage")[0]["output_tokens"].as_u64() > Some(0), "{events:?}");
}
