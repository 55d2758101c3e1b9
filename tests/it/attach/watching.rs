//! The real claude's terminal on somebody's own.

use super::{KEY, with_a_turn};
use crate::harness::{Claude, Console, gone};

in_terminal!(
    the_screen_is_there_at_once_and_goes_on,
    who_watches_types_nothing,
    the_smallest_terminal_counts,
    the_end_of_the_agent_is_said,
);

async fn the_screen_is_there_at_once_and_goes_on(claude: Claude) {
    let daemon = with_a_turn(claude).await;
    let pid = daemon.agent(KEY).await;
    let mut console = Console::attach(&daemon, &[KEY, "--watch"]).await;
    console.sees("the first word").await;
    console.sees("desk::one · q detaches").await;
    let answer = daemon.client.session(KEY).ask("another word").await.text();
    assert_eq!(answer, "You said: another word [turn 2]");
    console.sees("You said: another word [turn 2]").await;
    console.types("q").await;
    let (code, left) = console.ends().await;
    assert_eq!(code, Some(0), "{left}");
    assert!(left.contains("attached to desk::one, to watch; q detaches"), "{left}");
    assert!(left.contains("detached; the session goes on") && !left.contains("another word"), "{left}");
    assert_eq!(daemon.agent(KEY).await, pid, "its agent runs on");
    assert_eq!(daemon.client.session(KEY).ask("the last").await.text(), "You said: the last [turn 3]");
}

async fn who_watches_types_nothing(claude: Claude) {
    let daemon = with_a_turn(claude).await;
    let mut console = Console::attach(&daemon, &[KEY, "--watch"]).await;
    console.sees("the first word").await;
    console.types("never to be seen\r").await;
    // What was typed would be there before what is shown for a turn that begins later.
    daemon.client.session(KEY).ask("a turn after it").await;
    console.sees("You said: a turn after it [turn 2]").await;
    assert!(!console.text().contains("never to be seen"), "{}", console.text());
    console.types("\u{3}").await;
    assert_eq!(console.ends().await.0, Some(0));
}

async fn the_smallest_terminal_counts(claude: Claude) {
    let daemon = with_a_turn(claude).await;
    let rule = |width: usize| move |screen: &str| screen.lines().any(|line| line == "─".repeat(width));
    let mut wide = Console::attach(&daemon, &[KEY, "--watch"]).await;
    wide.sees_if("rules of 100", rule(100)).await;
    let mut narrow = Console::attach(&daemon, &[KEY, "--watch"]).await;
    narrow.sees_if("rules of 100", rule(100)).await;
    narrow.resize(20, 70);
    narrow.sees_if("rules of 70", rule(70)).await;
    wide.sees_if("rules of 70", rule(70)).await;
    narrow.types("q").await;
    assert_eq!(narrow.ends().await.0, Some(0));
    wide.sees_if("rules of 100 again", rule(100)).await;
    let answer = daemon.client.session(KEY).ask("in whatever size").await.text();
    assert_eq!(answer, "You said: in whatever size [turn 2]");
}

async fn the_end_of_the_agent_is_said(claude: Claude) {
    let daemon = with_a_turn(claude).await;
    let pid = daemon.agent(KEY).await;
    let mut console = Console::attach(&daemon, &[KEY, "--watch"]).await;
    console.sees("the first word").await;
    let closed = daemon.client.post(&format!("/v1/sessions/{KEY}/close"), &serde_json::json!({})).await;
    assert_eq!(closed.status, 200);
    gone(pid).await;
    let (code, left) = console.ends().await;
    assert!(code == Some(0) && left.contains("the agent's process has ended"), "{code:?}: {left}");
}

#[tokio::test]
async fn the_terminal_is_as_it_was_however_one_leaves() {
    let daemon = with_a_turn(Claude::NewestInTerminal).await;
    let attach = format!("sh -c 'echo $$ > pid; exec turnmux attach {KEY}'; code=$?");
    let compared = "stty -a > after; cmp before after && echo same $code";

    let mut left = Console::shell(&daemon, &format!("stty -a > before; {attach}; {compared}"), &[]).await;
    left.sees("You said: the first word").await;
    left.types("\u{1c}\u{1c}").await;
    let (_, screen) = left.ends().await;
    assert!(screen.contains("same 0") && screen.contains("detached"), "{screen}");

    // The one who kills it waits for a word.
    let killer = "mkfifo go; (read -r word < go; kill \"$(cat pid)\") & ";
    let mut killed = Console::shell(&daemon, &format!("stty -a > before; {killer}{attach}; {compared}"), &[]).await;
    killed.sees("You said: the first word").await;
    let go = daemon.work().join("go");
    tokio::task::spawn_blocking(move || std::fs::write(go, "now\n")).await.expect("a thread").expect("a reader");
    let (_, screen) = killed.ends().await;
    assert!(screen.contains("same 0") && screen.contains("detached"), "{screen}");
}
