//! What people see on a terminal.

use super::stand_in;
use crate::harness::Console;

/// The spinner's pictures.
const PICTURES: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

const CALL: &str = "turnmux call -r \"$@\"";

#[tokio::test]
async fn a_spinner_turns_until_there_is_an_answer() {
    let daemon = stand_in().start().await;
    let gate = daemon.gate("gate");
    let prompt = format!("{}\n::tool Bash {{\"command\": \"ls\"}}\n::say done", gate.hold());
    let mut screen = Console::shell(&daemon, CALL, &[&prompt]).await;
    for picture in PICTURES.chars().take(3) {
        screen.prints(&picture.to_string()).await;
    }
    assert!(screen.printed().contains("\x1b[2m"), "dimmed: {:?}", screen.printed());
    gate.open();
    assert_eq!(screen.ends().await, (Some(0), "· Bash: ls\ndone".to_owned()), "no trace of the spinner");
}

#[tokio::test]
async fn no_colour_where_none_is_wanted_and_no_spinner_where_it_is_to_be_quiet() {
    let daemon = stand_in().start().await;
    let prompt = "::silent 500\n::tool Bash {\"command\": \"ls\"}\n::say done";
    let mut screen = Console::shell(&daemon, &format!("NO_COLOR=1 {CALL}"), &[prompt]).await;
    screen.prints("done").await;
    assert!(!screen.printed().contains("\x1b[2m") && screen.printed().contains('⠋'), "{:?}", screen.printed());
    let mut quiet = Console::shell(&daemon, CALL, &["-q", prompt]).await;
    quiet.prints("done").await;
    assert!(!quiet.printed().contains('\x1b') && !quiet.printed().contains('⠋'), "{:?}", quiet.printed());
    assert_eq!(quiet.ends().await, (Some(0), "done".to_owned()));
}

#[tokio::test]
async fn what_is_said_between_tools_keeps_its_lines() {
    let daemon = stand_in().start().await;
    let prompt = "::say Looking.\n::tool Bash {\"command\": \"ls\"}\n::say Done.";
    let mut screen = Console::shell(&daemon, CALL, &[prompt]).await;
    let (code, text) = screen.ends().await;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!((&*lines, code), (&["Looking.", "· Bash: ls", "Done."][..], Some(0)), "{text:?}");
}

#[tokio::test]
async fn an_answer_does_nothing_to_the_terminal() {
    let daemon = stand_in().start().await;
    let prompt = "::tool Bash {\"command\": \"\\u001b]0;mine\\u0007\"}\n::say \"\\u001b[2J\\u001b]0;mine\\u0007\"";
    let mut screen = Console::shell(&daemon, CALL, &[prompt]).await;
    screen.ends().await;
    let printed = screen.printed();
    assert!(!printed.contains("\x1b]0;") && !printed.contains("\x1b[2J"), "{printed:?}");
    assert!(printed.contains("\\u{1b}[2J"), "{printed:?}");
}

#[tokio::test]
async fn ctrl_c_at_the_keyboard_interrupts() {
    let daemon = stand_in().start().await;
    // A shell would end with its program.
    let script = format!("trap : INT; {CALL}; echo code $?");
    let mut screen = Console::shell(&daemon, &script, &["::say begun\n::silent"]).await;
    screen.prints("begun").await;
    screen.types("\x03").await;
    screen.prints("code 130").await;
    let turn = daemon.client.get("/v1/turns").await.json()["data"][0].clone();
    assert_eq!(turn["status"], "interrupted");
    let (_, text) = screen.ends().await;
    assert!(text.contains("turnmux: interrupted"), "{text}");
}

#[tokio::test]
async fn the_answer_may_go_to_a_file_while_people_watch() {
    let daemon = stand_in().start().await;
    let gate = daemon.gate("gate");
    let prompt = format!("{}\n::say \"a\\u001bb\"", gate.hold());
    let mut screen = Console::shell(&daemon, &format!("{CALL} > out"), &[&prompt]).await;
    screen.prints("⠋").await;
    gate.open();
    assert_eq!(screen.ends().await, (Some(0), String::new()));
    assert_eq!(std::fs::read_to_string(daemon.work().join("out")).unwrap(), "a\u{1b}b\n", "as it was said");
}

#[tokio::test]
async fn somebody_without_a_prompt_is_told_so() {
    let daemon = stand_in().start().await;
    let (code, text) = Console::shell(&daemon, "turnmux call", &[]).await.ends().await;
    assert_eq!(code, Some(2));
    assert!(text.contains("give a prompt"), "{text}");
    // With `-` they have it coming.
    let mut screen = Console::shell(&daemon, CALL, &["-"]).await;
    screen.types("hello\n\x04").await;
    screen.prints("You said: hello").await;
    assert_eq!(screen.ends().await.0, Some(0));
}
