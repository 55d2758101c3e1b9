//! What may differ from turn to turn, and what a turn may bring.

use serde_json::{Value, json};

use super::{KEY, request_for, requests};
use crate::harness::{Claude, Client, Daemon};

on_all!(
    the_model_is_switched,
    a_request_names_its_model,
    a_model_that_is_refused_is_an_error,
    instructions_reach_the_system_prompt_and_changes_are_told_once,
    a_history_is_given_once,
    a_prompt_of_ten_megabytes_works_and_none_is_in_argv,
);

async fn the_model_is_switched(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("turn 1").await.text(), "You said: turn 1 [turn 1]");
    let pid = daemon.agent(KEY).await;
    let own = request_for(&daemon.model, "turn 1").await.body["model"].clone();
    let names = ["claude-code-sonnet", "claude-code-opus", "claude-code-sonnet", "claude-code"];
    for (turn, name) in (2..).zip(names) {
        let text = format!("turn {turn}");
        let body = json!({"model": name, "messages": [{"role": "user", "content": text}]});
        let reply = session.post("/v1/chat/completions", &body).await;
        assert_eq!(reply.text(), format!("You said: {text} [turn {turn}]"));
        assert_eq!(reply.json()["model"], name);
        let model = request_for(&daemon.model, &text).await.body["model"].clone();
        match name.strip_prefix("claude-code-") {
            Some(wanted) => assert!(model.as_str().unwrap().contains(wanted), "{model} is no {wanted}"),
            // Resumed in a terminal it takes the thread's last model for its own choice.
            None => assert!(model == own || claude.in_terminal(), "claude's own choice again, not {model}"),
        }
    }
    // A switch in a terminal would be typed, and claude would keep it as its user's default: there it is a restart.
    assert_eq!(daemon.agent(KEY).await == pid, !claude.in_terminal());
    assert_eq!(daemon.session(KEY).await.unwrap()["backend"], "claude-code");
}

async fn a_request_names_its_model(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let asked = async |client: Client, text: &str| {
        assert!(client.ask(text).await.text().starts_with(&format!("You said: {text}")));
        request_for(&daemon.model, text).await.body["model"].as_str().expect("a name").to_owned()
    };
    let naming = |client: &Client, model: &str| client.with("x-turnmux-model", model);
    let session = daemon.client.session(KEY);
    assert!(asked(naming(&session, "opus"), "the first").await.contains("opus"));
    assert!(asked(session.clone(), "the second").await.contains("opus"), "it stays with the session");
    assert!(asked(naming(&session, "haiku"), "the third").await.contains("haiku"));

    let call = daemon.client.with("x-turnmux-isolation", "call");
    let own = asked(call.clone(), "the fourth").await;
    assert!(asked(naming(&call, "haiku"), "the fifth").await.contains("haiku"));
    assert_eq!(asked(call, "the sixth").await, own, "it goes with the call");
}

async fn a_model_that_is_refused_is_an_error(claude: Claude) {
    let driver = if claude.in_terminal() { "claude-channel" } else { "claude-stream" };
    let config = format!("[backends.wrong]\nmodel = \"no-such-model\"\ndriver = \"{driver}\"");
    let daemon = Daemon::claude(claude).config(&config).start().await;
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent(KEY).await;
    let body = json!({"model": "wrong", "messages": [{"role": "user", "content": "::status 404"}]});
    let reply = session.post("/v1/chat/completions", &body).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (400, "upstream_rejected"));
    let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("no-such-model"), "{said}");
    assert!(session.ask("two").await.text().starts_with("You said: two"));
    assert_eq!(daemon.agent(KEY).await == pid, !claude.in_terminal());
}

/// A conversation as a client sends it: who and what.
fn body(messages: &[(&str, &str)]) -> Value {
    let messages: Vec<_> = messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    json!({"messages": messages})
}

async fn instructions_reach_the_system_prompt_and_changes_are_told_once(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let chat = "/v1/chat/completions";
    let first = body(&[("system", "Speak like a sailor."), ("developer", "Be brief."), ("user", "one")]);
    assert_eq!(session.post(chat, &first).await.text(), "You said: one [turn 1]");
    let pid = daemon.agent(KEY).await;
    let system = |text: &str| {
        let newest = requests(&daemon.model).pop().unwrap();
        (newest.body["system"].to_string().contains(text), newest.body["messages"].to_string().matches(text).count())
    };
    assert_eq!((system("Speak like a sailor."), system("Be brief.")), ((true, 0), (true, 0)));
    // Others are told with the turn that brings them; the same again, and none, are nothing new.
    let changed = |text| body(&[("system", "Speak like a judge."), ("user", text)]);
    assert!(session.post(chat, &changed("two")).await.text().starts_with("You said: two"));
    assert_eq!(system("Speak like a judge."), (false, 1));
    assert!(session.post(chat, &changed("three")).await.text().starts_with("You said: three"));
    assert!(session.ask("four").await.text().starts_with("You said: four"));
    assert_eq!(system("Speak like a judge."), (false, 1), "told once");
    assert_eq!(daemon.agent(KEY).await, pid);
}

async fn a_history_is_given_once(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let mut said = vec![("user", "my name is Ada"), ("assistant", "hello Ada"), ("user", "one")];
    let reply = session.post("/v1/chat/completions", &body(&said)).await;
    assert!(reply.text().starts_with("You said: one"), "{}", reply.text());
    let times = |text: &str| requests(&daemon.model).pop().unwrap().body["messages"].to_string().matches(text).count();
    assert_eq!((times("my name is Ada"), times("hello Ada"), times("<conversation_so_far>")), (1, 1, 1));
    said.extend([("assistant", "whatever was said"), ("user", "two")]);
    let reply = session.post("/v1/chat/completions", &body(&said)).await;
    assert!(reply.text().starts_with("You said: two"), "{}", reply.text());
    assert_eq!((times("my name is Ada"), times("<conversation_so_far>"), times("whatever was said")), (1, 1, 0));
}

async fn a_prompt_of_ten_megabytes_works_and_none_is_in_argv(claude: Claude) {
    // 2.1.329 refuses by itself what is more than its model can take; this model takes anything.
    let daemon = Daemon::claude(claude).env("CLAUDE_CODE_BLOCKING_LIMIT_OVERRIDE", "10000000").start().await;
    let session = daemon.client.session(KEY);
    let prompt = format!("::say I have read it\n{}", "all work and no play ".repeat(500_000));
    let request = body(&[("system", "words of the system prompt"), ("user", &prompt)]);
    assert_eq!(session.post("/v1/chat/completions", &request).await.text(), "I have read it");
    let asked = request_for(&daemon.model, "I have read it").await;
    assert!(asked.body_bytes > prompt.len(), "the whole of it reached the model, not {}", asked.body_bytes);
    let pid = daemon.agent(KEY).await;
    let argv = String::from_utf8(std::fs::read(format!("/proc/{pid}/cmdline")).unwrap()).unwrap();
    assert!(argv.contains(if claude.in_terminal() { "--plugin-dir" } else { "stream-json" }), "{argv}");
    assert!(!argv.contains("system prompt") && !argv.contains("all work"), "{argv}");
}
