//! A person at the terminal.

use serde_json::json;

use super::super::transcript::Entry;
use super::play::Play;
use crate::driver::{CommandKind, DriverEvent};

impl Play {
    /// Somebody types, and presses Enter; claude calls its hook.
    fn types(&mut self, text: &str) {
        self.exchange.keys(b"\r");
        self.exchange.events.retain(|event| *event != DriverEvent::Alive);
        self.hook(json!({"hook_event_name": "UserPromptSubmit", "prompt": text, "permission_mode": "default"}));
    }
}

#[test]
fn what_is_typed_while_claude_is_idle_is_a_turn() {
    let mut play = Play::ready();
    play.types("by hand");
    assert_eq!(play.events(), "typed \"by hand\"");
    play.piece("m", 0, "ok", true);
    play.stop("ok");
    play.written("m", "ok", 3);
    assert_eq!((&*play.events(), &*play.acts()), ("\"ok\", completed \"ok\" Stop 3", ""));
}

#[test]
fn claudes_own_prompts_and_those_before_any_key_are_nobodys() {
    let mut play = Play::ready();
    play.hook(json!({"hook_event_name": "UserPromptSubmit", "prompt": "who?", "permission_mode": "default"}));
    play.stop("x");
    play.types("<task-notification>\n<task-id>1</task-id>");
    play.stop("x");
    assert_eq!(play.events(), "");
}

#[test]
fn what_is_typed_while_a_turn_runs_and_is_merged_has_steered_it() {
    for hook_comes_at_enter in [true, false] {
        let mut play = Play::running();
        play.exchange.keys(b"\r");
        if hook_comes_at_enter {
            play.types("and this");
        }
        assert_eq!(play.events(), "");
        play.stop("done");
        play.entry(Entry::Removed(Some("and this".into())));
        play.entry(Entry::QueuedCommand("and this".into()));
        play.written("m", "done", 1);
        assert_eq!(play.events(), "\"done\", steered \"and this\", completed \"done\" Stop 1");
    }
}

#[test]
fn what_is_not_merged_is_the_next_turn_and_goes_before_the_sessions() {
    let mut play = Play::running();
    play.types("and this");
    play.stop("done");
    play.written("m", "done", 1);
    assert_eq!(play.events(), "\"done\", completed \"done\" Stop 1, typed \"and this\"");
    play.start();
    assert_eq!((&*play.events(), &*play.acts()), ("acked", ""));
    play.piece("n", 0, "this", true);
    play.stop("this");
    play.written("n", "this", 1);
    assert_eq!((&*play.events(), &*play.acts()), ("\"this\", completed \"this\" Stop 1", "push 1"));
    play.begin();
    assert_eq!(play.events(), "began");
}

#[test]
fn its_words_are_its_own_though_they_come_before_the_transcript() {
    let mut play = Play::running();
    play.types("and this");
    play.stop("done");
    play.piece("m", 0, "done", true);
    assert_eq!(play.events(), "\"done\"");
    play.piece("n", 0, "this", true);
    assert_eq!(play.events(), "completed \"done\" Stop 0, typed \"and this\", \"this\"");
    play.stop("this");
    play.written("n", "this", 2);
    assert_eq!(play.events(), "completed \"this\" Stop 2");
}

#[test]
fn what_never_shows_was_merged_unseen() {
    let mut play = Play::running();
    play.types("and this");
    play.stop("done");
    play.written("m", "done", 1);
    play.pass(9_999);
    assert_eq!(play.events(), "\"done\", completed \"done\" Stop 1, typed \"and this\"");
    play.pass(1);
    assert_eq!(play.events(), "completed \"\" Stop 0");
}

#[test]
fn a_push_of_the_same_moment_waits_behind_it() {
    let mut play = Play::ready();
    play.start();
    assert_eq!((&*play.events(), &*play.acts()), ("acked", "push 0"));
    play.types("by hand");
    play.stop("ok");
    play.written("m", "ok", 1);
    assert_eq!((&*play.events(), &*play.acts()), ("typed \"by hand\", \"ok\", completed \"ok\" Stop 1", ""));
    play.begin();
    play.stop("pushed");
    play.written("n", "pushed", 1);
    assert_eq!(play.events(), "began, \"pushed\", completed \"pushed\" Stop 1");
}

#[test]
fn a_push_that_is_merged_into_it_takes_it_over() {
    let mut play = Play::ready();
    play.start();
    play.acts();
    play.types("by hand");
    play.piece("m", 0, "first", true);
    play.begin();
    play.piece("n", 0, "both", true);
    play.stop("both");
    play.written("n", "both", 1);
    assert_eq!(
        play.events(),
        "acked, typed \"by hand\", \"first\", completed \"first\" Stop 0, began, \"both\", completed \"both\" Stop 1"
    );
}

#[test]
fn a_push_that_was_merged_unseen_gets_the_last_words() {
    let mut play = Play::ready();
    play.start();
    play.acts();
    play.types("by hand");
    play.stop("both");
    let push = play.pushes[0];
    play.entry(Entry::QueuedCommand(super::play::prompt(&[push])));
    play.written("n", "both", 1);
    assert_eq!(
        play.events(),
        "acked, typed \"by hand\", \"both\", completed \"both\" Stop 0, began, \"both\", completed \"both\" Stop 1"
    );
}

#[test]
fn it_can_be_stopped_and_is_never_pushed_again() {
    let mut play = Play::ready();
    play.types("by hand");
    play.command(CommandKind::Interrupt);
    assert_eq!(play.acts(), "keys \\x1b");
    play.cancelled();
    assert_eq!(play.events(), "typed \"by hand\", acked, interrupted Agent");
    play.types("again");
    play.exchange.cancelled(play.now);
    assert_eq!((&*play.events(), &*play.acts()), ("typed \"again\", interrupted Agent", ""));
}

#[test]
fn a_mode_that_allows_more_ends_the_process() {
    let mut play = Play::ready();
    play.exchange.keys(b"\r");
    play.hook(json!({"hook_event_name": "UserPromptSubmit", "prompt": "x", "permission_mode": "acceptEdits"}));
    assert!(play.exchange.broken.is_some());
}
