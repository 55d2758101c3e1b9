//! The form of streams: the first piece at once, heartbeats, usage, headers, the end.

use serde_json::{Value, json};

use crate::harness::{Daemon, ask, content};

fn streamed(text: &str) -> Value {
    let mut body = ask(text);
    body["stream"] = json!(true);
    body
}

#[tokio::test]
async fn the_first_piece_comes_before_the_agent_is_ready() {
    let daemon = Daemon::stand_in().env("STAND_IN_READY_FIFO", "@SCRATCH@/ready").start().await;
    let ready = daemon.gate("ready");
    let mut stream = daemon.client.session("a::b").stream("hello").await;
    let first = stream.next().await.unwrap();
    assert_eq!(first["object"], "chat.completion.chunk");
    assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    daemon.logged("started an agent", 1).await;
    assert_eq!(daemon.session("a::b").await.unwrap()["state"], "starting", "the agent is not ready yet");
    ready.open();
    assert_eq!(stream.rest().await.0, "You said: hello [turn 1]");
}

#[tokio::test]
async fn a_quiet_stream_has_heartbeats_that_leave_no_trace() {
    let daemon = Daemon::stand_in().config("server.heartbeat = \"100ms\"").start().await;
    let gate = daemon.gate("gate");
    let text = format!("::say before\n{}\n::say after", gate.hold());
    // The same quiet turn, not streamed: it must not be cut either.
    let whole = {
        let (client, text) = (daemon.client.session("whole::1"), text.clone());
        tokio::spawn(async move { client.ask(&text).await })
    };
    let mut stream = daemon.client.session("a::b").stream(&text).await;
    let mut all = stream.first_text().await;
    let mut heartbeats = 0;
    while heartbeats < 5 {
        let chunk = stream.next().await.expect("a heartbeat");
        assert_eq!(chunk["choices"][0]["delta"], json!({"content": ""}), "{chunk}");
        assert_eq!(chunk["choices"][0]["finish_reason"], Value::Null);
        heartbeats += 1;
    }
    gate.open();
    all.push_str(&stream.rest().await.0);
    assert_eq!(all, "beforeafter");
    assert_eq!(whole.await.unwrap().text(), "beforeafter");
}

#[tokio::test]
async fn a_turn_that_waits_for_its_agent_has_heartbeats_too() {
    let daemon = Daemon::stand_in()
        .config("server.heartbeat = \"100ms\"")
        .env("STAND_IN_READY_FIFO", "@SCRATCH@/ready")
        .start()
        .await;
    let ready = daemon.gate("ready");
    let mut stream = daemon.client.stream("hello").await;
    for _ in 0..3 {
        assert_eq!(content(&stream.next().await.expect("a heartbeat")), "");
    }
    ready.open();
    assert_eq!(stream.rest().await.0, "You said: hello [turn 1]");
}

#[tokio::test]
async fn the_form_of_a_stream() {
    let daemon = Daemon::stand_in().start().await;
    let mut stream = daemon.client.session("a::b").stream_body(&streamed("hello")).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(stream.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    let (text, mut chunks) = stream.rest().await;
    assert_eq!(text, "You said: hello [turn 1]");
    assert_eq!(chunks.pop(), Some(json!("[DONE]")));
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]));
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["model"], "claude-code");
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert_eq!(chunk["created"], chunks[0]["created"]);
        assert_eq!(chunk["choices"][0]["index"], 0);
        assert!(chunk.get("usage").is_none(), "nobody asked for usage: {chunk}");
    }
}

#[tokio::test]
async fn usage_is_a_piece_of_its_own_and_only_for_who_asks() {
    let daemon = Daemon::stand_in().start().await;
    let mut body = streamed("hello");
    body["stream_options"] = json!({"include_usage": true});
    let (_, mut chunks) = daemon.client.stream_body(&body).await.rest().await;
    assert_eq!(chunks.pop(), Some(json!("[DONE]")));
    let usage = chunks.pop().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], 161);
    assert_eq!(usage["usage"]["completion_tokens"], 20);
    assert_eq!(usage["usage"]["total_tokens"], 181);
    assert_eq!(usage["usage"]["prompt_tokens_details"], json!({"cached_tokens": 50}));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop", "usage comes behind the end");

    body["stream_options"] = json!({"include_usage": false});
    let (_, chunks) = daemon.client.stream_body(&body).await.rest().await;
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn headers_name_session_turn_and_thread() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let whole = session.ask("one").await;
    let stream = session.stream("two").await;
    for headers in [&whole.headers, &stream.headers] {
        assert_eq!(headers["x-turnmux-session"], "a::b");
        assert!(headers["x-turnmux-turn"].to_str().unwrap().starts_with("turn_"));
    }
    assert_ne!(whole.headers["x-turnmux-turn"], stream.headers["x-turnmux-turn"]);
    let thread = daemon.session("a::b").await.unwrap()["thread"].clone();
    assert_eq!(whole.header("x-turnmux-thread"), thread.as_str());
    assert_eq!(stream.header("x-turnmux-thread"), thread.as_str());
    // A turn that failed has them too: whoever complains can say of what.
    let failed = session.ask("::kill").await;
    assert_eq!(failed.header("x-turnmux-session"), Some("a::b"));
    assert!(failed.header("x-turnmux-turn").is_some());
}

#[tokio::test]
async fn the_form_of_a_whole_answer() {
    let daemon = Daemon::stand_in().start().await;
    let reply = daemon.client.ask("::think Let me see.\n::say Well, no.\n::stop max_tokens").await;
    let body = reply.json();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "claude-code");
    let expected = json!([{"index": 0, "finish_reason": "length", "logprobs": null, "message": {"role": "assistant",
        "content": "Well, no.", "reasoning_content": "Let me see.", "refusal": null}}]);
    assert_eq!(body["choices"], expected);
    assert_eq!(body["usage"]["prompt_tokens"], 161);
    assert!(body["usage"]["cost_usd"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn thinking_and_finish_reasons_are_streamed() {
    let daemon = Daemon::stand_in().start().await;
    let (text, chunks) = daemon.client.stream("::think Let me see.\n::say No.\n::stop refusal").await.rest().await;
    assert_eq!(text, "No.");
    let thought =
        |chunk: &Value| chunk["choices"][0]["delta"]["reasoning_content"].as_str().unwrap_or_default().to_owned();
    assert_eq!(chunks.iter().map(thought).collect::<String>(), "Let me see.");
    let finish: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!(finish, ["content_filter"]);
}
