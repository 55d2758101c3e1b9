//! Two tenants who use the same names.

use super::{KEY, requests};
use crate::harness::{Claude, Daemon};

#[tokio::test]
async fn each_has_a_conversation_of_its_own_under_the_same_name() {
    let keys = "[keys.alice]\nkey = \"key-of-alice\"\n[keys.bob]\nkey = \"key-of-bob\"";
    let daemon = Daemon::claude(Claude::Newest).keys(keys).start().await;
    let [alice, bob] = ["key-of-alice", "key-of-bob"].map(|key| daemon.client.key(key).session(KEY));
    let (one, two) = tokio::join!(alice.ask("alice: my number is 4711"), bob.ask("bob: my number is 815"));
    assert_eq!(one.text(), "You said: alice: my number is 4711 [turn 1]");
    assert_eq!(two.text(), "You said: bob: my number is 815 [turn 1]");
    assert_ne!(one.header("x-turnmux-thread"), two.header("x-turnmux-thread"));
    assert_eq!(bob.ask("bob: which?").await.text(), "You said: bob: which? [turn 2]");
    assert_eq!(alice.ask("alice: which?").await.text(), "You said: alice: which? [turn 2]");
    for (own, others) in [("alice", "815"), ("bob", "4711")] {
        let asked = requests(&daemon.model);
        let asked: Vec<_> = asked.iter().filter(|request| request.user_text.starts_with(own)).collect();
        assert_eq!(asked.len(), 2);
        assert!(asked.iter().all(|request| !request.body.to_string().contains(others)), "what is said to {own}");
    }
    assert!(daemon.stop().await.success());
}
