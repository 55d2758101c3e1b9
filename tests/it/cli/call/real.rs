//! The real claude, in both pinned releases.

use super::roots;
use crate::harness::{Claude, Daemon};
use crate::support::model::Recorded;

on_both!(calls_find_a_warm_process_and_an_empty_context, json_and_tools);

async fn calls_find_a_warm_process_and_an_empty_context(claude: Claude) {
    let daemon = Daemon::claude(claude).config(&roots()).start().await;
    let call = daemon.turnmux(&["call", "-r", "hello"]);
    for _ in 0..3 {
        assert_eq!(call.run().await.ok(), "You said: hello [turn 1]\n");
    }
    let started = daemon.started();
    assert!(started <= 2, "{started} processes for three calls, one after the other");
    let session = daemon.turnmux(&["call", "-r", "hello", "--session", "s"]);
    assert_eq!(session.clone().args(&["-m", "opus"]).run().await.ok(), "You said: hello [turn 1]\n");
    let of_turns = |request: &Recorded| !request.on_the_side && !request.path.contains("count_tokens");
    let asked = daemon.model.requests().into_iter().rfind(|request| of_turns(request)).expect("a request");
    let asked = &asked.body["model"];
    assert!(asked.as_str().is_some_and(|model| model.contains("opus")), "{asked}");
    assert_eq!(session.run().await.ok(), "You said: hello [turn 2]\n");
}

async fn json_and_tools(claude: Claude) {
    let daemon = Daemon::claude(claude).config(&roots()).start().await;
    let prompt = "::tool Glob {\"pattern\": \"*\"}\n::say Here: {\"x\": 1}";
    let schema = r#"{"type": "object", "required": ["x"]}"#;
    let ran = daemon.turnmux(&["call", "-r", prompt, "-j", schema]).run().await;
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "{\"x\": 1}\n"), "{ran:?}");
    assert!(ran.stderr.contains("· Glob: *\n"), "{ran:?}");
}
