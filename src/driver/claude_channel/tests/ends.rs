//! How turns end.

use super::super::transcript::Entry;
use super::play::{Play, failure, said};
use crate::driver::CommandKind;
use crate::protocol::ErrorKind;

#[test]
fn the_end_may_come_before_the_last_piece() {
    let mut play = Play::running();
    play.piece("m", 0, "one\n", false);
    play.stop("one\ntwo");
    play.piece("m", 1, "two", true);
    play.written("m", "one\ntwo", 4);
    assert_eq!(play.events(), "\"one\\n\", \"two\", completed \"one\\ntwo\" Stop 4");
    play.piece("m", 1, "two", true);
    assert_eq!(play.events(), "");
    assert!(!play.exchange.running(), "what comes late is no work");
}

#[test]
fn the_transcript_may_come_first_or_not_at_all() {
    let mut play = Play::running();
    play.written("m", "one", 4);
    play.stop("one");
    assert_eq!(play.events(), "\"one\", completed \"one\" Stop 4");

    let mut play = Play::running();
    play.stop("one");
    play.pass(999);
    assert_eq!(play.events(), "\"one\"");
    play.pass(1);
    assert_eq!(play.events(), "completed \"one\" Stop 0");
}

#[test]
fn an_empty_answer_is_one() {
    let mut play = Play::running();
    play.stop("");
    play.written("m", "", 1);
    play.entry(Entry::TurnDuration);
    assert_eq!(play.events(), "completed \"\" Stop 1");
}

#[test]
fn why_the_model_stopped_is_in_the_transcript() {
    for (reason, finish) in [("max_tokens", "Length"), ("refusal", "ContentFilter"), ("end_turn", "Stop")] {
        let mut play = Play::running();
        play.stop("one");
        let mut said = said("m", "one", 1);
        said.stop_reason = Some(reason.into());
        play.entry(Entry::Assistant(said));
        assert_eq!(play.events(), format!("\"one\", completed \"one\" {finish} 1"));
    }
}

#[test]
fn failures_have_kinds() {
    let words = "API Error: Overloaded";
    for (error, kind) in [
        ("overloaded", "failed UpstreamOverloaded"),
        ("rate_limit", "failed UpstreamRateLimit"),
        ("authentication_failed", "failed UpstreamAuth"),
        ("invalid_request", "failed UpstreamRejected"),
        ("anything new", "failed UpstreamFailed"),
    ] {
        let mut play = Play::running();
        play.fail(error, words);
        play.pass(1_000);
        assert_eq!(play.events(), kind, "{error}");
    }
}

#[test]
fn a_status_of_the_service_counts_most() {
    let mut play = Play::running();
    play.fail("server_error", "it went wrong");
    let mut said = said("m", "it went wrong", 0);
    said.failure = Some(failure(Some(401)));
    play.entry(Entry::Assistant(said));
    assert_eq!(play.events(), "failed UpstreamAuth");

    let mut play = Play::running();
    play.fail("unknown", "API Error: 529 Overloaded");
    play.pass(1_000);
    assert_eq!(play.events(), "failed UpstreamOverloaded");
}

#[test]
fn an_answer_that_is_too_long_is_an_answer() {
    let mut play = Play::running();
    play.piece("m", 0, "long", true);
    play.fail("max_output_tokens", "API Error: exceeded the maximum");
    play.pass(1_000);
    assert_eq!(play.events(), "\"long\", completed \"long\" Length 0");
}

#[test]
fn an_interrupt_presses_one_key_and_only_while_the_turn_runs() {
    let mut play = Play::ready();
    play.command(CommandKind::Interrupt);
    play.start();
    play.command(CommandKind::Interrupt);
    assert_eq!(play.acts(), "push 0");
    play.begin();
    play.command(CommandKind::Interrupt);
    assert_eq!(play.acts(), r"keys \x1b");
    play.cancelled();
    assert_eq!(play.events(), "acked, acked, acked, began, acked, interrupted Agent");
    play.command(CommandKind::Interrupt);
    play.exchange.interrupt_now();
    assert_eq!(play.acts(), "");
}

#[test]
fn late_hooks_of_a_turn_that_was_stopped_are_no_work() {
    let mut play = Play::running();
    play.tool("PreToolUse", "t");
    play.command(CommandKind::Interrupt);
    play.cancelled();
    play.tool("PostToolUseFailure", "t");
    play.piece("m", 0, "late", true);
    assert!(play.events().ends_with("interrupted Agent"));
    assert!(!play.exchange.running());
    play.acts();
    play.exchange.interrupt_now();
    assert_eq!(play.acts(), "", "twice while nothing runs would open a dialog");
}

#[test]
fn an_end_that_overtakes_an_interrupt_is_an_answer() {
    let mut play = Play::running();
    play.command(CommandKind::Interrupt);
    play.stop("done");
    play.pass(1_000);
    assert_eq!(play.events(), "acked, \"done\", completed \"done\" Stop 0");
}

#[test]
fn a_turn_that_claude_stops_unasked_ends() {
    let mut play = Play::running();
    play.cancelled();
    assert_eq!(play.events(), "interrupted Agent");
}

#[test]
fn log_and_transcript_tell_of_one_interrupt_in_any_order() {
    for log_first in [true, false] {
        let mut play = Play::running();
        let tell = |play: &mut Play, by_log: bool| {
            if by_log {
                play.exchange.cancelled(play.now);
            } else {
                play.entry(Entry::Interrupted { in_tool: true });
            }
        };
        tell(&mut play, log_first);
        play.start();
        play.begin();
        tell(&mut play, !log_first);
        assert_eq!(play.events(), "interrupted Agent, acked, began", "the second word is not about the second turn");
    }
}

#[test]
fn a_plugin_that_is_gone_ends_it_after_the_turn_that_runs() {
    let lost = |play: &Play| play.exchange.broken.as_ref().map(|error| error.kind) == Some(ErrorKind::AgentLost);
    let mut idle = Play::ready();
    idle.exchange.plugin_lost();
    assert!(lost(&idle));

    let mut given = Play::ready();
    given.start();
    given.exchange.plugin_lost();
    assert!(lost(&given));

    let mut running = Play::running();
    running.exchange.plugin_lost();
    running.piece("m", 0, "one", true);
    assert!(!lost(&running));
    running.stop("one");
    assert!(!lost(&running));
    running.written("m", "one", 1);
    assert_eq!(running.events(), "\"one\", completed \"one\" Stop 1");
    assert!(lost(&running));

    let mut ended = Play::running();
    ended.stop("one");
    ended.exchange.plugin_lost();
    assert!(!lost(&ended));
    ended.pass(1_000);
    assert!(lost(&ended));

    let mut stopped = Play::running();
    stopped.exchange.plugin_lost();
    stopped.command(CommandKind::Interrupt);
    stopped.cancelled();
    assert!(lost(&stopped) && stopped.events().ends_with("interrupted Agent"));

    let mut unheard = Play::running();
    unheard.exchange.deaf();
    assert!(lost(&unheard));
}

#[test]
fn a_key_that_meets_the_next_turn_does_not_end_it() {
    let mut play = Play::running();
    play.command(CommandKind::Interrupt);
    play.stop("done");
    play.pass(100);
    play.written("m", "done", 1);
    play.start();
    play.begin();
    assert_eq!(play.acts(), r"keys \x1b, push 1");
    play.cancelled();
    assert_eq!(play.acts(), "push 1", "nothing had come of it");
    play.begin();
    play.piece("n", 0, "next", true);
    play.stop("next");
    play.written("n", "next", 1);
    assert_eq!(
        play.events(),
        "acked, \"done\", completed \"done\" Stop 1, acked, began, \"next\", completed \"next\" Stop 1"
    );
}
