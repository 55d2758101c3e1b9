//! Two who share a daemon: neither reaches what is the other's, and neither takes more than its key allows.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Client, Daemon, ask, gone};

const KEYS: &str = "[keys.alice]\nkey = \"key-of-alice\"\n[keys.bob]\nkey = \"key-of-bob\"\n";

/// A daemon with both keys; `alices` stands in alice's table.
async fn daemon(alices: &str, config: &str) -> Daemon {
    let keys = KEYS.replace("[keys.bob]", &format!("{alices}\n[keys.bob]"));
    Daemon::stand_in().keys(&keys).config(config).start().await
}

fn clients(daemon: &Daemon) -> [Client; 2] {
    ["key-of-alice", "key-of-bob"].map(|key| daemon.client.key(key))
}

/// What a tenant's list shows.
async fn list(client: &Client) -> Vec<Value> {
    client.get("/v1/sessions").await.json()["data"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn the_same_names_are_two_sessions() {
    let daemon = daemon("", "").await;
    let both = clients(&daemon);
    for turn in 1..=2 {
        for client in &both {
            let own = [
                client.session("main::1"),
                client.with("x-turnmux-agent-id", "main").with("x-turnmux-chat-id", "2"),
                client.with("x-openclaw-agent-id", "main").with("x-session-affinity", "abc:0"),
            ];
            for session in own {
                assert_eq!(session.ask("hello").await.text(), format!("You said: hello [turn {turn}]"));
            }
        }
    }
    let [alices, bobs] = [list(&both[0]).await, list(&both[1]).await];
    let names = |list: &[Value]| list.iter().map(|session| session["key"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&alices), ["main::1", "main::2", "main::abc"]);
    assert_eq!(names(&alices), names(&bobs));
    for what in ["pid", "thread"] {
        assert!(alices.iter().all(|one| bobs.iter().all(|other| one[what] != other[what])), "{alices:?} {bobs:?}");
    }
    assert!(!daemon.log().contains("key-of-"), "keys are not logged");
}

#[tokio::test]
async fn what_is_another_s_is_not_there() {
    let daemon = daemon("", "").await;
    let [alice, bob] = clients(&daemon);
    let gate = daemon.gate("gate");
    let session = alice.session("main::1");
    let mut running = session.stream(&format!("::say some\n{}\n::say more", gate.hold())).await;
    assert_eq!(running.first_text().await, "some");
    let mut queued = session.stream("next").await;
    let turns = [&running, &queued].map(|stream| stream.header("x-turnmux-turn").expect("a turn").to_owned());

    // First while bob has no such session, then while he has one of the same name.
    for own in [false, true] {
        if own {
            assert_eq!(bob.session("main::1").ask("mine").await.text(), "You said: mine [turn 1]");
        }
        for turn in &turns {
            for what in [json!({"turn": turn}), json!({"session": "main::1", "turn": turn})] {
                bob.post("/v1/chat/abort", &what).await.refused(404, "no_active_turn");
            }
            for path in [format!("/v1/turns/{turn}"), format!("/v1/turns/{turn}/events")] {
                bob.get(&path).await.refused(404, "turn_not_found");
            }
        }
        let refusal = bob.post("/v1/chat/abort", &json!({"session": "main::1"})).await.refused(404, "no_active_turn");
        assert!(turns.iter().all(|turn| !refusal.message.contains(turn)), "{refusal:?}");
        assert_eq!(list(&bob).await.len(), usize::from(own));
        if own {
            let known = bob.get("/v1/sessions/main%3A%3A1/turns").await.json();
            let [turn] = &known["data"].as_array().expect("a list")[..] else { panic!("he has had one: {known}") };
            assert!(!turns.iter().any(|alices| turn["id"] == **alices), "{known}");
        } else {
            for path in ["/v1/sessions/main%3A%3A1/turns", "/v1/sessions/main%3A%3A1/events"] {
                bob.get(path).await.refused(404, "session_not_found");
            }
            bob.post("/v1/chat/session/reset", &json!({"session": "main::1"})).await.refused(404, "session_not_found");
            bob.delete("/v1/sessions/main%3A%3A1").await.refused(404, "session_not_found");
        }
    }
    assert!(bob.post("/v1/chat/session/reset", &json!({"session": "main::1"})).await.status.is_success());
    assert!(bob.delete("/v1/sessions/main%3A%3A1").await.status.is_success());
    assert_eq!(list(&bob).await.len(), 0);

    gate.open();
    assert_eq!(running.rest().await.0, "more");
    assert_eq!(queued.rest().await.0, "You said: next [turn 2]");
    let [session] = &list(&alice).await[..] else { panic!("she has one") };
    assert_eq!((&session["turns"], &session["generation"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn the_thread_of_another_is_not_taken_up() {
    let daemon = daemon("", "").await;
    let [alice, bob] = clients(&daemon);
    let thread = alice.session("main::1").ask("secret").await.header("x-turnmux-thread").expect("a thread").to_owned();
    for stream in [false, true] {
        let mut body = ask("what was said?");
        body["stream"] = json!(stream);
        let taking = bob.session("main::1").with("x-turnmux-thread", &thread);
        taking.post("/v1/chat/completions", &body).await.refused(409, "thread_not_found");
    }
    assert_eq!(list(&bob).await.len(), 0, "a refused request leaves no session");
    assert_eq!(alice.session("main::1").ask("more").await.text(), "You said: more [turn 2]");
    let own = alice.session("main::2").with("x-turnmux-thread", &thread).ask("go on").await;
    assert_eq!(own.text(), "You said: go on [turn 3]", "her own she may");
}

#[tokio::test]
async fn a_tenant_with_all_its_requests_is_told_so_and_the_others_are_not() {
    let daemon = daemon("max_requests = 2", "").await;
    let [alice, bob] = clients(&daemon);
    let gate = daemon.gate("gate");
    let mut streams = Vec::new();
    for key in ["main::1", "main::2"] {
        let mut stream = alice.session(key).stream(&format!("::say x\n{}", gate.hold())).await;
        stream.first_text().await;
        streams.push(stream);
    }
    // A large one, too: its client hears of it, although nobody reads what it sends.
    for text in ["more", &"x".repeat(20 << 20)] {
        let reply = alice.session("main::3").ask(text).await;
        let refusal = reply.refused(429, "tenant_busy");
        assert!(refusal.message.contains("max_requests"), "{refusal:?}");
        assert_eq!(reply.header("retry-after"), Some("2"));
    }
    assert_eq!(bob.session("main::3").ask("hello").await.text(), "You said: hello [turn 1]");
    assert_eq!(list(&alice).await.len(), 2, "looking is not counted, and a refused request leaves no session");

    // Nor is what stops a turn held up by those that run.
    let stopped = alice.post("/v1/chat/abort", &json!({"session": "main::1"})).await;
    assert_eq!(stopped.json()["status"], "confirmed");
    streams.remove(0).refused("turn_interrupted").await;
    assert_eq!(alice.session("main::3").ask("now").await.text(), "You said: now [turn 1]");

    // A client that leaves gives its share back, too.
    let mut leaving = alice.session("main::1").stream("::say x\n::silent").await;
    leaving.first_text().await;
    alice.ask("one more").await.refused(429, "tenant_busy");
    drop(leaving);
    daemon.logged("its client went away", 1).await;
    assert!(alice.session("main::3").ask("again").await.status.is_success());
    gate.open();
    assert_eq!(streams.remove(0).rest().await.1.last(), Some(&json!("[DONE]")));
}

/// The share is free before the client has the last byte.
#[tokio::test]
async fn one_request_after_the_other_is_one_at_once() {
    let daemon = daemon("max_requests = 1", "").await;
    let [alice, _] = clients(&daemon);
    let session = alice.session("main::1");
    for turn in (1..=40).step_by(2) {
        assert_eq!(session.ask("whole").await.text(), format!("You said: whole [turn {turn}]"));
        let mut stream = session.stream("streamed").await;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.rest().await.0, format!("You said: streamed [turn {}]", turn + 1));
        alice.post("/v1/chat/completions", &json!({"messages": []})).await.refused(400, "no_user_message");
        alice.post("/v1/chat/abort", &json!({"session": "main::1"})).await.refused(404, "no_active_turn");
    }
}

#[tokio::test]
async fn a_tenant_with_all_its_processes_waits_for_its_own_and_holds_nobody_up() {
    let daemon = daemon("max_live = 1", "sessions.max_live = 8").await;
    let [alice, bob] = clients(&daemon);
    assert!(bob.session("main::1").ask("hello").await.status.is_success());
    let bobs = list(&bob).await[0]["pid"].clone();
    let gate = daemon.gate("gate");
    let mut busy = alice.session("main::1").stream(&format!("::say x\n{}", gate.hold())).await;
    busy.first_text().await;
    let first = list(&alice).await[0]["pid"].as_u64().expect("a process");
    let mut waiting = alice.session("main::2").stream("mine").await;
    let says = |chunk: &Value| chunk["turnmux"]["reason"] == "capacity";
    waiting.until("word that it waits", says).await;
    for key in ["main::1", "main::2", "main::3"] {
        assert!(bob.session(key).ask("hello").await.text().starts_with("You said: hello"), "bob does not wait");
    }
    assert_eq!(list(&alice).await[1]["state"], "waiting");
    gate.open();
    assert_eq!(busy.rest().await.1.last(), Some(&json!("[DONE]")));
    assert_eq!(waiting.rest().await.0, "You said: mine [turn 1]");
    gone(u32::try_from(first).expect("a pid")).await;
    assert_eq!(list(&bob).await[0]["pid"], bobs, "it was not bob who made room");
}

#[tokio::test]
async fn there_are_only_the_backends_that_the_key_allows() {
    let config = "aliases = {\"gpt-4o\" = \"claude-code\", \"gpt-4.1\" = \"claude-code-sonnet\"}\n\
        [agents.ops]\nbackend = \"claude-code\"\n[agents.dev]\nbackend = \"claude-code-sonnet\"";
    let daemon = daemon("backends = [\"claude-code-opus\", \"claude-code-sonnet\"]", config).await;
    let [alice, bob] = clients(&daemon);
    let names = async |client: &Client| {
        let list = client.get("/v1/models").await.json()["data"].as_array().expect("a list").clone();
        list.iter().map(|model| model["id"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&alice).await, ["claude-code-opus", "claude-code-sonnet"]);
    assert_eq!(names(&bob).await, ["claude-channel", "claude-code", "claude-code-opus", "claude-code-sonnet"]);
    let request = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    for model in ["claude-code", "gpt-4o", "claude-channel", "unheard-of"] {
        let refusal = alice.post("/v1/chat/completions", &request(model)).await.refused(404, "model_not_found");
        let expected = format!("there is no model `{model}`; known are: claude-code-opus, claude-code-sonnet");
        assert_eq!(refusal.message, expected);
        alice.get(&format!("/v1/models/{model}")).await.refused(404, "model_not_found");
    }
    assert!(alice.get("/v1/models/gpt-4.1").await.status.is_success());
    assert!(bob.get("/v1/models/claude-code").await.status.is_success());

    // Where none is named: the agent's own if it may be had, else the daemon's default, else the key's first.
    for (client, agent, backend) in [
        (&alice, "main", "claude-code-opus"),
        (&alice, "ops", "claude-code-opus"),
        (&alice, "dev", "claude-code-sonnet"),
        (&bob, "main", "claude-code"),
        (&bob, "ops", "claude-code"),
    ] {
        let session = client.with("x-turnmux-agent-id", agent);
        assert!(session.post("/v1/chat/completions", &request("")).await.status.is_success(), "{agent}");
        let list = list(client).await;
        let shown = list.iter().find(|session| session["key"] == agent).expect("a session");
        assert_eq!(shown["backend"], backend, "{agent}");
    }
    let health = daemon.client.get("/health").await.json();
    assert_eq!((&health["ok"], health["backends"].as_object().map(serde_json::Map::len)), (&json!(true), Some(4)));
}

#[tokio::test]
async fn the_daemon_s_default_backend_stays_the_default_where_the_key_allows_it() {
    let daemon = daemon("backends = [\"claude-code-opus\", \"claude-code\"]", "").await;
    let [alice, _] = clients(&daemon);
    assert!(
        alice
            .session("a::b")
            .post("/v1/chat/completions", &json!({"messages": ask("x")["messages"]}))
            .await
            .status
            .is_success()
    );
    assert_eq!(list(&alice).await[0]["backend"], "claude-code");
}

#[tokio::test]
async fn a_key_s_workspace_roots_stand_in_place_of_the_daemon_s() {
    let daemon = daemon(
        "workspace_roots = [\"@SCRATCH@/alice\", \"~/alice\"]\n[keys.carol]\nkey = \"key-of-carol\"\nworkspace_roots = []",
        "server.workspace_roots = [\"@SCRATCH@/shared\"]",
    )
    .await;
    let root = daemon.scratch().canonicalize().unwrap();
    for folder in ["alice/x", "home/alice", "shared/x"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::os::unix::fs::symlink(root.join("shared"), root.join("alice/link")).unwrap();
    let [alice, bob] = clients(&daemon);
    let carol = daemon.client.key("key-of-carol");
    let ask_in = async |client: &Client, folder: &Path| {
        client
            .session(&folder.display().to_string())
            .with("x-turnmux-workspace", folder.to_str().unwrap())
            .ask("x")
            .await
    };
    for (client, folder) in [(&alice, "alice/x"), (&alice, "home/alice"), (&bob, "shared/x")] {
        assert!(ask_in(client, &root.join(folder)).await.status.is_success(), "{folder}");
    }
    for (client, folder, named) in [
        (&alice, "shared/x", "the `workspace_roots` of this API key"),
        (&alice, "alice/link", "the `workspace_roots` of this API key"),
        (&bob, "alice/x", "`server.workspace_roots`"),
        (&carol, "shared/x", "the `workspace_roots` of this API key"),
    ] {
        let refusal = ask_in(client, &root.join(folder)).await.refused(400, "workspace_not_allowed");
        assert!(refusal.message.contains(named), "{refusal:?}");
    }
    assert!(carol.ask("without one").await.status.is_success());
}

#[tokio::test]
async fn a_key_file_that_allows_nothing_is_refused_by_name() {
    let keys = KEYS.replace("key-of-bob\"", "key-of-bob\"\nbackends = [\"claude-coed\"]");
    let (said, status) = Daemon::stand_in().keys(&keys).refuse().await;
    assert!(
        !status.success() && said.contains("`keys.bob.backends`") && said.contains("did you mean `claude-code`?"),
        "{said}"
    );
    assert!(!said.contains("key-of-"), "{said}");
}

/// Two sessions of the same name have events of their own, numbered each for itself.
#[tokio::test]
async fn whoever_watches_sees_only_what_is_said_to_its_own() {
    let daemon = daemon("max_requests = 1", "").await;
    let [alice, bob] = clients(&daemon);
    for (client, word) in [(&alice, "apple"), (&bob, "bread")] {
        let turn = client.session("main::1").ask(word).await.header("x-turnmux-turn").expect("a turn").to_owned();
        let events = client.watch(&format!("/v1/turns/{turn}/events")).await.rest().await;
        assert_eq!((&events[0]["seq"], &events[0]["text"]), (&json!(1), &json!(word)));
    }
    let mut watches =
        [alice.watch("/v1/sessions/main::1/events").await, bob.watch("/v1/sessions/main::1/events").await];
    alice.get("/v1/sessions/main::1/events").await.refused(429, "tenant_busy");
    // Turns are counted apart.
    assert_eq!(alice.session("main::1").ask("apples").await.text(), "You said: apples [turn 2]");
    assert_eq!(bob.session("main::1").ask("loaves").await.text(), "You said: loaves [turn 2]");
    for (watch, word) in watches.iter_mut().zip(["apples", "loaves"]) {
        let events = watch.until("turn_completed").await;
        assert_eq!((&events[0]["type"], &events[0]["text"]), (&json!("user_text"), &json!(word)));
    }
}
