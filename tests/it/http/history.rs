//! What has been said and done: `GET /v1/turns`, `/v1/turns/{id}`, `/v1/sessions/{key}/turns` and `/v1/sessions/{key}/export`.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Client, Daemon, Reply, all_gone, ask, content};

/// A turn of session `key` with these tags; its id.
async fn tagged(client: &Client, key: &str, text: &str, metadata: Value) -> String {
    let mut body = ask(text);
    body["metadata"] = metadata;
    let reply = client.session(key).post("/v1/chat/completions", &body).await;
    assert_eq!(reply.header("x-turnmux-ignored"), None, "{reply:?}");
    id(&reply)
}

fn id(reply: &Reply) -> String {
    reply.header("x-turnmux-turn").expect("a turn").to_owned()
}

/// The ids in a list, and whether there are more.
async fn listed(client: &Client, path: &str) -> (Vec<String>, bool) {
    let list = client.get(path).await.json();
    let ids = list["data"].as_array().expect("a list").iter();
    (ids.map(|turn| turn["id"].as_str().unwrap().to_owned()).collect(), list["has_more"].as_bool().unwrap())
}

/// What a turn's messages are: kinds and texts.
fn messages(turn: &Value) -> Vec<(&str, &str)> {
    let messages = turn["messages"].as_array().expect("messages").iter();
    messages.map(|message| (message["kind"].as_str().unwrap(), message["text"].as_str().unwrap())).collect()
}

/// The lines of an export.
async fn lines(client: &Client, key: &str) -> Vec<Value> {
    let reply = client.get(&format!("/v1/sessions/{key}/export")).await;
    assert_eq!(reply.header("content-type"), Some("application/jsonl"));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn markdown(client: &Client, key: &str) -> String {
    let reply = client.with("accept", "text/markdown").get(&format!("/v1/sessions/{key}/export")).await;
    assert_eq!(reply.header("content-type"), Some("text/markdown; charset=utf-8"));
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_turn_is_told_in_full() {
    let daemon = Daemon::stand_in().start().await;
    let script = "::think hm\n::say one\n::tool Bash {\"command\":\"ls\"}\n::say two";
    let turn = tagged(&daemon.client, "a::1", script, json!({"ticket": "42"})).await;
    let full = daemon.client.get(&format!("/v1/turns/{turn}")).await.json();
    assert_eq!(messages(&full), [("text", script), ("reasoning", "hm"), ("text", "one"), ("text", "two")]);
    let roles: Vec<_> = full["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "assistant", "assistant"]);
    let call = &full["tool_calls"][0];
    assert_eq!((&call["name"], &call["input"]), (&json!("Bash"), &json!({"command": "ls"})));
    assert_eq!(call["is_error"], false);
    assert!(call["result"].is_string() && call["started_at"].as_u64() <= call["ended_at"].as_u64(), "{call}");
    let seqs = [&full["messages"][2], call, &full["messages"][3]].map(|item| item["seq"].as_u64().unwrap());
    assert!(seqs.is_sorted() && full["first_seq"].as_u64() < Some(seqs[0]), "{seqs:?} say what came when");
    assert_eq!((&full["tags"], &full["truncated"]), (&json!({"ticket": "42"}), &json!(false)));
    assert!(full["usage"]["output_tokens"].is_u64() && full["cause"].is_null(), "{full}");

    let list = daemon.client.get("/v1/turns").await.json();
    assert!(list["data"][0]["messages"].is_null() && list["data"][0]["tool_calls"].is_null(), "{list}");
    assert_eq!(daemon.client.get("/v1/turns?expand=messages").await.json()["data"][0], full);
}

#[tokio::test]
async fn what_a_running_turn_has_said_so_far_is_told() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::1");
    let script = format!("::say one\n::say two\n{}", gate.hold());
    let mut running = session.stream(&script).await;
    running.until("all of it", |chunk| content(chunk) == "two").await;
    let steer = daemon.client.post("/v1/sessions/a::1/steer", &json!({"input": "more"})).await.json();
    // What came before a turn was taken is kept when that is.
    let waits = session.stream("waits").await;
    let path = format!("/v1/turns/{}", running.header("x-turnmux-turn").unwrap());
    let full = daemon.client.get(&path).await.json();
    assert_eq!(messages(&full), [("text", &*script), ("steer", "more"), ("text", "onetwo")]);
    assert_eq!((&full["status"], &full["messages"][1]["steer"]), (&json!("in_progress"), &steer["steer"]));
    // And so it is taken away: as one piece, for it has no end.
    let of = |lines: &[Value], kind: &str| {
        let mut found = lines.iter().filter(|line| line["type"] == kind);
        found.next().map(|line| line["text"].as_str().unwrap().to_owned())
    };
    let exported = lines(&daemon.client, "a::1").await;
    assert_eq!(of(&exported, "text_delta").as_deref(), Some("onetwo"), "{exported:?}");
    assert!(markdown(&daemon.client, "a::1").await.contains("**Assistant**\n\n> onetwo\n"));
    gate.open();
    running.rest().await;
    let exported = lines(&daemon.client, "a::1").await;
    assert_eq!((of(&exported, "text_delta"), of(&exported, "assistant_text").is_some()), (None, true));
    drop(waits);
}

#[tokio::test]
async fn what_a_lost_turn_had_said_is_told() {
    let mut daemon = Daemon::stand_in().start().await;
    let script = "::think hm\n::say seen\n::silent";
    let mut body = ask(script);
    (body["stream"], body["metadata"]) = (json!(true), json!({"ticket": "42"}));
    let mut running = daemon.client.session("a::1").stream_body(&body).await;
    running.first_text().await;
    // What came before a turn was taken is kept when that is.
    let queued = daemon.client.session("a::1").stream("waits").await;
    daemon.signal(Signal::SIGKILL);
    daemon.ended().await;
    all_gone(daemon.scratch()).await;
    drop((running, queued));

    let daemon = Daemon::stand_in().scratch(daemon.share_scratch()).start().await;
    let found = daemon.client.get("/v1/turns?tag=ticket=42&expand=messages").await.json();
    let lost = &found["data"][0];
    assert_eq!((&lost["status"], &lost["error"]["code"]), (&json!("failed"), &json!("turn_lost")), "{found}");
    assert_eq!(messages(lost), [("text", script), ("reasoning", "hm"), ("text", "seen")]);
    let listed = daemon.client.get("/v1/sessions/a::1/turns").await.json();
    assert_eq!(
        (&listed["data"][1]["status"], &listed["data"][1]["cause"]),
        (&json!("interrupted"), &json!("client_gone"))
    );
    let text = markdown(&daemon.client, "a::1").await;
    assert!(text.contains("**Assistant**\n\n> seen\n") && text.contains("**Failed**"), "{text}");
}

#[tokio::test]
async fn an_interrupted_turn_says_why() {
    let daemon = Daemon::stand_in().config("[sessions]\ndisconnect_grace = \"0s\"\n").start().await;
    for (key, verb, cause) in [
        ("a::1", "interrupt", "request"),
        ("a::2", "reset", "reset"),
        ("a::3", "close", "closed"),
        ("a::4", "", "client_gone"),
    ] {
        let mut running = daemon.client.session(key).stream("::say some\n::silent").await;
        running.first_text().await;
        let turn = running.header("x-turnmux-turn").unwrap().to_owned();
        let mut watch = daemon.client.watch(&format!("/v1/turns/{turn}/events")).await;
        if verb.is_empty() {
            drop(running);
        } else {
            daemon.client.post(&format!("/v1/sessions/{key}/{verb}"), &json!({})).await;
        }
        assert_eq!(watch.until("turn_interrupted").await.last().unwrap()["cause"], cause);
        let full = daemon.client.get(&format!("/v1/turns/{turn}")).await.json();
        assert_eq!((&full["status"], &full["cause"]), (&json!("interrupted"), &json!(cause)));
        assert_eq!(messages(&full)[1], ("text", "some"));
    }
}

#[tokio::test]
async fn turns_are_found_by_their_tags() {
    let daemon = Daemon::stand_in().start().await;
    let client = &daemon.client;
    let first = tagged(client, "a::1", "one", json!({"ticket": "42", "who": "x=y z"})).await;
    let second = tagged(client, "a::2", "two", json!({"ticket": "42"})).await;
    tagged(client, "a::2", "three", Value::Null).await;
    let submitted = client
        .post("/v1/sessions/a::3/submit", &json!({"input": "four", "tags": {"ticket": "43", "who": ""}}))
        .await
        .json();
    let submitted = submitted["turn"].as_str().unwrap().to_owned();
    let both = vec![second.clone(), first.clone()];
    for (query, expected) in [
        ("tag=ticket=42", both.clone()),
        ("tag=ticket%3D42", both.clone()),
        ("metadata[ticket]=42", both.clone()),
        ("metadata%5Bticket%5D=42&limit=100", both),
        ("tag=ticket=42&tag=who=x=y+z", vec![first.clone()]),
        ("tag=who=x%3Dy%20z", vec![first.clone()]),
        ("tag=ticket=42&metadata[who]=x%3Dy+z", vec![first]),
        ("tag=ticket=42&session=a::2", vec![second]),
        ("tag=who=", vec![submitted]),
        ("tag=ticket=4", vec![]),
        ("tag=ticket=42&tag=ticket=43", vec![]),
        ("session=a::1&tag=ticket=43", vec![]),
    ] {
        assert_eq!(listed(client, &format!("/v1/turns?{query}")).await, (expected, false), "{query}");
    }
}

#[tokio::test]
async fn turns_come_in_pages() {
    let daemon = Daemon::stand_in().start().await;
    let client = &daemon.client;
    let mut turns = Vec::new();
    for i in 0..5 {
        turns.push(tagged(client, if i % 2 == 0 { "a::1" } else { "a::2" }, "x", json!({"n": i.to_string()})).await);
    }
    let newest_first: Vec<String> = turns.iter().rev().cloned().collect();
    assert_eq!(listed(client, "/v1/turns").await, (newest_first.clone(), false));
    assert_eq!(listed(client, "/v1/turns?limit=5").await, (newest_first.clone(), false));
    assert_eq!(listed(client, "/v1/turns?limit=2").await, (newest_first[..2].to_vec(), true));
    let next = format!("/v1/turns?limit=2&before={}", newest_first[1]);
    assert_eq!(listed(client, &next).await, (newest_first[2..4].to_vec(), true));
    let last = format!("/v1/turns?limit=2&before={}", newest_first[3]);
    assert_eq!(listed(client, &last).await, (newest_first[4..].to_vec(), false));
    let none = format!("/v1/turns?before={}", newest_first[4]);
    assert_eq!(listed(client, &none).await, (vec![], false));

    // Of a session a page is read downwards, and the one in front of it comes before its first.
    let own: Vec<String> = turns.iter().step_by(2).cloned().collect();
    let path = "/v1/sessions/a::1/turns";
    assert_eq!(listed(client, path).await, (own.clone(), false));
    assert_eq!(listed(client, &format!("{path}?limit=2")).await, (own[1..].to_vec(), true));
    let before = format!("{path}?limit=2&before={}", own[1]);
    assert_eq!(listed(client, &before).await, (own[..1].to_vec(), false));
}

#[tokio::test]
async fn nobody_reads_what_was_said_to_another() {
    let keys = "[keys.alice]\nkey = \"key-of-alice\"\n[keys.bob]\nkey = \"key-of-bob\"\n";
    let daemon = Daemon::stand_in().keys(keys).start().await;
    let [alice, bob] = ["key-of-alice", "key-of-bob"].map(|key| daemon.client.key(key));
    let alices = tagged(&alice, "main::1", "apple", json!({"ticket": "42"})).await;
    let bobs = tagged(&bob, "main::1", "bread", json!({"ticket": "42"})).await;
    tagged(&alice, "main::2", "apple", Value::Null).await;
    for query in ["tag=ticket=42", "session=main::1"] {
        let path = format!("/v1/turns?{query}");
        assert_eq!(listed(&alice, &path).await, (vec![alices.clone()], false));
        assert_eq!(listed(&bob, &path).await, (vec![bobs.clone()], false));
    }
    bob.get(&format!("/v1/turns/{alices}")).await.refused(404, "turn_not_found");
    bob.get(&format!("/v1/turns?before={alices}")).await.refused(404, "turn_not_found");
    bob.get("/v1/turns?session=main::2").await.refused(404, "session_not_found");
    bob.get("/v1/sessions/main::2/export").await.refused(404, "session_not_found");
    let exported = markdown(&bob, "main::1").await;
    assert!(exported.contains("bread") && !exported.contains("apple"), "{exported}");
    let exported = lines(&alice, "main::1").await;
    assert!(exported.iter().all(|line| !line.to_string().contains("bread")), "{exported:?}");
}

#[tokio::test]
async fn a_session_is_taken_away_as_json_lines() {
    let daemon = Daemon::stand_in().start().await;
    let client = &daemon.client;
    // More than a page of events.
    let script = format!("::chunk 1\n::say {}", "x".repeat(600));
    let first = tagged(client, "a::1", &script, json!({"ticket": "42"})).await;
    let second = tagged(client, "a::1", "::status 500", Value::Null).await;
    let exported = lines(client, "a::1").await;
    let session = &exported[0];
    assert_eq!((&session["object"], &session["key"]), (&json!("session"), &json!("a::1")));
    let turns: Vec<&Value> = exported.iter().filter(|line| line["object"] == "turn").collect();
    assert_eq!(turns.iter().map(|turn| turn["id"].as_str().unwrap()).collect::<Vec<_>>(), [&first, &second]);
    assert_eq!((&turns[0]["tags"]["ticket"], &turns[1]["status"]), (&json!("42"), &json!("failed")));

    let watched = client.watch("/v1/sessions/a::1/events?after=0").await.until("error").await;
    let whole: Vec<&Value> = watched.iter().filter(|event| event["type"] != "text_delta").collect();
    let events: Vec<&Value> = exported.iter().filter(|line| line["type"].is_string()).collect();
    assert_eq!(events, whole, "they are the events, less the pieces of what stands as a whole");
    assert!(watched.len() > whole.len() + 500);
}

#[tokio::test]
async fn a_session_is_taken_away_as_a_transcript() {
    let daemon = Daemon::stand_in().start().await;
    let client = daemon.client.session("a::1");
    let gate = daemon.gate("gate");
    let unclosed = "```\n# no heading\n</details>";
    let script =
        format!("{unclosed}\n::say \"> a\\n````\\n\"\n::tool Bash {{\"command\":\"```` `x`\"}}\n{}", gate.hold());
    let mut running = client.stream(&script).await;
    running.first_text().await;
    // The one ends before its time has come, the other waits while the first one is told.
    let gone = client.stream("never mind").await;
    let gone_path = format!("/v1/turns/{}/events", gone.header("x-turnmux-turn").unwrap());
    let mut waits = client.stream("next").await;
    let id = running.header("x-turnmux-turn").unwrap().to_owned();
    let body = json!({"turn": gone.header("x-turnmux-turn").unwrap()});
    daemon.client.post("/v1/chat/abort", &body).await;
    daemon.client.watch(&gone_path).await.until("turn_interrupted").await;
    gate.open();
    running.rest().await;
    waits.rest().await;
    let text = markdown(&daemon.client, "a::1").await;
    let outline: Vec<&str> =
        text.lines().filter(|line| line.starts_with("##") || line.starts_with("**") || line.starts_with('<')).collect();
    let outline = outline.iter().map(|line| line.rsplit(" · ").next().unwrap()).collect::<Vec<_>>();
    let fold = ["<details>", "<summary>Bash</summary>", "</details>"];
    let mut expected = vec!["completed", "**User**", "**Assistant**"];
    expected.extend(fold);
    expected.extend(["**Assistant**", "interrupted", "**User**", "**Interrupted:** it was aborted by request."]);
    expected.extend(["completed", "**User**", "**Assistant**"]);
    assert_eq!(outline, expected, "{text}");
    assert!(text.starts_with("# Session `a::1`\n\n`claude-code` · in `"), "{text}");
    assert!(text.contains(&format!("\n`{id}` · `claude-code` · ")) && text.contains(" tokens in"), "{text}");
    assert!(text.contains("\n> ```\n> # no heading\n> </details>\n"), "quotes hold all of it: {text}");
    assert!(text.contains("\n> > a\n> ````\n"), "{text}");
    assert!(
        text.contains("\n`````json\n{\"command\":\"```` `x`\"}\n`````\n"),
        "the fence is longer than any in it: {text}"
    );
    let named = daemon.client.get("/v1/sessions/a::1/export?format=markdown").await;
    assert_eq!(String::from_utf8(named.body.to_vec()).unwrap(), text, "the parameter means the same as the header");
}

#[tokio::test]
async fn an_export_says_what_is_not_kept_any_more() {
    let daemon = Daemon::stand_in().args(&["--ephemeral"]).config("[limits]\nevents_bytes = \"1MiB\"\n").start().await;
    let session = daemon.client.session("a::1");
    session.ask("one").await;
    let turn = id(&session.ask("::huge 200000").await);
    let exported = lines(&daemon.client, "a::1").await;
    assert_eq!((&exported[1]["type"], &exported[1]["from"]), (&json!("missed"), &json!(1)));
    let next = exported[2..].iter().find(|line| line["seq"].is_u64()).expect("an event");
    assert!(next["seq"].as_u64() > exported[1]["to"].as_u64(), "{next}");
    let text = markdown(&daemon.client, "a::1").await;
    assert!(text.contains("events are not kept any more") && text.contains(&turn), "what is left is told: {text}");
    assert_eq!(daemon.client.get(&format!("/v1/turns/{turn}")).await.json()["truncated"], true);
    // The last event of this one alone is too large.
    session.ask("::huge 600000").await;
    let exported = lines(&daemon.client, "a::1").await;
    assert_eq!((exported.len(), &exported[1]["type"]), (2, &json!("missed")), "nothing else is left");
}

#[tokio::test]
async fn an_answer_holds_only_so_much() {
    let daemon = Daemon::stand_in().config("[limits]\nevents_bytes = \"256MiB\"\n").start().await;
    let session = daemon.client.session("a::1");
    let large = id(&session.ask("::huge 5000000").await);
    let small = id(&session.ask("small").await);
    let full = daemon.client.get(&format!("/v1/turns/{large}")).await;
    assert!(full.body.len() < 5_000_000, "{} bytes", full.body.len());
    assert_eq!((full.json()["truncated"].as_bool(), full.json()["usage"].is_object()), (Some(true), true));
    assert_eq!(daemon.client.get(&format!("/v1/turns/{small}")).await.json()["truncated"], false);
    let list = daemon.client.get("/v1/turns?expand=messages").await;
    assert!(list.body.len() < 5_000_000, "{} bytes", list.body.len());
    let cut: Vec<_> = list.json()["data"].as_array().unwrap().iter().map(|turn| turn["truncated"].clone()).collect();
    assert_eq!(cut, [false, true], "the newest has its room first");
    let whole = daemon.client.get("/v1/sessions/a::1/export").await;
    assert!(whole.body.len() > 5_000_000, "the export has all of it");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_name() {
    let daemon = Daemon::stand_in().start().await;
    let client = &daemon.client;
    let turn = tagged(client, "a::1", "one", Value::Null).await;
    let unknown = "turn_01a1fcad17697700924c24d3bd6df28e";
    let (long, many) = ("x".repeat(65), "tag=a=b&".repeat(17));
    for (path, code, said) in [
        ("/v1/turns?limit=0", "invalid_parameter", "from 1 to 100"),
        ("/v1/turns?limit=101", "invalid_parameter", "from 1 to 100"),
        ("/v1/turns?limit=%2B5", "invalid_parameter", "from 1 to 100"),
        ("/v1/turns?limit=5&limit=6", "invalid_parameter", "send it once"),
        ("/v1/turns?before=one", "invalid_turn", "x-turnmux-turn has it"),
        ("/v1/turns?tag=one", "invalid_parameter", "`ticket=42`"),
        ("/v1/turns?tag==x", "invalid_tags", "1 to 64 characters"),
        (&format!("/v1/turns?tag={long}=x"), "invalid_tags", "1 to 64 characters"),
        (&format!("/v1/turns?{many}"), "invalid_tags", "at most 16"),
        ("/v1/turns?expand=all", "invalid_parameter", "expected `messages`"),
        ("/v1/turns?session=", "invalid_session", "empty"),
        ("/v1/turns?tags=a=b", "invalid_parameter", "there are `session`, `tag`"),
        ("/v1/turns?tag=%ff", "invalid_parameter", "UTF-8"),
        ("/v1/sessions/a::1/turns?limit=x", "invalid_parameter", "from 1 to 100"),
        ("/v1/sessions/a::1/turns?tag=a=b", "invalid_parameter", "there are `limit`"),
        ("/v1/sessions/a::1/export?format=pdf", "invalid_parameter", "`jsonl` or `markdown`"),
        ("/v1/sessions/a::1/export?fromat=jsonl", "invalid_parameter", "`format`"),
        (&format!("/v1/turns/{turn}?messages=1"), "invalid_parameter", "`expand`"),
    ] {
        let refusal = client.get(path).await.refused(400, code);
        assert!(refusal.message.contains(said), "{path}: {refusal:?}");
    }
    for (path, code) in [
        ("/v1/sessions/a::2/export", "session_not_found"),
        ("/v1/sessions/a::2/turns?limit=5", "session_not_found"),
        ("/v1/turns?session=a::2", "session_not_found"),
        (&format!("/v1/turns?before={unknown}"), "turn_not_found"),
        (&format!("/v1/sessions/a::1/turns?before={unknown}"), "turn_not_found"),
    ] {
        client.get(path).await.refused(404, code);
    }
    let before = daemon.stand_in_turns().len();
    for tags in [json!({"a": 1}), json!(["a"]), json!("a"), json!({"": "x"}), json!({"a": "x".repeat(513)})] {
        let mut body = ask("x");
        body["metadata"] = tags.clone();
        let refusal = client.post("/v1/chat/completions", &body).await.refused(400, "invalid_tags");
        assert_eq!(refusal.param.as_deref(), Some("metadata"), "{tags}");
        let submit = client.post("/v1/sessions/a::1/submit", &json!({"input": "x", "tags": tags})).await;
        assert_eq!(submit.refused(400, "invalid_tags").param.as_deref(), Some("tags"), "{tags}");
    }
    assert_eq!(daemon.stand_in_turns().len(), before, "nothing may reach an agent");
}
