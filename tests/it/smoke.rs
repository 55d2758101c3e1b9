//! The shortest way through everything, with each agent.

use serde_json::json;

use crate::harness::{Claude, Daemon};

#[tokio::test]
async fn the_stand_in_answers_twice_from_one_process() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.session("a::b").await.unwrap()["pid"].clone();
    assert!(pid.is_number(), "{pid}");
    let (text, chunks) = session.stream("two").await.rest().await;
    assert_eq!(text, "You said: two [turn 2]");
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
    assert_eq!(daemon.session("a::b").await.unwrap()["pid"], pid, "the same process");
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn the_real_claude_answers_twice_from_one_process() {
    for claude in Claude::ALL {
        let daemon = Daemon::claude(claude).start().await;
        let session = daemon.client.session("a::b");
        assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]", "{claude:?}");
        let pid = daemon.session("a::b").await.unwrap()["pid"].clone();
        assert_eq!(session.stream("two").await.rest().await.0, "You said: two [turn 2]", "{claude:?}");
        assert_eq!(daemon.session("a::b").await.unwrap()["pid"], pid, "the same process, {claude:?}");
        assert!(daemon.stop().await.success());
    }
}
