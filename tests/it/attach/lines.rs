//! Sessions without a terminal, and terminals that are none.

use super::KEY;
use crate::harness::{Console, Daemon};

#[tokio::test]
async fn lines_become_turns_and_events_are_shown() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session(KEY).ask("the first word").await;
    let mut console = Console::attach(&daemon, &[KEY]).await;
    console.sees("speaks with its agent over pipes").await;
    console.sees("a line is a turn").await;
    console.types("said by hand\n").await;
    console.sees("> said by hand").await;
    console.sees("is done").await;
    assert!(console.text().contains("You said: said by hand"), "{}", console.text());
    console.types("\u{4}").await;
    assert_eq!(console.ends().await.0, Some(0));
    assert_eq!(daemon.stand_in_turns(), ["the first word", "said by hand"]);
}

#[tokio::test]
async fn who_watches_gives_no_turns() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session(KEY).ask("the first word").await;
    let mut console = Console::attach(&daemon, &[KEY, "--watch"]).await;
    console.sees("Ctrl-C detaches").await;
    console.types("never\n").await;
    daemon.client.session(KEY).ask("a turn after it").await;
    console.sees("> a turn after it").await;
    assert_eq!(daemon.stand_in_turns(), ["the first word", "a turn after it"]);
}

/// `echo … | turnmux attach SESSION` waits for the answer.
#[tokio::test]
async fn what_comes_through_a_pipe_is_answered_before_it_ends() {
    let daemon = Daemon::stand_in().start().await;
    daemon.client.session(KEY).ask("the first word").await;
    let script = "echo through a pipe | turnmux attach \"$1\"; echo code $?";
    let (_, screen) = Console::shell(&daemon, script, &[KEY]).await.ends().await;
    assert!(screen.contains("You said: through a pipe") && screen.contains("code 0"), "{screen}");
}

#[tokio::test]
async fn a_session_that_is_not_there_is_said() {
    let daemon = Daemon::stand_in().start().await;
    let (code, screen) = Console::attach(&daemon, &["desk::nobody"]).await.ends().await;
    assert!(code == Some(5) && screen.contains("there is no such session"), "{code:?}: {screen}");
}
