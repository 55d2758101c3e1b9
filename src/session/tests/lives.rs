//! The life of a session: start, turns, idleness, resumption, reset, end.

use super::*;
use crate::protocol::ErrorKind;
use crate::protocol::HistoryMessage;
use crate::protocol::Role;

#[tokio::test(start_paused = true)]
async fn two_first_submissions_for_one_key_start_one_process() {
    let world = World::new();
    let (mut a, mut b) = tokio::join!(world.submit("1", "one"), world.submit("1", "two !where"));
    assert_eq!(text(&ending(&mut a.reader).await), "one");
    assert!(text(&ending(&mut b.reader).await).contains("turn=2"));
    assert_eq!(world.driver.opened(), 1);
    assert_eq!(a.thread, b.thread);
    assert_ne!(a.turn, b.turn);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_told_step_by_step_and_numbered_without_gaps() {
    let world = World::new();
    let mut turn = world.submit("1", "one two").await;
    let events = rest(&mut turn.reader).await;
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=8).collect::<Vec<_>>());
    let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
    let (usage, ending) = (kinds[6].clone(), kinds[7].clone());
    assert!(matches!((usage, ending), (EventKind::Usage(_), EventKind::Ended(_))));
    assert_eq!(
        kinds[..6],
        [
            EventKind::UserText("one two".into()),
            EventKind::Waiting(WaitReason::Starting),
            EventKind::Started { thread: turn.thread },
            EventKind::TextDelta("one".into()),
            EventKind::TextDelta(" two".into()),
            EventKind::AssistantText("one two".into()),
        ]
    );
    let mut next = world.submit("1", "three").await;
    assert_eq!(rest(&mut next.reader).await[0].seq, 9);
}

#[tokio::test(start_paused = true)]
async fn sessions_run_side_by_side_and_the_turns_of_one_do_not() {
    let world = World::new();
    let begin = tokio::time::Instant::now();
    tokio::join!(world.ask("1", "!pause=10s a"), world.ask("2", "!pause=10s b"));
    assert!(begin.elapsed() < 11 * SECOND);
    let begin = tokio::time::Instant::now();
    tokio::join!(world.ask("1", "!pause=10s a"), world.ask("1", "!pause=10s b"));
    assert!(begin.elapsed() >= 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_idle_process_ends_and_the_next_turn_resumes_its_thread() {
    let world = World::new();
    let mut first = world.submit("1", "one").await;
    ending(&mut first.reader).await;
    pass(599 * SECOND).await;
    assert_eq!((world.live(), world.view("1").state), (1, "idle"));
    pass(2 * SECOND).await;
    assert_eq!((world.live(), world.view("1").state), (0, "not_loaded"));
    let answer = world.ask("1", "!where").await;
    assert!(answer.starts_with(&format!("thread={} origin=resume turn=1", first.thread)), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn events_are_numbered_on_after_the_process_is_gone() {
    let world = World::new();
    let mut first = world.submit("1", "one").await;
    let last = rest(&mut first.reader).await.last().unwrap().seq;
    pass(601 * SECOND).await;
    let mut next = world.submit("1", "two").await;
    assert_eq!(rest(&mut next.reader).await[0].seq, last + 1);
}

#[tokio::test(start_paused = true)]
async fn a_crash_fails_its_own_turn_and_the_next_one_resumes() {
    let world = World::new();
    let (mut a, mut b) = tokio::join!(world.submit("1", "one !crash"), world.submit("1", "!where"));
    assert!(matches!(ending(&mut a.reader).await, TurnEnding::Failed(error) if error.kind == ErrorKind::AgentLost));
    assert!(text(&ending(&mut b.reader).await).contains("origin=resume turn=1"));
    assert_eq!(world.driver.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_refuses_to_start_fails_each_turn() {
    let world = World::with(|setup| setup.args = vec!["refuse".into()]);
    let (mut a, mut b) = tokio::join!(world.submit("1", "one"), world.submit("1", "two"));
    for reader in [&mut a.reader, &mut b.reader] {
        assert!(matches!(ending(reader).await, TurnEnding::Failed(error) if error.kind == ErrorKind::StartFailed));
    }
    assert_eq!(world.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_never_ready_and_never_gone_holds_up_nothing_for_ever() {
    let world = World::with(|setup| setup.args = vec!["never-ready".into(), "never-gone".into()]);
    let mut turn = world.submit("1", "one").await;
    assert!(
        matches!(ending(&mut turn.reader).await, TurnEnding::Failed(error) if error.kind == ErrorKind::StartFailed)
    );
    pass(60 * SECOND).await;
    assert_eq!(world.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_denied() {
    let world = World::new();
    let mut turn = world.submit("1", "!ask=Bash").await;
    let events = rest(&mut turn.reader).await;
    assert!(events.iter().any(|event| event.kind == EventKind::PermissionDenied { tool: "Bash".into() }));
    assert!(events.iter().any(|event| event.kind == EventKind::TextDelta("denied".into())));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_keeps_the_process_and_one_that_is_not_heard_does_not() {
    let world = World::new();
    let mut turn = world.submit("1", "!never").await;
    assert_eq!(world.interrupt("1").await, Interrupted::Confirmed(turn.turn));
    assert!(matches!(ending(&mut turn.reader).await, TurnEnding::Interrupted(InterruptCause::Request)));
    assert_eq!(world.interrupt("1").await, Interrupted::NoTurn);
    assert!(world.ask("1", "!where").await.contains("turn=2"));

    let mut turn = world.submit("1", "!deaf !never").await;
    pass(SECOND).await;
    assert_eq!(world.interrupt("1").await, Interrupted::Confirmed(turn.turn));
    ending(&mut turn.reader).await;
    assert!(world.ask("1", "!where").await.contains("origin=resume turn=1"));
}

#[tokio::test(start_paused = true)]
async fn a_turn_can_be_interrupted_by_its_id_alone_within_its_tenant() {
    let world = World::new();
    let turn = world.submit("1", "!never").await;
    let stranger = TenantId::new("alice").unwrap();
    let wait = 20 * SECOND;
    assert_eq!(world.registry.interrupt_turn(&stranger, turn.turn, wait).await, Interrupted::NoTurn);
    let stopped = world.registry.interrupt_turn(&TenantId::local(), turn.turn, wait).await;
    assert_eq!(stopped, Interrupted::Confirmed(turn.turn));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_stops_the_turn_and_who_never_took_the_answer_too() {
    let world = World::new();
    let turn = world.submit("1", "!never").await;
    pass(SECOND).await;
    drop(turn);
    pass(SECOND).await;
    assert_eq!(world.view("1").state, "idle");
    // A submitter that goes away before it has its answer: nobody holds the reader.
    let (key, job) = (key("1"), world.job("!never"));
    assert!(futures_util::FutureExt::now_or_never(world.registry.submit(&key, job)).is_none());
    pass(SECOND).await;
    assert_eq!(world.view("1").state, "idle");
    assert_eq!(world.driver.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_a_new_thread_with_the_history_told_again() {
    let world = World::new();
    let mut first = world.submit("1", "one").await;
    ending(&mut first.reader).await;
    assert!(within("a reset", world.registry.reset(&key("1"))).await.unwrap());
    assert_eq!(world.view("1").record.generation, 1);
    let mut job = world.job("!where");
    job.request.history = vec![HistoryMessage { role: Role::User, text: "before".into() }];
    let mut second = world.registry.submit(&key("1"), job).await.unwrap();
    let answer = text(&ending(&mut second.reader).await);
    assert!(answer.contains("origin=new turn=1") && answer.contains("prefaces=1"), "{answer}");
    assert_ne!(first.thread, second.thread);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_process_is_reset_and_closed_too() {
    let world = World::new();
    assert!(!world.registry.reset(&key("1")).await.unwrap());
    assert!(!world.registry.close(&key("1")).await.unwrap());
    world.ask("1", "one").await;
    pass(601 * SECOND).await;
    assert!(world.view("1").record.thread.is_some());
    assert!(world.registry.reset(&key("1")).await.unwrap());
    assert_eq!((world.view("1").record.thread, world.view("1").record.generation), (None, 1));
    assert!(world.registry.close(&key("1")).await.unwrap());
    assert!(world.registry.get(&key("1")).unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_ends_its_turns_and_is_forgotten() {
    let world = World::new();
    let mut running = world.submit("1", "!never").await;
    let mut waiting = world.submit("1", "two").await;
    pass(SECOND).await;
    assert!(within("the close", world.registry.close(&key("1"))).await.unwrap());
    for reader in [&mut running.reader, &mut waiting.reader] {
        assert!(matches!(ending(reader).await, TurnEnding::Interrupted(_)));
    }
    assert!(world.registry.get(&key("1")).unwrap().is_none());
    assert_eq!(world.live(), 0);
    assert!(world.ask("1", "!where").await.contains("origin=new"));
}
