//! More input for a running turn: it is one turn with one end, whatever claude makes of it.

use std::io::Write as _;

use turnmux::driver::Answer;

use super::rig::Rig;
use crate::harness::Claude;
use crate::support::model::Recorded;

on_both!(
    a_steer_while_a_tool_runs_joins_the_turn,
    a_steer_while_text_streams_goes_on_with_the_turn,
    two_steers_at_once_are_both_taken,
);

async fn a_steer_while_a_tool_runs_joins_the_turn(claude: Claude) {
    let rig = Rig::new(claude).await;
    let gate = rig.work().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut talk = rig.fresh().await;
    talk.start(
        "::say \"first\\n\"\n::tool Bash {\"command\":\"sh -c 'head -n 1 gate'\",\"description\":\"waits\"}\n::say after",
    )
    .await;
    let question = talk.asked().await;
    talk.answer(&question, Answer::Allow).await;
    talk.steer("::say \"steered\\n\"").await.unwrap();
    rig.transcripts.queue("steered").await;
    // Opened for both, so that this waits for nobody.
    let mut gate = std::fs::OpenOptions::new().read(true).write(true).open(&gate).unwrap();
    gate.write_all(b"go on\n").unwrap();
    let text = talk.answered().await;
    // The model saw it beside the tool's result, as claude's own words about it; the double goes on with its first script.
    assert_eq!(text, "first\n\n\nafter");
    assert!(asked_with(&rig, "steered"));
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    talk.detach().await;
}

async fn a_steer_while_text_streams_goes_on_with_the_turn(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    talk.start("::say \"one\\n\"\n::hold here\n::say two").await;
    talk.shows("one").await;
    talk.steer("::say \"steered\\n\"").await.unwrap();
    rig.transcripts.queue("steered").await;
    rig.model.release("here");
    assert_eq!(talk.answered().await, "one\ntwo\n\nsteered");
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    talk.detach().await;
}

async fn two_steers_at_once_are_both_taken(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    talk.start("::say \"one\\n\"\n::hold here\n::say two").await;
    talk.shows("one").await;
    talk.steer("::say \"steer A\\n\"").await.unwrap();
    talk.steer("::say \"steer B\\n\"").await.unwrap();
    rig.transcripts.queue("steer A").await;
    rig.transcripts.queue("steer B").await;
    rig.model.release("here");
    let text = talk.answered().await;
    assert!(text.starts_with("one\ntwo\n\nsteer") && text.ends_with("steer B"), "{text}");
    assert!(asked_with(&rig, "steer A") && asked_with(&rig, "steer B"));
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    talk.detach().await;
}

/// Whether the model was asked with this text anywhere.
fn asked_with(rig: &Rig, text: &str) -> bool {
    let has = |request: &Recorded| !request.on_the_side && request.body["messages"].to_string().contains(text);
    rig.model.requests().iter().any(|request| has(request))
}
