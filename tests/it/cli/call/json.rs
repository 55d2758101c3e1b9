//! Answers that fit a schema, and events.

use serde_json::{Value, json};

use super::stand_in;

const POINT: &str = r#"{"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}"#;

#[tokio::test]
async fn stdout_has_the_json_alone() {
    let daemon = stand_in().start().await;
    let prompt = "::tool Bash {\"command\": \"ls\"}\n::say \"Here:\\n```json\\n{\\\"x\\\":  1}\\n```\\nThat is all.\"";
    let ran = daemon.turnmux(&["call", "-r", prompt, "-j", POINT]).run().await;
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "{\"x\":  1}\n"), "as the agent wrote it: {ran:?}");
    assert_eq!(ran.stderr, "· Bash: ls\n");
    let asked = daemon.stand_in_turns().pop().unwrap();
    assert!(asked.contains("JSON schema") && asked.contains(r#""required":["x"]"#), "{asked}");
    let by_file = daemon.turnmux(&["call", "-r", "::say {\"x\": 2}", "-j", "point.json"]).file("point.json", POINT);
    assert_eq!(by_file.run().await.ok(), "{\"x\": 2}\n");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_sent_back() {
    let daemon = stand_in().start().await;
    // The stand-in does what stands in the answer that is sent back to it.
    let first = r#"::say "no\n::say {\"x\": 3}""#.replace("{\\\"x\\\": 3}", r#"\"{\\\"x\\\": 3}\""#);
    let ran = daemon.turnmux(&["call", "-r", &first, "-j", POINT, "--session", "s"]).run().await;
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "{\"x\": 3}\n"), "{ran:?}");
    assert!(ran.stderr.contains("does not fit the schema; asking again"), "{ran:?}");
    assert_eq!(daemon.stand_in_turns().len(), 2);
}

#[tokio::test]
async fn an_answer_that_never_fits_is_none() {
    let daemon = stand_in().start().await;
    let ran = daemon.turnmux(&["call", "-r", "::say {\"x\": \"one\"}", "-j", POINT]).run().await;
    ran.failed(1, &["after 3 attempts", "at /x:", "integer"]);
    let asked = daemon.stand_in_turns();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].contains("The last answer was refused") && asked[2].contains("::say"), "{}", asked[2]);
}

#[tokio::test]
async fn a_bad_schema_is_refused_before_anything_is_asked() {
    let daemon = stand_in().start().await;
    for (schema, word) in [
        ("{", "no JSON"),
        (r#"{"type": "strin"}"#, "no JSON schema"),
        (r#"{"properties": []}"#, "no JSON schema"),
        (r#"{"$ref": "http://127.0.0.1:1/schema"}"#, "no JSON schema"),
        ("nowhere.json", "nowhere.json: No such file"),
    ] {
        daemon.turnmux(&["call", "hello", "-j", schema]).run().await.failed(2, &["--json-schema", word]);
    }
    assert!(daemon.stand_in_turns().is_empty());
    // Where there is no daemon none is started either.
    crate::harness::Turnmux::new(&["call", "hello", "-j", "{"]).run().await.failed(2, &["--json-schema"]);
}

#[tokio::test]
async fn events_are_lines_of_json() {
    let daemon = stand_in().start().await;
    let call = ["call", "-r", "--json-stream", "::tool Bash {\"command\": \"ls\"}\n::say one\n::say two"];
    let out = daemon.turnmux(&call).run().await.ok();
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).cloned().collect::<Vec<_>>();
    let pieces: String = of("text_delta").iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(pieces, "onetwo");
    assert_eq!(of("tool_use")[0]["input"], json!({"command": "ls"}));
    assert_eq!(of("turn_completed")[0]["text"], "onetwo");
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert!(numbers.is_sorted() && events.iter().all(|event| event["turn"] == events[0]["turn"]));
    assert_eq!(events.last().unwrap()["type"], "turn_completed");

    let failed = daemon.turnmux(&["call", "-r", "--json-stream", "::exit 3"]).run().await;
    let last: Value = serde_json::from_str(failed.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((failed.code, &last["type"], &last["code"]), (Some(1), &json!("error"), &json!("agent_lost")));
}
