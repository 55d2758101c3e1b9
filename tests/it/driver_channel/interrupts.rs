//! A turn is stopped; what waited behind it is not said later.

use turnmux::driver::CommandKind;
use turnmux::protocol::{InterruptCause, TurnEnding};

use super::rig::Rig;
use crate::harness::{Claude, LIMIT};

on_both!(
    an_interrupt_stops_text,
    an_interrupt_takes_the_steers_along,
    an_interrupt_before_the_turn_begins_stops_it_when_it_does,
    an_interrupt_closes_an_open_question,
);

async fn an_interrupt_stops_text(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    talk.start("::say \"one\\n\"\n::silent").await;
    talk.shows("one").await;
    talk.interrupted().await;
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    talk.detach().await;
}

async fn an_interrupt_takes_the_steers_along(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    talk.start("::say \"one\\n\"\n::silent").await;
    talk.shows("one").await;
    talk.steer("::say \"steered\\n\"").await.unwrap();
    rig.transcripts.queue("steered").await;
    talk.interrupted().await;
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    assert_eq!(talk.turn("::say \"later\\n\"").await, "later");
    let newest = rig.model.requests().into_iter().rfind(|request| request.user_text.contains("later")).unwrap();
    assert!(!newest.user_text.contains("steered"), "{}", newest.user_text);
    talk.detach().await;
}

async fn an_interrupt_before_the_turn_begins_stops_it_when_it_does(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    talk.start("::silent").await;
    talk.send(CommandKind::Interrupt).await;
    assert_eq!(talk.ending().await, TurnEnding::Interrupted(InterruptCause::Agent));
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    talk.detach().await;
}

async fn an_interrupt_closes_an_open_question(claude: Claude) {
    let rig = Rig::new(claude).await;
    let mut talk = rig.fresh().await;
    talk.start("::tool Bash {\"command\":\"sh -c 'echo x > made'\",\"description\":\"a test\"}\n::say \"after\\n\"")
        .await;
    talk.asked().await;
    rig.model.wait_for_request(|request| !request.on_the_side, LIMIT).await.unwrap();
    rig.logged("the plugin passes on a question").await;
    talk.interrupted().await;
    assert!(!rig.work().join("made").exists());
    assert_eq!(talk.turn("::say \"next\\n\"").await, "next");
    assert!(!rig.work().join("made").exists());
    talk.detach().await;
}
