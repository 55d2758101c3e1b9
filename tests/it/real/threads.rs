//! One process for many turns, and the thread that outlives it.

use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;

use super::{KEY, error_code, request_for, send};
use crate::harness::{Claude, Daemon, Transcripts, gone};

on_all!(
    one_process_serves_many_turns,
    a_retired_process_is_resumed,
    claude_killed_while_idle_is_resumed,
    claude_killed_in_a_turn_is_resumed,
    claude_killed_in_its_first_turn_is_resumed,
    claude_killed_before_it_wrote_anything_begins_again,
    claude_killed_before_it_wrote_a_message_begins_again,
);

async fn one_process_serves_many_turns(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let session = daemon.client.session(KEY);
    let first = session.ask("turn 1").await;
    assert_eq!(first.text(), "You said: turn 1 [turn 1]");
    let pid = daemon.agent(KEY).await;
    let thread = first.header("x-turnmux-thread").expect("a thread").to_owned();
    for turn in (2..=9).step_by(2) {
        let whole = session.ask(&format!("turn {turn}")).await;
        assert_eq!(whole.text(), format!("You said: turn {turn} [turn {turn}]"));
        assert_eq!(whole.header("x-turnmux-thread"), Some(&*thread));
        let mut streamed = session.stream(&format!("turn {}", turn + 1)).await;
        assert_eq!(streamed.header("x-turnmux-thread"), Some(&*thread));
        assert_eq!(streamed.rest().await.0, format!("You said: turn {0} [turn {0}]", turn + 1));
    }
    let shown = daemon.session(KEY).await.unwrap();
    assert_eq!((&shown["pid"], &shown["turns"], &shown["state"]), (&pid.into(), &9.into(), &"idle".into()));
    assert_eq!(shown["thread"], thread);
    // The id is claude's own: its service is told it with each request, and its transcript has that name.
    let asked = request_for(&daemon.model, "turn 9").await;
    let user = asked.body["metadata"]["user_id"].as_str().expect("claude says who asks");
    assert!(user.contains(&thread), "{user} does not name {thread}");
    assert!(daemon.stop().await.success());
}

async fn a_retired_process_is_resumed(claude: Claude) {
    let daemon = Daemon::claude(claude).config("[sessions]\nidle_timeout = \"100ms\"").start().await;
    let session = daemon.client.session(KEY);
    let mut stream = session.stream("::say \"one\\n\"\n::hold here").await;
    let thread = stream.header("x-turnmux-thread").expect("a thread").to_owned();
    stream.first_text().await;
    let pid = daemon.agent(KEY).await;
    daemon.model.release("here");
    stream.rest().await;
    gone(pid).await;
    let second = session.ask("two").await;
    assert_eq!(second.text(), "You said: two [turn 2]");
    assert_eq!(second.header("x-turnmux-thread"), Some(&*thread));
    assert_eq!(daemon.started(), 2);
    let asked = request_for(&daemon.model, "two").await;
    let messages = asked.body["messages"].as_array().expect("messages").iter();
    let answers: Vec<_> = messages.filter(|message| message["role"] == "assistant").collect();
    assert!(json!(answers).to_string().contains("one"), "the answer of turn 1 is in the history too");
}

async fn claude_killed_while_idle_is_resumed(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let transcripts = daemon.transcripts();
    let session = daemon.client.session(KEY);
    let thread = session.ask("one").await.header("x-turnmux-thread").expect("a thread").to_owned();
    transcripts.hold("You said: one [turn 1]").await;
    send(daemon.agent(KEY).await, SIGKILL);
    daemon.logged("the agent's process ended", 1).await;
    let second = session.ask("two").await;
    assert_eq!(second.text(), "You said: two [turn 2]");
    assert_eq!(second.header("x-turnmux-thread"), Some(&*thread));
}

async fn claude_killed_in_a_turn_is_resumed(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let transcripts = daemon.transcripts();
    let session = daemon.client.session(KEY);
    assert_eq!(session.ask("one").await.text(), "You said: one [turn 1]");
    // Streamed: an error event that says so, and no [DONE].
    let mut stream = session.stream("two\n::say \"some of it\\n\"\n::hold never").await;
    stream.first_text().await;
    transcripts.hold("two\\n::say").await;
    send(daemon.agent(KEY).await, SIGKILL);
    let (_, chunks) = stream.rest().await;
    assert_eq!(error_code(&chunks), "agent_lost");
    assert!(chunks.last().unwrap()["error"]["message"].as_str().unwrap().contains("signal: 9"), "{chunks:?}");
    assert_next(&daemon, "three", &["one", "two\n::say \"some of it\\n\""]).await;
    // Not streamed: 502, and no advice to repeat it.
    let lost = tokio::spawn({
        let session = session.clone();
        async move { session.ask("four\n::silent").await }
    });
    transcripts.hold("four\\n::silent").await;
    send(daemon.agent(KEY).await, SIGKILL);
    let lost = lost.await.unwrap();
    assert_eq!((lost.status.as_u16(), &*lost.code()), (502, "agent_lost"));
    assert_eq!(lost.header("x-should-retry"), Some("false"));
    assert_next(&daemon, "five", &["one", "two\n::say \"some of it\\n\"", "three", "four\n::silent"]).await;
}

async fn claude_killed_in_its_first_turn_is_resumed(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let transcripts = daemon.transcripts();
    let thread = killed_in_the_first_turn(&daemon, &transcripts).await;
    assert_next(&daemon, "two", &["one\n::silent"]).await;
    assert_eq!(daemon.session(KEY).await.unwrap()["thread"], thread);
}

/// claude writes a thread down some moments after it began. One that was killed before has lost nothing that anybody was
/// told, so the session begins again.
async fn claude_killed_before_it_wrote_anything_begins_again(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let transcripts = daemon.transcripts();
    let thread = killed_in_the_first_turn(&daemon, &transcripts).await;
    transcripts.lose();
    let second = daemon.client.session(KEY).ask("two").await;
    assert_eq!(second.text(), "You said: two [turn 1]");
    assert_eq!(second.header("x-turnmux-thread"), Some(&*thread));
    assert_eq!(daemon.client.session(KEY).ask("three").await.text(), "You said: three [turn 2]");
}

/// As above, when its file is there already: 2.1.197 then neither resumes the thread nor begins it again.
async fn claude_killed_before_it_wrote_a_message_begins_again(claude: Claude) {
    let daemon = Daemon::claude(claude).start().await;
    let transcripts = daemon.transcripts();
    let thread = killed_in_the_first_turn(&daemon, &transcripts).await;
    transcripts.lose_messages(&thread);
    assert_eq!(daemon.client.session(KEY).ask("two").await.text(), "You said: two [turn 1]");
    let third = daemon.client.session(KEY).ask("three").await;
    assert_eq!(third.text(), "You said: three [turn 2]");
    assert_eq!(third.header("x-turnmux-thread"), daemon.session(KEY).await.unwrap()["thread"].as_str());
}

/// Kills claude in the first turn of a session; gives the thread.
async fn killed_in_the_first_turn(daemon: &Daemon, transcripts: &Transcripts) -> String {
    let mut stream = daemon.client.session(KEY).stream("one\n::silent").await;
    let thread = stream.header("x-turnmux-thread").expect("a thread").to_owned();
    transcripts.hold("one\\n::silent").await;
    send(daemon.agent(KEY).await, SIGKILL);
    assert_eq!(error_code(&stream.rest().await.1), "agent_lost");
    thread
}

/// The next turn answers its own question, and the model is told what came before. (How many texts the model counts is
/// claude's matter: 2.1.197 puts one of its own behind a turn that was broken off.)
async fn assert_next(daemon: &Daemon, text: &str, before: &[&str]) {
    let answer = daemon.client.session(KEY).ask(text).await.text();
    assert!(answer.starts_with(&format!("You said: {text} [turn ")), "{answer}");
    let messages = request_for(&daemon.model, text).await.body["messages"].to_string();
    for text in before {
        let text = json!(text).to_string();
        assert!(messages.contains(text.trim_matches('"')), "{text} is not in {messages}");
    }
}
