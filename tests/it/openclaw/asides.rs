//! What happens beside the turns of a conversation: questions of the agent's, OpenClaw's own housekeeping, another backend.
//! One gateway for all of it, with the real claude in two releases.

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::world::{OpenClaw, alone, daemon};
use crate::harness::{Claude, Daemon, LIMIT};

/// What OpenClaw asks for its own sake when a conversation has become long, by its words.
const HOUSEKEEPING: [&str; 2] = ["Pre-compaction memory flush", "Create a structured context checkpoint"];

#[tokio::test]
async fn questions_summaries_and_other_backends_keep_to_their_places() {
    let _alone = alone().await;
    let older = format!("backends.older.command = {:?}", Claude::Older.path());
    let daemon = daemon(Daemon::claude(Claude::Newest).config(&older)).start().await;
    let openclaw = OpenClaw::beside(&daemon);
    let (_, port) = daemon.client.address.rsplit_once(':').expect("a port");
    openclaw.set_up(&["--port", port, "--backend", "claude-code", "--backend", "older"]).await;
    compact_early(&openclaw);
    let mut gateway = openclaw.gateway().await;
    a_question_waits_for_somebody_who_watches(&daemon, &openclaw, &mut gateway).await;
    a_person_chooses_the_older_release(&daemon, &mut gateway).await;
    a_long_conversation_is_compacted_by_openclaw_alone(&daemon, &mut gateway).await;
    drop(gateway);
    assert!(daemon.stop().await.success());
}

/// The set-up switches it off; who has it on has it early here.
fn compact_early(openclaw: &OpenClaw) {
    let mut config = openclaw.config();
    config["agents"]["defaults"]["compaction"] = json!({
        "mode": "default",
        "keepRecentTokens": 200,
        "maxActiveTranscriptBytes": 4000,
        "memoryFlush": {"forceFlushTranscriptBytes": 3000},
    });
    std::fs::write(openclaw.config_file(), config.to_string()).expect("a file");
}

/// Begins a conversation, and gives its session.
async fn begin(gateway: &mut Gateway, name: &str) -> String {
    assert_eq!(gateway.turn(name, "hello").await, "You said: hello [turn 1]");
    let history = gateway.call("chat.history", json!({"sessionKey": name})).await;
    format!("main::{}", history["sessionId"].as_str().expect("OpenClaw's own id"))
}

async fn a_question_waits_for_somebody_who_watches(daemon: &Daemon, openclaw: &OpenClaw, gateway: &mut Gateway) {
    const NAME: &str = "agent:main:asking";
    let key = begin(gateway, NAME).await;
    let file = openclaw.workspace().join("made");
    let write = format!("::tool Write {}\n::say done", json!({"file_path": file, "content": "written"}));
    assert_eq!(gateway.turn(NAME, &write).await, "done");
    assert!(!file.exists(), "OpenClaw has nobody who could say yes");

    let mut watch = daemon.client.watch(&format!("/v1/sessions/{key}/events")).await;
    let run = gateway.send(NAME, &write).await;
    let asked = watch.until("permission_asked").await.pop().unwrap();
    let request = asked["request"].as_str().expect("its id");
    daemon.turnmux(&["answer", &key, request, "allow"]).run().await.ok();
    assert_eq!(gateway.until(&run, "final").await, "done");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "written");
}

async fn a_person_chooses_the_older_release(daemon: &Daemon, gateway: &mut Gateway) {
    const NAME: &str = "agent:main:older";
    let run = gateway.send(NAME, "/model turnmux/older").await;
    let said = gateway.until(&run, "final").await;
    assert!(said.contains("turnmux/older"), "{said}");
    let key = begin(gateway, NAME).await;
    let pid = daemon.agent(&key).await;
    assert_eq!(daemon.session(&key).await.unwrap()["backend"], "older");
    assert_eq!(gateway.turn(NAME, "and again").await, "You said: and again [turn 2]");
    assert_eq!(daemon.agent(&key).await, pid, "the process is warm");
    let requests = daemon.model.requests();
    let last = requests.iter().rfind(|request| request.user_text.contains("and again")).expect("its request");
    let version = Claude::Older.path();
    let version = version.parent().and_then(|folder| folder.file_name()).unwrap().to_str().unwrap();
    let agent = last.header("user-agent").unwrap_or_default();
    assert!(agent.contains(version), "{agent} is not {version}");
}

async fn a_long_conversation_is_compacted_by_openclaw_alone(daemon: &Daemon, gateway: &mut Gateway) {
    const NAME: &str = "agent:main:long";
    let key = begin(gateway, NAME).await;
    let process = async || -> (u32, Value) {
        let session = daemon.session(&key).await.unwrap();
        (daemon.agent(&key).await, session["thread"].clone())
    };
    let first = process().await;
    let long = "some words that fill the pages ".repeat(60);
    gateway.turn(NAME, &format!("the second, {long}")).await;
    gateway.turn(NAME, &format!("the third, {long}")).await;
    for words in HOUSEKEEPING {
        let came = daemon.model.wait_for_request(|request| request.body.to_string().contains(words), LIMIT).await;
        came.unwrap_or_else(|error| panic!("{words}: {error}"));
    }

    let answer = gateway.turn(NAME, "after all that").await;
    assert_eq!(answer, "You said: after all that [turn 4]", "nothing else was a turn of the conversation");
    assert_eq!(process().await, first, "its process and thread are the same");
    let requests = daemon.model.requests();
    let last = requests.iter().rfind(|request| request.user_text.contains("after all that")).expect("its request");
    let messages = last.body["messages"].to_string();
    for text in ["hello", "the second, some words", "the third, some words"] {
        assert!(messages.contains(text), "{text} is part of the conversation: {messages}");
    }
    for text in [HOUSEKEEPING[0], HOUSEKEEPING[1], "compacted into the following summary"] {
        assert!(!messages.contains(text), "{text} is no part of the conversation: {messages}");
    }
}
