//! Requests that come again, for their client has lost the answer: they join their turn, which nobody runs twice.

use crate::harness::{Daemon, types};

const KEY: &str = "Idempotency-Key";

#[tokio::test]
async fn a_request_that_comes_again_gets_the_answer_of_the_first() {
    let daemon = Daemon::stand_in().start().await;
    let named = daemon.client.session("a::1").with(KEY, "first");
    let first = named.ask("one").await;
    assert_eq!((first.text(), first.header("x-turnmux-joined")), ("You said: one [turn 1]".into(), None));
    let again = named.ask("one").await;
    assert_eq!((again.text(), again.header("x-turnmux-joined")), (first.text(), Some("true")));
    assert_eq!(again.header("x-turnmux-turn"), first.header("x-turnmux-turn"));
    assert_eq!(daemon.stand_in_turns(), ["one"]);
}

#[tokio::test]
async fn a_name_belongs_to_one_request() {
    let daemon = Daemon::stand_in().start().await;
    let named = daemon.client.session("a::1").with(KEY, "first");
    named.ask("one").await;
    let refusal = named.ask("two").await.refused(422, "idempotency_mismatch");
    assert!(refusal.message.contains("`first`"), "{refusal:?}");
    daemon.client.session("a::2").with(KEY, "first").ask("one").await.refused(422, "idempotency_mismatch");
    daemon.client.session("a::1").with(KEY, &"x".repeat(256)).ask("one").await.refused(400, "invalid_header");
    daemon.client.session("a::1").with(KEY, " ").ask("one").await.refused(400, "invalid_header");
    assert_eq!(daemon.stand_in_turns(), ["one"]);
    assert_eq!(daemon.client.session("a::1").with(KEY, "second").ask("one").await.text(), "You said: one [turn 2]");
}

#[tokio::test]
async fn one_that_names_no_session_is_known_by_its_name_alone() {
    let daemon = Daemon::stand_in().start().await;
    let named = daemon.client.with(KEY, "first");
    let (first, again) = tokio::join!(named.ask("one"), named.ask("one"));
    assert_eq!((first.text(), again.text()), ("You said: one [turn 1]".into(), "You said: one [turn 1]".into()));
    assert_eq!(first.header("x-turnmux-turn"), again.header("x-turnmux-turn"));
    assert_eq!(daemon.stand_in_turns(), ["one"]);
}

#[tokio::test]
async fn a_turn_whose_client_went_away_goes_on_and_is_joined() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let named = daemon.client.session("a::1").with(KEY, "first");
    let script = format!("::say one\n{}\n::say two", gate.hold());
    let mut lost = named.stream(&script).await;
    lost.first_text().await;
    let turn = lost.header("x-turnmux-turn").unwrap().to_owned();
    drop(lost);
    daemon.logged("the reader of a turn has left", 1).await;
    let mut again = named.stream(&script).await;
    assert_eq!((again.first_text().await, again.header("x-turnmux-turn")), ("one".into(), Some(&*turn)));
    gate.open();
    assert_eq!(again.rest().await.0, "two");
    assert_eq!(daemon.stand_in_turns().len(), 1);
}

#[tokio::test]
async fn another_message_ends_what_nobody_reads() {
    let daemon = Daemon::stand_in().start().await;
    let named = daemon.client.session("a::1").with(KEY, "first");
    let mut lost = named.stream("::say one\n::silent").await;
    lost.first_text().await;
    let path = format!("/v1/turns/{}/events", lost.header("x-turnmux-turn").unwrap());
    drop(lost);
    daemon.logged("the reader of a turn has left", 1).await;
    assert_eq!(daemon.client.session("a::1").ask("other").await.text(), "You said: other [turn 2]");
    let events = daemon.client.watch(&path).await.rest().await;
    assert_eq!(types(&events)[events.len() - 2..], ["turn_interrupted", "over"]);
}

#[tokio::test]
async fn without_a_linger_a_client_that_leaves_stops_its_turn() {
    let daemon = Daemon::stand_in().config("[sessions]\nlinger = \"0s\"\n").start().await;
    let mut lost = daemon.client.session("a::1").with(KEY, "first").stream("::say one\n::silent").await;
    lost.first_text().await;
    let turn = lost.header("x-turnmux-turn").unwrap().to_owned();
    let mut watch = daemon.client.watch(&format!("/v1/turns/{turn}/events")).await;
    drop(lost);
    watch.until("turn_interrupted").await;
}
