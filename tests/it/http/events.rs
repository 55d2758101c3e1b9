//! `GET /v1/sessions/{key}/events`, `GET /v1/turns/{id}/events`, `GET /v1/sessions/{key}/turns` and `GET /v1/turns/{id}`.

use serde_json::{Value, json};

use crate::harness::{Daemon, types};

/// The numbers of events.
fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn a_session_is_watched_while_its_turns_run() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::1");
    session.ask("before").await;
    let mut watch = daemon.client.watch("/v1/sessions/a::1/events").await;
    session.ask("::say one\n::say two").await;
    let events = watch.until("turn_completed").await;
    let kinds = ["user_text", "turn_started", "text_delta", "text_delta", "assistant_text", "usage", "turn_completed"];
    assert_eq!(types(&events), kinds);
    assert_eq!((&events[0]["text"], &events[4]["text"]), (&json!("::say one\n::say two"), &json!("onetwo")));
    assert!(events.iter().all(|event| event["turn"] == events[0]["turn"] && event["at"].is_u64()), "{events:?}");
    let first = events[0]["seq"].as_u64().unwrap();
    assert_eq!(seqs(&events), (first..first + 7).collect::<Vec<_>>(), "no number is left out");

    session.ask("after").await;
    assert_eq!(seqs(&watch.until("turn_completed").await)[0], first + 7);
    assert_eq!(daemon.client.delete("/v1/sessions/a::1").await.status, 200);
    assert_eq!(types(&watch.rest().await), ["over"]);
}

#[tokio::test]
async fn whoever_comes_back_names_the_last_event_and_misses_nothing() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::1");
    let turn = session.ask("one").await.header("x-turnmux-turn").unwrap().to_owned();
    let all = daemon.client.watch(&format!("/v1/turns/{turn}/events")).await.rest().await;
    assert_eq!(types(&all)[all.len() - 2..], ["turn_completed", "over"]);
    let all = &all[..all.len() - 1];
    assert_eq!(seqs(all), (1..=all.len() as u64).collect::<Vec<_>>());

    let again = daemon.client.with("Last-Event-ID", "3");
    let rest = again.watch(&format!("/v1/turns/{turn}/events")).await.rest().await;
    assert_eq!(rest[..rest.len() - 1], all[3..]);
    let from_the_start = daemon.client.watch("/v1/sessions/a::1/events?after=0").await.until("turn_completed").await;
    assert_eq!(from_the_start, all);
}

#[tokio::test]
async fn several_watch_a_turn_that_nobody_else_reads() {
    let daemon = Daemon::stand_in().config("[sessions]\ndisconnect_grace = \"1m\"\n").start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::1");
    let mut stream = session.stream(&format!("::say one\n{}\n::say two", gate.hold())).await;
    stream.first_text().await;
    let path = format!("/v1/turns/{}/events", stream.header("x-turnmux-turn").unwrap());
    let (mut a, mut b) = (daemon.client.watch(&path).await, daemon.client.watch(&path).await);
    a.until("text_delta").await;
    drop(stream);
    gate.open();
    let (a, b) = (a.rest().await, b.rest().await);
    assert!(b.ends_with(&a) && types(&a).ends_with(&["turn_completed", "over"]), "{a:?} {b:?}");
}

#[tokio::test]
async fn turns_are_told_as_they_are() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::1");
    session.ask("one").await;
    let gate = daemon.gate("gate");
    let mut running = session.stream(&format!("::say x\n{}", gate.hold())).await;
    running.first_text().await;
    let queued = session.stream("waits").await;
    let list = daemon.client.get("/v1/sessions/a::1/turns").await.json();
    let statuses: Vec<_> = list["data"].as_array().unwrap().iter().map(|turn| turn["status"].clone()).collect();
    assert_eq!(statuses, ["completed", "in_progress", "queued"]);
    let done = &list["data"][0];
    assert_eq!(
        (&done["object"], &done["session"], &done["text"]),
        (&json!("turn"), &json!("a::1"), &json!("You said: one [turn 1]"))
    );
    assert!(done["usage"]["output_tokens"].is_u64() && done["thread"].is_string() && done["error"].is_null(), "{done}");
    assert!(
        done["accepted_at"].as_u64() <= done["started_at"].as_u64()
            && done["started_at"].as_u64() <= done["ended_at"].as_u64()
    );

    let id = queued.header("x-turnmux-turn").unwrap().to_owned();
    let in_full = daemon.client.get("/v1/sessions/a::1/turns?expand=messages").await.json();
    assert_eq!(daemon.client.get(&format!("/v1/turns/{id}")).await.json(), in_full["data"][2]);
    drop(queued);
    drop(running);
    let ended = daemon.client.watch(&format!("/v1/turns/{id}/events")).await.until("turn_interrupted").await;
    assert_eq!(types(&ended), ["user_text", "turn_waiting", "turn_interrupted"]);
    assert_eq!(ended[2]["cause"], "client_gone");
    let ended = daemon.client.get(&format!("/v1/turns/{id}")).await.json();
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("interrupted"), &json!("turn_interrupted")));
    assert_eq!(ended["cause"], "client_gone");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_cannot_be_is_refused() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session("a::1").ask("one").await;
    let unknown = "/v1/turns/turn_01a1fcad17697700924c24d3bd6df28e";
    for (path, code) in [
        ("/v1/sessions/a::2/events", "session_not_found"),
        ("/v1/sessions/a::2/turns", "session_not_found"),
        (unknown, "turn_not_found"),
        (&format!("{unknown}/events"), "turn_not_found"),
    ] {
        let reply = daemon.client.get(path).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (404, code), "{path}");
    }
    for (path, code) in [
        ("/v1/turns/one", "invalid_turn"),
        ("/v1/turns/one/events", "invalid_turn"),
        ("/v1/sessions/a::1/events?after=x", "invalid_last_event_id"),
        ("/v1/sessions/a::1/events?after=-1", "invalid_last_event_id"),
        ("/v1/sessions/a::1/events?after=1000", "invalid_last_event_id"),
    ] {
        let reply = daemon.client.get(path).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (400, code), "{path}");
    }
    let future = daemon.client.with("Last-Event-ID", "99").get("/v1/sessions/a::1/events").await;
    assert_eq!((future.status.as_u16(), &*future.code()), (400, "invalid_last_event_id"));
    assert!(future.json()["error"]["message"].as_str().unwrap().contains("the last event has number"), "{future:?}");
}

#[tokio::test]
async fn what_is_not_in_memory_any_more_is_read_from_the_store() {
    let daemon = Daemon::stand_in().config("[limits]\nevents_bytes = \"1MiB\"\n").start().await;
    let session = daemon.client.session("a::1");
    session.ask("one").await;
    session.ask("::huge 600000").await;
    let mut watch = daemon.client.watch("/v1/sessions/a::1/events?after=0").await;
    let mut events = watch.until("turn_completed").await;
    events.extend(watch.until("turn_completed").await);
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.last().unwrap()["text"].as_str().map(str::len), Some(600_000));
}

#[tokio::test]
async fn whoever_is_too_slow_is_told_what_is_gone_where_nothing_is_kept() {
    let daemon = Daemon::stand_in().args(&["--ephemeral"]).config("[limits]\nevents_bytes = \"1MiB\"\n").start().await;
    let session = daemon.client.session("a::1");
    session.ask("one").await;
    session.ask("::huge 600000").await;
    let events = daemon.client.watch("/v1/sessions/a::1/events?after=0").await.until("turn_completed").await;
    assert_eq!((&events[0]["type"], &events[0]["from"]), (&json!("missed"), &json!(1)));
    assert_eq!(events[1]["seq"].as_u64(), events[0]["to"].as_u64().map(|to| to + 1));
}

#[tokio::test]
async fn a_chat_client_is_told_of_events_in_its_own_stream_when_it_asks() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::1");
    let (text, chunks) = session.with("x-turnmux-events", "true").stream("::say one").await.rest().await;
    assert_eq!(text, "one");
    let told: Vec<_> = chunks.iter().filter_map(|chunk| chunk["turnmux"]["event"].as_str()).collect();
    assert_eq!(told, ["user_text", "turn_waiting", "turn_started", "assistant_text", "usage", "turn_completed"]);
    for chunk in chunks.iter().filter(|chunk| chunk["turnmux"].is_object()) {
        assert_eq!(chunk["turnmux"]["event"], chunk["turnmux"]["data"]["type"]);
        assert_eq!(chunk["choices"][0]["delta"]["content"], "", "SDKs see a piece that says nothing");
    }
    let (text, chunks) = session.with("x-turnmux-events", "all").stream("::say one").await.rest().await;
    assert_eq!(text, "one");
    let pieces = chunks.iter().filter(|chunk| chunk["turnmux"]["data"]["type"] == "text_delta");
    let pieces: String = pieces.map(|chunk| chunk["turnmux"]["data"]["text"].as_str().unwrap()).collect();
    assert_eq!(pieces, "one");
    let (_, chunks) = session.stream("two").await.rest().await;
    assert!(chunks.iter().all(|chunk| chunk["turnmux"].is_null()), "nobody else is told");
    session.with("x-turnmux-events", "maybe").ask("three").await.refused(400, "invalid_header");
}

#[tokio::test]
async fn the_agents_own_lines_are_shown_to_whoever_asks() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::1");
    session.ask("before").await;
    let mut raw = daemon.client.watch("/v1/sessions/a::1/events?raw=true").await;
    let mut others = daemon.client.watch("/v1/sessions/a::1/events").await;
    session.ask("::say one").await;
    let seen = raw.until("turn_completed").await;
    let lines: Vec<_> = seen.iter().filter_map(|event| event["line"].as_str()).collect();
    let line = |kind: &str| lines.iter().any(|line| line.contains(&format!(r#""type":"{kind}""#)));
    assert!(line("stream_event") && line("result"), "{lines:?}");
    assert!(!types(&others.until("turn_completed").await).contains(&"raw"));
    daemon.client.get("/v1/sessions/a::1/events?raw=yes").await.refused(400, "invalid_parameter");
}
