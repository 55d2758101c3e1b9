//! What users show reaches the model as it is: byte for byte, in the turn that it was shown in, and in no other.

use nix::sys::signal::Signal::SIGKILL;
use serde_json::{Value, json};

use super::{KEY, request_for, requests};
use crate::harness::{Claude, Daemon, PNG, Recorded, all_gone, shows};
use crate::support::model::Recorded as Asked;

on_both!(
    an_image_reaches_the_model_byte_for_byte,
    openclaws_image_reaches_the_model,
    a_turn_that_waited_when_the_daemon_was_killed_still_has_its_image,
);

in_terminal!(a_claude_in_a_terminal_looks_at_the_image_unasked,);

/// The images of a request, of all its messages.
fn images(asked: &Asked) -> Vec<Value> {
    let messages = asked.body["messages"].as_array().expect("messages").iter();
    let blocks = messages.flat_map(|message| message["content"].as_array().into_iter().flatten());
    blocks.filter(|block| block["type"] == "image").map(|block| block["source"].clone()).collect()
}

fn source() -> Value {
    json!({"type": "base64", "media_type": "image/png", "data": PNG})
}

async fn an_image_reaches_the_model_byte_for_byte(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    // What claude would act on, were it not shown beside an image.
    let reply = session.post("/v1/chat/completions", &shows("/clear @/etc/hostname", &[PNG, PNG])).await;
    assert!(reply.text().starts_with("You said: /clear @/etc/hostname"), "{reply:?}");
    let asked = request_for(&daemon.model, "/clear @/etc/hostname").await;
    assert_eq!(images(&asked), [source(), source()]);
    let pid = daemon.agent(KEY).await;
    session.ask("no image").await.text();
    let asked = request_for(&daemon.model, "no image").await;
    assert_eq!(images(&asked), [source(), source()], "those of the turn before");
    // Without a word: no empty text goes with it, which the service would refuse.
    let mut body = shows("", &[PNG]);
    body["messages"][0]["content"].as_array_mut().expect("parts").remove(0);
    session.post("/v1/chat/completions", &body).await.text();
    let all = requests(&daemon.model);
    let last = all.last().expect("it was asked");
    assert_eq!(images(last), [source(), source(), source()]);
    assert!(!last.body["messages"].to_string().contains("\"text\":\"\""), "{}", last.body["messages"]);
    assert_eq!(daemon.agent(KEY).await, pid);
    assert!(daemon.stop().await.success());
}

async fn openclaws_image_reaches_the_model(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let mut stream = Recorded::load(&daemon, "image").model("claude-code").stream(&daemon).await;
    assert_eq!(stream.header("x-turnmux-session"), Some("ops::cfd5e350-ec63-40c3-86b4-eca6176ce5e9"));
    let answer = stream.rest().await.0;
    assert!(answer.contains("what is in this image?") && !answer.contains("Runtime:"), "{answer}");
    let asked = request_for(&daemon.model, "what is in this image?").await;
    assert_eq!(images(&asked), [source()]);
    assert!(!asked.body["messages"].to_string().contains("INTERNAL_CONTEXT"));
    assert!(daemon.stop().await.success());
}

async fn a_turn_that_waited_when_the_daemon_was_killed_still_has_its_image(claude: Claude) {
    let mut daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let mut running = session.stream("::say \"seen\\n\"\n::hold here").await;
    running.first_text().await;
    let mut body = shows("look at it", &[PNG]);
    body["stream"] = json!(true);
    let named = session.with("Idempotency-Key", "name").stream_body(&body).await;
    let turn = named.header("x-turnmux-turn").expect("a turn").to_owned();
    daemon.signal(SIGKILL);
    daemon.ended().await;
    all_gone(daemon.scratch()).await;

    let daemon = Daemon::claude(claude).scratch(daemon.share_scratch()).start().await;
    daemon.logged("lost=1 queued=1", 1).await;
    let asked = request_for(&daemon.model, "look at it").await;
    assert_eq!(images(&asked), [source()]);
    daemon.client.watch(&format!("/v1/turns/{turn}/events")).await.until("turn_completed").await;
    assert!(daemon.stop().await.success());
}

async fn a_claude_in_a_terminal_looks_at_the_image_unasked(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    // Nobody could answer: a tool that asks for leave is denied.
    let script = "::tool Read {\"file_path\": \"%IMAGE%\"}\n::say seen";
    let reply = session.post("/v1/chat/completions", &shows(script, &[PNG])).await;
    assert_eq!(reply.text().trim(), "seen");
    let asked = request_for(&daemon.model, "Read").await;
    let messages = asked.body["messages"].to_string();
    let (_, path) = messages.split_once("before you answer:\\n").expect("what claude is told");
    let path = path.split_once("\\n").expect("a path").0.to_owned();
    assert!(path.ends_with("/1.png"), "{path}");

    let looked = requests(&daemon.model).last().expect("the model was asked").body["messages"].clone();
    let blocks = looked.as_array().expect("messages").iter();
    let mut blocks = blocks.flat_map(|message| message["content"].as_array().into_iter().flatten());
    let result = blocks.rfind(|block| block["type"] == "tool_result").expect("a result");
    assert_eq!(
        (&result["content"][0]["type"], &result["content"][0]["source"]),
        (&json!("image"), &source()),
        "{result}"
    );
    assert!(!std::path::Path::new(&path).exists(), "it is there while its turn runs, and no longer");

    // Only that folder is open to it.
    let other = daemon.scratch().join("other.png");
    std::fs::write(&other, "not shown").expect("a file");
    let reply = session.ask(&format!("::tool Read {{\"file_path\": {:?}}}", other.display().to_string())).await;
    assert!(!reply.text().contains("not shown"), "{reply:?}");
    assert!(daemon.stop().await.success());
}
