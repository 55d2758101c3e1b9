//! Turns of one session, one after the other; sessions, side by side.

use serde_json::json;

use crate::harness::{Daemon, within};

#[tokio::test]
async fn a_full_queue_is_429_before_any_header_of_a_stream() {
    let daemon = Daemon::stand_in().config("sessions.queue_max = 2").start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say first\n{}", gate.hold())).await;
    running.first_text().await;
    let mut second = session.stream("second").await;
    let mut third = session.stream("third").await;
    assert_eq!((second.status.as_u16(), third.status.as_u16()), (200, 200));
    for _ in 0..3 {
        let reply = session.ask("too many").await;
        let refusal = reply.refused(429, "queue_full");
        assert!(refusal.message.contains("sessions.queue_max"), "{refusal:?}");
        assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
        assert_eq!(session.stream("too many").await.status, 429);
    }
    assert_eq!(daemon.client.get("/health").await.json()["queued"], 2);
    assert_eq!(daemon.client.session("c::d").ask("elsewhere").await.text(), "You said: elsewhere [turn 1]");
    gate.open();
    assert_eq!(running.rest().await.1.last(), Some(&json!("[DONE]")));
    assert_eq!(second.rest().await.0, "You said: second [turn 2]");
    assert_eq!(third.rest().await.0, "You said: third [turn 3]");
    assert_eq!(session.ask("fourth").await.text(), "You said: fourth [turn 4]");
}

#[tokio::test]
async fn twenty_turns_of_one_session_run_in_the_order_of_their_acceptance() {
    let daemon = Daemon::stand_in().config("sessions.queue_max = 20").start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say go\n{}", gate.hold())).await;
    running.first_text().await;
    let mut streams = Vec::new();
    for number in 0..20 {
        // A stream's headers come when its turn is accepted.
        streams.push(session.stream(&format!("number {number}")).await);
    }
    let readers: Vec<_> =
        streams.into_iter().map(|mut stream| tokio::spawn(async move { stream.rest().await.0 })).collect();
    gate.open();
    for (number, reader) in readers.into_iter().enumerate() {
        let text = within("a turn in line", reader).await.unwrap();
        assert_eq!(text, format!("You said: number {number} [turn {}]", number + 2));
    }
    let expected: Vec<_> = (0..20).map(|number| format!("number {number}")).collect();
    assert_eq!(daemon.stand_in_turns()[1..], expected);
}

#[tokio::test]
async fn twenty_requests_at_once_for_a_new_session_share_one_process_and_mix_nothing_up() {
    let daemon = Daemon::stand_in().config("sessions.queue_max = 20").start().await;
    let session = daemon.client.session("a::b");
    let asks: Vec<_> = (0..20)
        .map(|number| {
            let session = session.clone();
            tokio::spawn(async move { session.ask(&format!("number {number}")).await.text() })
        })
        .collect();
    let mut places = Vec::new();
    for (number, ask) in asks.into_iter().enumerate() {
        let text = within("a turn in line", ask).await.unwrap();
        let rest = text.strip_prefix(&format!("You said: number {number} [turn ")).unwrap_or_else(|| panic!("{text}"));
        places.push((rest.trim_end_matches(']').parse::<usize>().unwrap(), format!("number {number}")));
    }
    places.sort_unstable();
    assert_eq!(places.iter().map(|(place, _)| *place).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert_eq!(daemon.stand_in_turns(), places.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    let log = daemon.log();
    assert_eq!(log.matches("started an agent").count(), 1, "two first requests start one process");
}

#[tokio::test]
async fn a_session_that_is_held_blocks_no_other() {
    let daemon = Daemon::stand_in().config("sessions.max_live = 4").start().await;
    let gate = daemon.gate("gate");
    let mut held = daemon.client.session("held::1").stream(&format!("::say a\n{}\n::say b", gate.hold())).await;
    assert_eq!(held.first_text().await, "a");
    let others: Vec<_> = (0..3)
        .map(|number| {
            let client = daemon.client.session(&format!("free::{number}"));
            tokio::spawn(async move {
                for turn in 1..=5 {
                    assert_eq!(client.ask("x").await.text(), format!("You said: x [turn {turn}]"));
                }
            })
        })
        .collect();
    for other in others {
        within("sessions beside the held one", other).await.unwrap();
    }
    gate.open();
    assert_eq!(held.rest().await.0, "b");
}
