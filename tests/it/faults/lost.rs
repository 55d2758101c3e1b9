//! Agents whose process ends in the middle of a turn: an error that SDKs raise, never error text as an answer, and the
//! turn is not run again.

use super::goes_on;
use crate::harness::Daemon;

#[tokio::test]
async fn a_killed_process_is_502_and_the_conversation_goes_on() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    let pid = daemon.agent("a::b").await;
    let reply = session.ask("::say half an answer\n::kill").await;
    let refusal = reply.refused(502, "agent_lost");
    assert!(refusal.message.contains("signal: 9"), "{refusal:?}");
    assert_eq!(reply.header("x-should-retry"), Some("false"), "SDKs must not run it again");
    goes_on(&daemon, "a::b", 3).await;
    assert_ne!(daemon.agent("a::b").await, pid, "a new process took up the thread");
    assert_eq!(daemon.stand_in_turns().len(), 3, "the turn ran once");
}

#[tokio::test]
async fn a_killed_process_ends_a_stream_with_an_error_event() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    let mut stream = session.stream("::say half an answer\n::silent 0\n::kill").await;
    let (text, refusal) = stream.refused("agent_lost").await;
    assert_eq!(text, "half an answer");
    assert_eq!(refusal.kind, "server_error");
    goes_on(&daemon, "a::b", 2).await;
}

#[tokio::test]
async fn an_exit_in_the_middle_is_502_whatever_its_code() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    for (at, (text, said)) in [
        ("::say some\n::exit 3", "exit status: 3"),
        ("::say some\n::exit 0", "exit status: 0"),
        ("::exit 1", "exit status: 1"),
        ("::half-line", "exit status: 0"),
        ("::say some\n::half-line 7", "exit status: 7"),
    ]
    .into_iter()
    .enumerate()
    {
        let refusal = session.ask(text).await.refused(502, "agent_lost");
        assert!(refusal.message.contains(said), "{text}: {refusal:?}");
        goes_on(&daemon, "a::b", 2 * at + 2).await;
    }
}

#[tokio::test]
async fn turns_that_wait_go_on_with_the_resumed_thread() {
    let daemon = Daemon::stand_in().start().await;
    let gate = daemon.gate("gate");
    let session = daemon.client.session("a::b");
    let mut running = session.stream(&format!("::say some\n{}\n::kill", gate.hold())).await;
    running.first_text().await;
    let mut second = session.stream("second").await;
    let mut third = session.stream("third").await;
    gate.open();
    running.refused("agent_lost").await;
    assert_eq!(second.rest().await.0, "You said: second [turn 2]");
    assert_eq!(third.rest().await.0, "You said: third [turn 3]");
}

#[tokio::test]
async fn a_process_that_dies_between_turns_costs_nothing() {
    let daemon = Daemon::stand_in().start().await;
    let session = daemon.client.session("a::b");
    session.ask("one").await;
    let pid = daemon.agent("a::b").await;
    let kill = nix::sys::signal::Signal::SIGKILL;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), kill).unwrap();
    daemon.logged("the agent's process ended", 1).await;
    goes_on(&daemon, "a::b", 2).await;
    assert_ne!(daemon.agent("a::b").await, pid);
}

#[tokio::test]
async fn the_last_words_of_a_lost_process_are_quoted_up_to_a_bound() {
    let daemon = Daemon::stand_in().start().await;
    let refusal = daemon.client.ask("::stderr 3000000\n::exit 9").await.refused(502, "agent_lost");
    assert!(refusal.message.contains("xxxxxxxx"), "{refusal:?}");
    assert!(refusal.message.len() < 10_000, "{} bytes of it", refusal.message.len());
}
