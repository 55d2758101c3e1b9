//! Images in a message: they reach the agent as they are, and stand nowhere else.

use serde_json::{Value, json};

use crate::harness::{Daemon, PNG, Recorded, png, shows};

const KEY: &str = "a::1";

async fn events(daemon: &Daemon) -> Vec<Value> {
    let path = format!("/v1/sessions/{KEY}/events?after=0");
    daemon.client.watch(&path).await.until("turn_completed").await
}

#[tokio::test]
async fn an_image_reaches_the_agent_as_it_is_and_events_say_that_it_was_there() {
    let daemon = Daemon::stand_in().start().await;
    let other = png(300_000);
    let reply = daemon.client.session(KEY).post("/v1/chat/completions", &shows("look", &[PNG, &other])).await;
    assert_eq!(reply.text(), "You said: look [turn 1]");
    assert_eq!(daemon.stand_in_images(), [vec![PNG.to_owned(), other.clone()]]);

    let marks = json!([{"media_type": "image/png", "bytes": 97}, {"media_type": "image/png", "bytes": 300_000}]);
    let events = events(&daemon).await;
    assert_eq!((&events[0]["type"], &events[0]["text"]), (&json!("user_text"), &json!("look")));
    assert_eq!(events[0]["images"], marks);
    let turns = daemon.client.get(&format!("/v1/sessions/{KEY}/turns?expand=messages")).await.json();
    assert_eq!(turns["data"][0]["messages"][0]["images"], marks);
    let export = daemon.client.get(&format!("/v1/sessions/{KEY}/export?format=markdown")).await;
    let export = String::from_utf8_lossy(&export.body).into_owned();
    assert!(export.contains("> look\n> [image]\n> [image]\n"), "{export}");
    let said = format!("{events:?}{turns}{export}{}", daemon.log());
    assert!(!said.contains(&PNG[..40]), "the image itself stands nowhere");
}

#[tokio::test]
async fn an_image_alone_is_a_message() {
    let daemon = Daemon::stand_in().start().await;
    let mut body = shows("", &[PNG]);
    body["messages"][0]["content"].as_array_mut().unwrap().remove(0);
    let reply = daemon.client.session(KEY).post("/v1/chat/completions", &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(daemon.stand_in_images(), [[PNG]]);
}

#[tokio::test]
async fn what_is_no_image_is_refused_and_nothing_starts() {
    let daemon = Daemon::stand_in().start().await;
    let image = |url: &str| {
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        json!({"model": "claude-code", "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, part]}]})
    };
    let large = format!("data:image/png;base64,{}", png((10 << 20) + 1));
    for (url, says) in [
        ("https://example.com/cat.png", "turnmux fetches no images"),
        ("data:image/png;base64,R0lGODlh", "first bytes are those of image/gif"),
        ("data:image/png;base64,?", "not valid base64"),
        ("data:image/svg+xml;base64,PHN2Zy8+", "none of image/png"),
        (&large, "larger than 10 MiB"),
    ] {
        let refusal = daemon.client.post("/v1/chat/completions", &image(url)).await.refused(400, "invalid_image");
        assert_eq!(refusal.param.as_deref(), Some("messages[0].content[1].image_url.url"));
        assert!(refusal.message.contains(says), "{refusal:?}");
    }
    let many: Vec<_> = std::iter::repeat_n(PNG, 101).collect();
    daemon.client.post("/v1/chat/completions", &shows("?", &many)).await.refused(400, "too_many_images");
    assert_eq!(daemon.stand_in_turns(), [""; 0]);
}

#[tokio::test]
async fn images_of_earlier_messages_are_named_in_the_history_and_nothing_more() {
    let daemon = Daemon::stand_in().start().await;
    let earlier = json!({"type": "image_url", "image_url": {"url": "https://example.com/gone.png"}});
    let body = json!({"model": "claude-code", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "what is this?"}, earlier]},
        {"role": "assistant", "content": "a cat"},
        {"role": "user", "content": "sure?"}]});
    let reply = daemon.client.post("/v1/chat/completions", &body).await;
    assert!(reply.text().starts_with("You said: sure?"), "{reply:?}");
    assert_eq!(daemon.stand_in_images(), [[""; 0]]);
}

#[tokio::test]
async fn the_same_words_with_another_image_are_another_request() {
    let daemon = Daemon::stand_in().start().await;
    let named = daemon.client.session(KEY).with("Idempotency-Key", "first");
    let (one, other) = (shows("look", &[PNG]), shows("look", &[&png(20)]));
    named.post("/v1/chat/completions", &one).await.text();
    named.post("/v1/chat/completions", &other).await.refused(422, "idempotency_mismatch");
    let again = named.post("/v1/chat/completions", &one).await;
    assert_eq!(again.header("x-turnmux-joined"), Some("true"));
    assert_eq!(daemon.stand_in_turns(), ["look"]);
}

#[tokio::test]
async fn openclaws_retry_joins_the_turn_that_has_its_image_and_no_other() {
    let daemon = Daemon::stand_in().config("aliases.claude-mux = \"claude-code\"").start().await;
    let gate = daemon.gate("gate");
    let script = format!("::say seen\n{}", gate.hold());
    let asked =
        |image: &str| Recorded::load(&daemon, "image").replace("what is in this image?", &script).replace(PNG, image);
    let mut first = asked(PNG).stream(&daemon).await;
    assert_eq!(first.header("x-turnmux-session"), Some("ops::cfd5e350-ec63-40c3-86b4-eca6176ce5e9"));
    assert!(first.first_text().await.contains("seen"));
    let turn = first.header("x-turnmux-turn").unwrap().to_owned();
    let images = daemon.stand_in_images();
    assert_eq!(images, [[PNG]]);
    drop(first);

    let retry = |image: &str| {
        let mut retry = asked(image);
        let again = json!({"role": "user", "content": "Continue the current task from the existing transcript."});
        retry.body["messages"].as_array_mut().unwrap().insert(2, again);
        retry
    };
    let again = retry(PNG).stream(&daemon).await;
    assert_eq!((again.header("x-turnmux-turn"), again.header("x-turnmux-joined")), (Some(&*turn), Some("true")));
    let other = retry(&png(20)).stream(&daemon).await;
    assert_eq!(other.header("x-turnmux-joined"), None);
    assert_ne!(other.header("x-turnmux-turn"), Some(&*turn));
    gate.open();
}
