//! Who waits for a process, and who makes room.

use super::{KEY, aside, request_for, requests};
use crate::harness::{Claude, Daemon, gone};

on_all!(two_first_requests_share_one_process, the_longest_idle_makes_room_and_resumes, a_turn_waits_while_all_are_busy);

async fn two_first_requests_share_one_process(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let (one, two) = tokio::join!(session.ask("this"), session.ask("that"));
    let mut answers = [one.text(), two.text()];
    answers.sort_by_key(|answer| answer.contains("[turn 2]"));
    // In which order they came is the network's; that they were asked one after the other shows in the counts.
    let expected =
        requests(&daemon.model).iter().map(|r| format!("You said: {} [turn {}]", r.user_text, r.turn)).collect();
    assert_eq!(Vec::from(answers), Vec::<String>::from_iter::<Vec<_>>(expected));
    assert_eq!(daemon.started(), 1);
    assert_eq!(daemon.client.get("/health").await.json()["processes"], 1);
}

async fn the_longest_idle_makes_room_and_resumes(claude: Claude) {
    let daemon = Daemon::claude(claude).config("[sessions]\nmax_live = 1").start().await;
    let (a, b) = (daemon.client.session("a::1"), daemon.client.session("b::1"));
    assert_eq!(a.ask("one").await.text(), "You said: one [turn 1]");
    let pid = daemon.agent("a::1").await;
    assert_eq!(b.ask("other").await.text(), "You said: other [turn 1]");
    gone(pid).await;
    assert_eq!(daemon.client.get("/health").await.json()["processes"], 1);
    assert_eq!(a.ask("two").await.text(), "You said: two [turn 2]");
}

async fn a_turn_waits_while_all_are_busy(claude: Claude) {
    let daemon = Daemon::claude(claude).config("[sessions]\nmax_live = 1").start().await;
    let (a, b) = (daemon.client.session("a::1"), daemon.client.session("b::1"));
    let mut busy = a.stream("one\n::hold here\n::echo").await;
    request_for(&daemon.model, "one").await;
    let mut waiting = b.stream("other").await;
    waiting.until("word that it waits", |chunk| aside(chunk) == ("waiting", "capacity")).await;
    assert_eq!(daemon.session("b::1").await.unwrap()["state"], "waiting");
    daemon.model.release("here");
    assert_eq!(busy.rest().await.0, "You said: one [turn 1]");
    assert_eq!(waiting.rest().await.0, "You said: other [turn 1]");
}
