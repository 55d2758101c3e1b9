//! One conversation through a gateway, with the real claude behind it.

use serde_json::{Value, json};

use super::world::{OpenClaw, alone, asked, daemon};
use crate::harness::{Claude, Daemon};

const MAIN: &str = "agent:main:main";

/// A picture of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The one conversation that there is: its key, process and thread.
async fn only_session(daemon: &Daemon) -> (String, u64, String) {
    let sessions = daemon.client.get("/v1/sessions").await.json();
    let is_mains = |session: &&Value| session["key"].as_str().unwrap().starts_with("main::");
    let named: Vec<_> = sessions["data"].as_array().unwrap().iter().filter(is_mains).collect();
    assert_eq!(named.len(), 1, "{sessions}");
    let text = |name: &str| named[0][name].as_str().unwrap_or_default().to_owned();
    (text("key"), named[0]["pid"].as_u64().expect("a process"), text("thread"))
}

#[tokio::test]
async fn one_process_holds_a_conversation_through_all_that_openclaw_does() {
    let _alone = alone().await;
    let daemon = daemon(Daemon::claude(Claude::Newest)).start().await;
    let openclaw = OpenClaw::in_front_of(&daemon).await;
    let mut gateway = openclaw.gateway().await;
    assert_eq!(gateway.turn(MAIN, "hello").await, "You said: hello [turn 1]");
    let (key, pid, thread) = only_session(&daemon).await;
    assert_eq!(
        daemon.session(&key).await.unwrap()["directory"],
        json!(openclaw.workspace()),
        "it works where OpenClaw's agent does"
    );
    assert_eq!(gateway.turn(MAIN, "again").await, "You said: again [turn 2]");
    assert_eq!(only_session(&daemon).await, (key.clone(), pid, thread.clone()), "the process is warm");

    // Stopped by the user: the turn ends, the process does not; OpenClaw sends the message again, before the next.
    gateway.stopped_turn(MAIN).await;
    daemon.logged("turn interrupted", 1).await;
    // Once for the stopped one, should its connection not be closed yet.
    daemon.model.release("work");
    daemon.model.release("work");
    assert_eq!(gateway.turn(MAIN, "after the stop").await.trim_end(), "begun");
    assert_eq!(only_session(&daemon).await, (key.clone(), pid, thread.clone()), "it is still the same");

    // Another persona: its prompt is another one, and its process the same.
    std::fs::write(openclaw.workspace().join("AGENTS.md"), "You speak like a pirate of the seven seas.\n").unwrap();
    gateway.turn(MAIN, "who are you").await;
    assert_eq!(only_session(&daemon).await, (key.clone(), pid, thread.clone()));

    let mut gateway = gateway.restart(&openclaw).await;
    let answer = gateway.turn(MAIN, "after a restart").await;
    assert!(answer.starts_with("You said: after a restart [turn "), "{answer}");
    assert_eq!(only_session(&daemon).await, (key.clone(), pid, thread.clone()), "the gateway may come and go");
    assert!(asked(&daemon, "after a restart").to_string().contains("hello"), "the conversation goes on");

    // A picture is shown to the agent, which is told where it lies, too; and the conversation goes on.
    let picture = json!([{"type": "image", "mimeType": "image/png", "fileName": "pixel.png", "content": PIXEL}]);
    let run = gateway.send_with(MAIN, "what is this", &picture).await;
    let answer = gateway.until(&run, "final").await;
    assert!(answer.contains("[media attached: ") && answer.contains("what is this"), "{answer}");
    let shown = json!({"type": "base64", "media_type": "image/png", "data": PIXEL}).to_string();
    assert!(asked(&daemon, "what is this").to_string().contains(&shown), "{}", asked(&daemon, "what is this"));

    gateway.turn(MAIN, "/new").await;
    assert_eq!(gateway.turn(MAIN, "afresh").await, "You said: afresh [turn 1]");
    let (same, _, anew) = only_session(&daemon).await;
    assert!(same == key && anew != thread, "{same} {anew}");
    assert!(!asked(&daemon, "afresh").to_string().contains("after a restart"), "it knows nothing of the old one");

    for request in daemon.model.requests() {
        let messages = request.body["messages"].to_string();
        for text in ["Runtime: agent", "UTC] "] {
            let at = messages.find(text).map(|at| messages[at..].chars().take(200).collect::<String>());
            assert_eq!(at, None, "{text} is OpenClaw's own affair");
        }
    }
    drop(gateway);
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn without_a_gateway_each_command_meets_the_warm_process() {
    let daemon = daemon(Daemon::claude(Claude::Newest)).start().await;
    let openclaw = OpenClaw::in_front_of(&daemon).await;
    let turn = async |text: &str| openclaw.run(&["agent", "--local", "--agent", "main", "--message", text]).await;
    let first = turn("hello").await;
    assert!(first.contains("You said: hello [turn 1]"), "{first}");
    let before = only_session(&daemon).await;
    let second = turn("and again").await;
    assert!(second.contains("You said: and again [turn 2]"), "{second}");
    assert_eq!(only_session(&daemon).await, before, "another process of OpenClaw's, the same of claude's");
}
