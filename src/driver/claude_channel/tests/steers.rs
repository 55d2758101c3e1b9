//! More input for a turn that runs.

use super::super::transcript::Entry;
use super::play::{Play, prompt};
use crate::driver::CommandKind;

#[test]
fn a_steer_needs_a_turn_that_runs() {
    let mut play = Play::ready();
    play.steer();
    play.start();
    play.steer();
    assert_eq!(play.events(), "refused Conflict, acked, refused Conflict");
    play.begin();
    play.command(CommandKind::Interrupt);
    play.steer();
    assert_eq!(play.events(), "began, acked, refused Conflict");
}

#[test]
fn a_steer_that_was_merged_by_the_hook_changes_nothing() {
    let mut play = Play::running();
    play.steer();
    play.begin();
    play.piece("m", 0, "both", true);
    play.stop("both");
    play.written("m", "both", 5);
    assert_eq!(play.events(), "acked, took 2, \"both\", completed \"both\" Stop 5");
}

#[test]
fn a_steer_that_only_the_transcript_shows_is_not_waited_for() {
    let mut play = Play::running();
    play.steer();
    play.acts();
    play.stop("both");
    play.written("m", "both", 5);
    assert_eq!(play.events(), "acked, \"both\"");
    let merged = prompt(&play.pushes[1..]);
    play.entry(Entry::QueuedCommand(merged));
    assert_eq!(play.events(), "took 2, completed \"both\" Stop 5");
}

#[test]
fn a_turn_goes_on_with_its_steer_and_waits_for_what_both_took() {
    let mut play = Play::running();
    play.steer();
    play.stop("one");
    play.written("m", "one", 1);
    play.entry(Entry::TurnDuration);
    assert_eq!(play.events(), "acked, \"one\"");
    play.begin();
    play.piece("n", 0, "two", true);
    play.stop("two");
    assert_eq!(play.events(), "took 2, \"\\n\\ntwo\"", "what the second part took is not written yet");
    play.written("n", "two", 2);
    assert_eq!(play.events(), "completed \"one\\n\\ntwo\" Stop 3");
}

#[test]
fn steers_that_begin_as_one_are_all_taken() {
    let mut play = Play::running();
    play.steer();
    play.steer();
    assert_eq!(play.acts(), "push 1, push 2");
    play.stop("one");
    let both = play.pushes[1..].to_vec();
    play.submit(&both);
    play.stop("two");
    play.written("n", "two", 2);
    assert!(play.events().ends_with("completed \"one\\n\\ntwo\" Stop 2"));
}

#[test]
fn a_steer_that_does_not_begin_is_given_up_after_two_seconds_and_stopped_if_it_does_later() {
    let mut play = Play::running();
    play.steer();
    assert_eq!(play.acts(), "push 1");
    play.stop("one");
    play.pass(1_999);
    assert_eq!(play.events(), "acked, \"one\"");
    play.pass(1);
    assert_eq!(play.events(), "completed \"one\" Stop 0");
    let late = play.pushes[1];
    play.submit(&[late]);
    assert_eq!(play.acts(), r"keys \x1b");
    play.piece("late", 0, "nobody asked", true);
    assert_eq!(play.events(), "");
}

#[test]
fn a_steer_of_an_interrupted_turn_is_stopped_when_it_begins() {
    let mut play = Play::running();
    play.steer();
    play.command(CommandKind::Interrupt);
    play.cancelled();
    assert_eq!(play.acts(), r"push 1, keys \x1b");
    let late = play.pushes[1];
    play.submit(&[late]);
    assert_eq!(play.acts(), r"keys \x1b");
    play.piece("late", 0, "nobody asked", true);
    assert_eq!(play.events(), "acked, acked", "what is pushed now would meet the steer");
    play.stop("nobody asked");
    assert_eq!(play.events(), "interrupted Agent");
}

#[test]
fn a_steer_that_never_begins_holds_up_an_interrupt_for_a_moment_only() {
    let mut play = Play::running();
    play.steer();
    play.command(CommandKind::Interrupt);
    play.cancelled();
    assert_eq!(play.events(), "acked, acked");
    play.pass(2_000);
    assert_eq!(play.events(), "interrupted Agent");
}

#[test]
fn an_interrupt_between_an_end_and_its_steer_stops_the_steer() {
    let mut play = Play::running();
    play.steer();
    play.stop("one");
    play.command(CommandKind::Interrupt);
    assert_eq!(play.acts(), "push 1", "nothing runs that a key could stop");
    let steer = play.pushes[1];
    play.submit(&[steer]);
    assert_eq!(play.acts(), r"keys \x1b");
    play.cancelled();
    assert!(play.events().ends_with("interrupted Agent"));
}

#[test]
fn more_steers_than_the_plugin_has_room_for_are_refused() {
    let mut play = Play::running();
    for _ in 0..33 {
        play.steer();
    }
    assert_eq!(play.events().matches("acked").count(), 32);
}

#[test]
fn without_its_plugin_a_turn_takes_no_steer() {
    let mut play = Play::running();
    play.exchange.plugin_lost();
    play.steer();
    assert_eq!((&*play.events(), &*play.acts()), ("refused Conflict", ""));
}

#[test]
fn what_the_model_has_is_told_by_its_command() {
    let mut play = Play::running();
    play.steer();
    play.steer();
    play.events();
    let merged = prompt(&play_pushes(&mut play)[1..2]);
    play.entry(Entry::QueuedCommand(merged));
    assert_eq!(play.events(), "took 2");
    play.stop("one");
    play.begin();
    assert_eq!(play.events(), "\"one\", took 3");
}

fn play_pushes(play: &mut Play) -> Vec<uuid::Uuid> {
    play.acts();
    play.pushes.clone()
}
