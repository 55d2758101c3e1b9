use proptest::prelude::*;

use super::*;

fn whole(displayed: &mut Displayed, mut shown: Vec<String>, last: &str) -> String {
    shown.extend(displayed.finish(last));
    let shown = shown.concat();
    assert!(!displayed.mismatch(), "{displayed:?}");
    assert_eq!(shown, displayed.text());
    shown
}

#[test]
fn pieces_are_shown_in_order_and_once() {
    let mut displayed = Displayed::default();
    let mut shown = displayed.piece("a", 1, "two\n", false);
    assert!(shown.is_empty());
    shown.extend(displayed.piece("a", 0, "one\n", false));
    shown.extend(displayed.piece("a", 0, "one\n", false));
    shown.extend(displayed.piece("a", 2, "three\n", true));
    assert_eq!(whole(&mut displayed, shown, "one\ntwo\nthree"), "one\ntwo\nthree\n");
}

#[test]
fn what_the_end_tells_first_is_not_shown_again() {
    let mut displayed = Displayed::default();
    let mut shown = displayed.piece("a", 0, "one\n", false);
    shown.extend(displayed.finish("one\ntwo"));
    shown.extend(displayed.piece("a", 1, "two", true));
    assert_eq!(shown.concat(), "one\ntwo");

    let mut displayed = Displayed::default();
    let mut shown = displayed.finish("one\ntwo");
    shown.extend(displayed.piece("a", 0, "one\n", false));
    shown.extend(displayed.piece("a", 1, "two", true));
    assert_eq!(shown.concat(), "one\ntwo");
    assert_eq!(displayed.text(), "one\ntwo");
}

#[test]
fn a_tool_parts_paragraphs_even_when_its_hook_overtakes_the_message() {
    let mut displayed = Displayed::default();
    displayed.tool_begins("t");
    let mut shown = displayed.piece("a", 0, "Let me look.", true);
    displayed.tool_ended("t");
    shown.extend(displayed.piece("b", 0, "Done.", true));
    assert_eq!(whole(&mut displayed, shown, "Done."), "Let me look.\n\nDone.");
}

#[test]
fn the_same_words_twice_are_two_messages() {
    let mut displayed = Displayed::default();
    let mut shown = displayed.piece("a", 0, "ok", true);
    displayed.tool_begins("t");
    displayed.tool_ended("t");
    shown.extend(displayed.piece("b", 0, "ok", true));
    assert_eq!(whole(&mut displayed, shown, "ok"), "ok\n\nok");
}

#[test]
fn another_attempt_is_not_repeated_and_a_cut_message_goes_on() {
    let mut displayed = Displayed::default();
    let mut shown = displayed.piece("a", 0, "one\n", false);
    shown.extend(displayed.piece("a", 1, "tw", true));
    shown.extend(displayed.piece("b", 0, "one\n", false));
    shown.extend(displayed.piece("b", 1, "two", true));
    assert_eq!(whole(&mut displayed, shown, "one\ntwo"), "one\ntwo");

    let mut displayed = Displayed::default();
    let mut shown = displayed.piece("a", 0, "one t", true);
    shown.extend(displayed.piece("b", 0, "wo", true));
    assert_eq!(whole(&mut displayed, shown, "wo"), "one two");
}

#[test]
fn a_reply_that_a_message_repeats_is_shown_once() {
    for reply_first in [true, false] {
        let mut displayed = Displayed::default();
        let mut shown = Vec::new();
        if reply_first {
            shown.extend(displayed.reply("Hello there."));
        }
        shown.extend(displayed.piece("a", 0, "Hello ", false));
        shown.extend(displayed.piece("a", 1, "there.\n", true));
        if !reply_first {
            shown.extend(displayed.reply("Hello there."));
        }
        shown.extend(displayed.finish("Hello there."));
        assert_eq!(shown.concat().trim(), "Hello there.", "reply first: {reply_first}");
    }
}

#[test]
fn a_reply_stands_between_what_was_displayed() {
    let mut displayed = Displayed::default();
    let mut shown = displayed.piece("a", 0, "before", false);
    displayed.tool_begins("t");
    shown.extend(displayed.reply("the reply"));
    shown.extend(displayed.piece("a", 1, "", true));
    displayed.tool_ended("t");
    shown.extend(displayed.piece("b", 0, "after", true));
    assert_eq!(whole(&mut displayed, shown, "after"), "before\n\nthe reply\n\nafter");
}

#[test]
fn a_message_that_only_begins_like_a_reply_is_shown() {
    let mut displayed = Displayed::default();
    let mut shown = displayed.reply("Hello there.");
    displayed.tool_begins("t");
    displayed.tool_ended("t");
    shown.extend(displayed.piece("a", 0, "Hello ", false));
    shown.extend(displayed.piece("a", 1, "again.", true));
    assert_eq!(whole(&mut displayed, shown, "Hello again."), "Hello there.\n\nHello again.");
}

proptest! {
    /// Two messages with a tool between them and a reply: however the pieces and the end are mixed up, all of it is
    /// shown, in order, and once.
    #[test]
    fn nothing_is_lost_and_nothing_doubled(
        first in "[a-m]{1,12}( [a-m]{1,5}){0,4}",
        second in "[n-z]{1,12}( [n-z]{1,5}){0,4}",
        cuts in proptest::collection::vec(1usize..6, 1..8),
        swaps in proptest::collection::vec((0usize..16, 0usize..16), 0..8),
        late in 0usize..4,
        repeat in proptest::option::of(proptest::bool::ANY),
    ) {
        let pieces = |text: &str| {
            let (mut found, mut rest, mut cut) = (Vec::new(), text, cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
                found.push(piece.to_owned());
                rest = after;
            }
            found
        };
        let mixed = |text: &str| {
            let mut pieces: Vec<(u32, String, bool)> = pieces(text)
                .into_iter()
                .enumerate()
                .map(|(at, piece)| (at as u32, piece, false))
                .collect();
            pieces.last_mut().unwrap().2 = true;
            for (one, other) in &swaps {
                let count = pieces.len();
                pieces.swap(one % count, other % count);
            }
            pieces
        };
        let mut displayed = Displayed::default();
        let mut shown = Vec::new();
        for (index, piece, last) in mixed(&first) {
            shown.extend(displayed.piece("a", index, &piece, last));
        }
        displayed.tool_begins("t");
        displayed.tool_ended("t");
        if repeat == Some(true) {
            shown.extend(displayed.reply(&second));
        }
        let pieces = mixed(&second);
        let in_time = pieces.len().saturating_sub(late);
        for (index, piece, last) in &pieces[..in_time] {
            shown.extend(displayed.piece("b", *index, piece, *last));
        }
        shown.extend(displayed.finish(&second));
        for (index, piece, last) in &pieces[in_time..] {
            shown.extend(displayed.piece("b", *index, piece, *last));
        }
        prop_assert_eq!(shown.concat(), format!("{first}\n\n{second}"));
        prop_assert_eq!(displayed.text(), format!("{first}\n\n{second}"));
        prop_assert!(!displayed.mismatch());
    }
}
