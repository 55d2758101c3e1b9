//! Questions, replies and subagents.

use serde_json::json;

use super::super::exchange::Reply;
use super::play::Play;
use crate::driver::Answer;

#[test]
fn a_question_is_held_and_answered_once() {
    let mut play = Play::running();
    assert_eq!(play.permission("Bash"), Reply::Hold("question-1".into()));
    assert!(play.exchange.asks("question-1"));
    play.answer("question-1", Answer::Allow);
    play.answer("question-1", Answer::Allow);
    assert_eq!(play.acts(), "decide question-1 Allow");
    assert_eq!(play.events(), "asked question-1 Bash, acked, refused Conflict");
    assert!(!play.exchange.asks("question-1"));
}

#[test]
fn the_plugins_name_of_a_question_is_known_whoever_asks_first() {
    let mut play = Play::running();
    play.permission("Bash");
    play.exchange.asked_by_plugin("abcde".into(), "Bash");
    play.exchange.asked_by_plugin("fghij".into(), "Write");
    play.permission("Write");
    play.permission("Write");
    for question in ["question-1", "question-2", "question-3"] {
        play.answer(question, Answer::Allow);
    }
    assert_eq!(play.acts(), "decide question-1 Allow abcde, decide question-2 Allow fghij, decide question-3 Allow");
}

#[test]
fn nobody_is_asked_without_a_turn() {
    let mut play = Play::ready();
    assert_eq!(play.permission("Bash"), Reply::Deny);
    play.start();
    assert_eq!(play.permission("Bash"), Reply::Deny);
    play.begin();
    play.stop("one");
    assert_eq!(play.permission("Bash"), Reply::Deny);
}

#[test]
fn a_turns_end_forgets_its_questions() {
    let mut play = Play::running();
    play.permission("Bash");
    play.stop("one");
    play.pass(1_000);
    assert!(!play.exchange.asks("question-1"));
    play.answer("question-1", Answer::Allow);
    assert_eq!(play.acts(), "");
}

#[test]
fn a_reply_is_part_of_the_answer_and_without_a_turn_it_is_dropped() {
    let mut play = Play::ready();
    play.exchange.replied("nobody");
    play.start();
    play.exchange.replied("nobody");
    play.begin();
    play.exchange.replied("by the tool");
    play.stop("");
    play.pass(1_000);
    assert_eq!(play.events(), "acked, began, \"by the tool\", completed \"by the tool\" Stop 0");
    play.exchange.replied("nobody");
    assert_eq!(play.events(), "");
}

#[test]
fn a_subagent_is_no_part_of_the_answer_but_may_ask() {
    let mut play = Play::running();
    for name in ["MessageDisplay", "PreToolUse", "PostToolUse", "Stop"] {
        let input = json!({"hook_event_name": name, "agent_id": "a", "message_id": "m", "delta": "x", "tool_name": "Bash",
            "tool_use_id": "t", "last_assistant_message": "x"});
        play.hook(input);
    }
    assert_eq!(play.events(), "");
    let asked = play.hook(json!({"hook_event_name": "PermissionRequest", "agent_id": "a", "tool_name": "Bash"}));
    assert_eq!(asked, Reply::Hold("question-1".into()));
}

#[test]
fn a_clear_is_refused() {
    let mut play = Play::ready();
    play.command(crate::driver::CommandKind::Clear);
    assert_eq!(play.events(), "refused Conflict");
}

#[test]
fn an_answer_that_found_nobody_waits_for_the_plugin_to_ask() {
    let mut play = Play::running();
    play.permission("Bash");
    play.answer("question-1", Answer::Allow);
    assert_eq!(play.acts(), "decide question-1 Allow");
    play.exchange.not_delivered("Bash".into(), Answer::Allow);
    play.exchange.asked_by_plugin("abcde".into(), "Write");
    assert_eq!(play.acts(), "");
    play.exchange.asked_by_plugin("fghij".into(), "Bash");
    assert_eq!(play.acts(), "decide  Allow fghij");
    play.exchange.not_delivered("Bash".into(), Answer::Allow);
    play.stop("one");
    play.pass(1_000);
    play.exchange.asked_by_plugin("klmno".into(), "Bash");
    assert_eq!(play.acts(), "", "of a turn that is over");
}

#[test]
fn a_tool_that_changes_a_file_says_so() {
    let mut play = Play::running();
    let tool = |name: &str| {
        json!({"hook_event_name": name, "tool_name": "Write", "tool_use_id": "t", "tool_input": {"file_path": "/a", "content": "x"},
            "tool_response": {"type": "create", "filePath": "/a"}, "error": "no"})
    };
    play.hook(tool("PostToolUseFailure"));
    assert_eq!(play.events(), "result");
    play.hook(tool("PostToolUse"));
    assert_eq!(play.events(), "result, created /a");
}
