//! A turn is pushed, and begins once.

use serde_json::json;

use super::play::{Play, prompt};
use crate::driver::CommandKind;
use crate::protocol::ErrorKind;

#[test]
fn a_turn_is_refused_until_everything_is_there_and_while_another_runs() {
    let mut play = Play::ready();
    play.start();
    play.start();
    assert_eq!(play.events(), "acked, refused Conflict");
    assert_eq!(play.acts(), "push 0");
}

#[test]
fn a_push_is_not_repeated_where_no_hook_has_ever_come() {
    let mut play = Play::ready();
    play.start();
    assert_eq!(play.acts(), "push 0");
    play.pass(11_999);
    assert!(play.exchange.broken.is_none());
    play.pass(1);
    assert_eq!(play.acts(), "", "the hooks may be off, and the message at work");
    let error = play.exchange.broken.expect("it is given up");
    assert!(error.message.contains("disableAllHooks"), "{error}");
}

#[test]
fn a_push_is_repeated_while_claude_is_idle_and_four_times_is_enough() {
    let mut play = Play::ready();
    play.stop("");
    play.start();
    assert_eq!(play.acts(), "push 0");
    play.pass(1_999);
    assert_eq!(play.acts(), "");
    play.pass(1);
    assert_eq!(play.acts(), "push 0");
    play.pass(3_999);
    assert_eq!(play.acts(), "", "each waits twice as long as the one before");
    play.pass(1);
    assert_eq!(play.acts(), "push 0");
    play.pass(8_000);
    assert_eq!(play.acts(), "push 0");
    assert!(play.exchange.broken.is_none());
    play.pass(16_000);
    assert_eq!(play.acts(), "");
    let error = play.exchange.broken.expect("it is given up");
    assert_eq!(error.kind, ErrorKind::AgentLost);
}

#[test]
fn a_push_is_not_repeated_while_claude_is_at_something_of_its_own() {
    let mut play = Play::ready();
    play.submit(&[]);
    play.start();
    assert_eq!(play.acts(), "push 0");
    for _ in 0..10 {
        play.pass(5_000);
    }
    play.piece("own", 0, "about a task", true);
    play.tool("PreToolUse", "own");
    assert_eq!(play.acts(), "");
    play.stop("about a task");
    assert_eq!(play.events(), "acked", "what is its own is shown nowhere");
    play.pass(1_999);
    assert_eq!(play.acts(), "");
    play.pass(1);
    assert_eq!(play.acts(), "push 0");
    play.begin();
    assert_eq!(play.events(), "began");
    assert_eq!(play.exchange.deadline(), None);
}

#[test]
fn a_second_start_is_stopped_and_shown_nowhere() {
    let mut play = Play::running();
    play.piece("m", 0, "done", true);
    play.stop("done");
    play.written("m", "done", 3);
    assert_eq!(play.events(), "\"done\", completed \"done\" Stop 3");
    let first = play.pushes[0];
    play.submit(&[first]);
    assert_eq!(play.acts(), r"keys \x1b");
    play.piece("again", 0, "done again", true);
    play.exchange.replied("and again");
    play.cancelled();
    assert_eq!(play.events(), "");
    play.start();
    play.begin();
    play.piece("n", 0, "next", true);
    assert_eq!((&*play.events(), &*play.acts()), ("acked, began, \"next\"", "push 1"));
}

#[test]
fn a_second_start_stops_the_wait_for_the_transcript() {
    let mut play = Play::running();
    play.stop("done");
    let first = play.pushes[0];
    play.submit(&[first]);
    assert_eq!(play.events(), "\"done\", completed \"done\" Stop 0");
    assert_eq!(play.acts(), r"keys \x1b");
    play.stop("");
    assert_eq!(play.events(), "");
}

#[test]
fn an_interrupted_turn_does_not_begin_again_either() {
    let mut play = Play::running();
    play.command(CommandKind::Interrupt);
    play.cancelled();
    assert_eq!((&*play.events(), &*play.acts()), ("acked, interrupted Agent", r"keys \x1b"));
    let first = play.pushes[0];
    play.submit(&[first]);
    assert_eq!(play.acts(), r"keys \x1b");
}

#[test]
fn a_second_push_that_is_merged_into_its_own_turn_or_the_next_stops_neither() {
    let mut play = Play::running();
    let first = play.pushes[0];
    play.submit(&[first]);
    assert_eq!(play.acts(), "");
    play.stop("one");
    play.pass(1_000);
    play.start();
    play.begin();
    play.submit(&[first]);
    assert_eq!(play.acts(), "push 1");
    play.stop("two");
    play.pass(1_000);
    assert!(play.events().ends_with("completed \"two\" Stop 0"));
}

#[test]
fn a_mode_that_allows_more_than_asked_for_ends_it() {
    let mut play = Play::ready();
    play.start();
    play.acts();
    let prompt = prompt(&play.pushes);
    play.hook(json!({"hook_event_name": "UserPromptSubmit", "prompt": prompt, "permission_mode": "acceptEdits"}));
    assert_eq!(play.exchange.broken.as_ref().map(|error| error.kind), Some(ErrorKind::Misconfigured));
    assert_eq!(play.events(), "acked", "it has not begun");
}

#[test]
fn what_a_message_quotes_is_not_taken_for_its_tag() {
    let mut play = Play::ready();
    play.start();
    play.acts();
    let quoted = format!("<task>{}</task>", prompt(&play.pushes));
    play.hook(json!({"hook_event_name": "UserPromptSubmit", "prompt": quoted, "permission_mode": "default"}));
    assert_eq!(play.events(), "acked");
}
