//! The transcripts are recordings of the real claude, cut to the lines that matter here.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn recording(release: &str) -> Vec<u8> {
    let file = format!("tests/recordings/claude-transcripts/{release}.jsonl");
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the recording")
}

fn entries(release: &str) -> Vec<Entry> {
    let mut tail = Tail::from(0);
    let entries = tail.feed(&recording(release));
    assert_eq!((tail.malformed(), tail.overlong()), (0, 0));
    entries
}

fn one(line: &serde_json::Value) -> Entry {
    let mut tail = Tail::from(0);
    let entries = tail.feed(format!("{line}\n").as_bytes());
    assert_eq!(entries.len(), 1, "{line}");
    entries.into_iter().next().expect("one")
}

/// The entries from the prompt that has these words to the next one that waits.
fn turn(entries: &[Entry], words: &str) -> Vec<Entry> {
    let begins = |entry: &&Entry| matches!(entry, Entry::Enqueued(_));
    let at = entries.iter().position(|entry| matches!(entry, Entry::Enqueued(prompt) if prompt.contains(words)));
    let rest = entries.get(at.expect("the prompt") + 1..).expect("more");
    rest.iter().take_while(|entry| !begins(entry)).filter(|entry| **entry != Entry::Other).cloned().collect()
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    let said = entries.iter().filter_map(|entry| if let Entry::Assistant(said) = entry { Some(said) } else { None });
    said.map(|said| &*said.text).filter(|text| !text.is_empty()).collect()
}

fn usage_of(entries: &[Entry]) -> Usage {
    let mut usage = TurnUsage::default();
    for entry in entries {
        if let Entry::Assistant(said) = entry {
            usage.add(said);
        }
    }
    usage.total()
}

const RELEASES: [&str; 2] = ["2.1.197", "2.1.329"];

#[test]
fn a_turn_is_told_as_it_went() {
    for release in RELEASES {
        let entries = entries(release);
        let turn = turn(&entries, "::think hmm");
        assert_eq!(turn.first(), Some(&Entry::Dequeued), "{release}");
        assert_eq!(turn.last(), Some(&Entry::TurnDuration), "{release}");
        assert_eq!(texts(&turn), ["before", "after"], "{release}");
        // The service said 11, 100, 50 and 20 for each of the two messages; the first has three lines.
        let usage = usage_of(&turn);
        let expected = Usage {
            input_tokens: 22,
            cache_creation_tokens: 200,
            cache_read_tokens: 100,
            output_tokens: 40,
            cost_usd: None,
        };
        assert_eq!(usage, expected, "{release}");
    }
}

#[test]
fn what_a_subagent_took_is_not_the_turns() {
    for release in RELEASES {
        assert_eq!(usage_of(&turn(&entries(release), "subagent_type")).input_tokens, 22, "{release}");
    }
    let line = json!({"type": "assistant", "isSidechain": true, "message": {"id": "a", "content": [], "usage": {"input_tokens": 5}}});
    assert_eq!(one(&line), Entry::Other);
}

#[test]
fn a_steer_is_seen_to_be_merged_into_the_turn() {
    for release in RELEASES {
        let turn = turn(&entries(release), "\nsteer\n");
        let removed =
            turn.iter().find_map(|e| if let Entry::Removed(prompt) = e { Some(prompt.clone()) } else { None });
        let removed = removed.expect("it waits no more");
        assert_eq!(removed.is_some(), release == "2.1.329");
        assert!(removed.is_none_or(|prompt| prompt.contains("\nsteer\n")));
        assert!(
            turn.iter().any(|e| matches!(e, Entry::QueuedCommand(prompt) if prompt.contains("\nsteer\n"))),
            "{release}"
        );
    }
}

#[test]
fn prompts_that_waited_are_taken_together() {
    for release in RELEASES {
        let turn = turn(&entries(release), "queued two");
        assert_eq!(turn.iter().filter(|entry| **entry == Entry::Dequeued).count(), 2, "{release}");
        assert_eq!(texts(&turn).last(), Some(&"You said: queued two [turn 8]"), "{release}");
    }
}

#[test]
fn an_interrupt_is_told() {
    for release in RELEASES {
        let entries = entries(release);
        assert_eq!(turn(&entries, "::silent").last(), Some(&Entry::Interrupted { in_tool: false }), "{release}");
        assert_eq!(turn(&entries, "echo three").last(), Some(&Entry::Interrupted { in_tool: true }), "{release}");
    }
    let quoted = json!({"type": "user", "message": {"content": "[Request interrupted by user]"}});
    assert_eq!(one(&quoted), Entry::Other, "somebody wrote that");
    let block = json!({"type": "tool_result", "content": "[Request interrupted by user]", "tool_use_id": "t"});
    assert_eq!(one(&json!({"type": "user", "message": {"content": [block]}})), Entry::Other, "a tool said that");
}

#[test]
fn failures_have_their_kind_and_the_services_status() {
    let statuses = [
        (Some(401), "authentication_failed"),
        (Some(403), "authentication_failed"),
        (Some(400), "unknown"),
        (Some(404), "model_not_found"),
        (Some(413), "invalid_request"),
        (Some(429), "rate_limit"),
        (Some(500), "server_error"),
        (Some(503), "server_error"),
        (Some(529), "server_error"),
        (None, "max_output_tokens"),
        // A refusal, which 2.1.329 answers with another attempt, and a cut connection.
        (None, "invalid_request"),
        (None, "server_error"),
    ];
    for release in RELEASES {
        let mut failures = Vec::new();
        for entry in entries(release) {
            if let Entry::Assistant(Said { failure: Some(failure), synthetic, text, .. }) = entry {
                assert!(synthetic && !text.is_empty(), "{release}");
                failures.push((failure.status, failure.kind));
            }
        }
        let expected = statuses.into_iter().enumerate().filter(|(at, _)| release == "2.1.197" || *at != 10);
        let expected: Vec<_> = expected.map(|(_, (status, kind))| (status, kind.to_owned())).collect();
        assert_eq!(failures, expected, "{release}");
        assert_eq!(usage_of(&turn(&entries(release), "::status 529")), Usage::default(), "{release}");
        assert_eq!(
            usage_of(&turn(&entries(release), "::stop max_tokens")).output_tokens,
            80,
            "{release}: four attempts"
        );
    }
}

#[test]
fn unknown_lines_are_tolerated_and_malformed_ones_counted() {
    let mut tail = Tail::from(0);
    let text = b"\n{\"type\":\"brand-new\",\"x\":[1]}\nno JSON\n[1]\n{}\n{\"type\":\"assistant\"}\n{\"type\":\"queue-operation\",\"operation\":\"popAll\"}\n";
    assert_eq!(tail.feed(text), [Entry::Other, Entry::Other]);
    assert_eq!(tail.malformed(), 4);
    let line = json!({"type": "attachment", "attachment": {"type": "queued_command", "prompt": [{"type": "image"}]}});
    assert_eq!(one(&line), Entry::QueuedCommand(String::new()));
}

#[test]
fn the_last_line_of_a_message_counts() {
    let line = |id: &str, output: u64| json!({"type": "assistant", "message": {"id": id, "content": [], "usage": {"output_tokens": output}}});
    let mut entries = vec![one(&line("a", 1)), one(&line("b", 10)), one(&line("a", 2))];
    assert_eq!(usage_of(&entries).output_tokens, 12);
    entries.extend((0..100).map(|number| one(&line(&format!("m{number}"), 100))));
    assert_eq!(usage_of(&entries).output_tokens, 10_012);
}

#[test]
fn a_long_line_is_read_and_its_memory_given_back() {
    let prompt = "x".repeat(10_000_000);
    let mut text = json!({"type": "queue-operation", "operation": "enqueue", "content": prompt}).to_string();
    text.push('\n');
    let mut tail = Tail::from(7);
    let mut found = Vec::new();
    for chunk in text.as_bytes().chunks(65_536) {
        found.extend(tail.feed(chunk));
    }
    assert_eq!(found, [Entry::Enqueued(prompt)]);
    assert_eq!(tail.offset(), 7 + text.len() as u64);
    assert!(tail.buffer.capacity() <= BUFFER_BYTES);
}

#[test]
fn an_overlong_line_is_left_out_and_the_next_one_read() {
    let end = r#"{"type":"system","subtype":"turn_duration"}"#;
    for length in [101, 1_000, 100_000] {
        for chunk in [1, 64, 100, 1_000_000] {
            let mut tail = Tail::with_limit(0, 100);
            let text = format!("{end}\n\"{}\"\n{end}\n", "y".repeat(length));
            let mut found = Vec::new();
            for chunk in text.as_bytes().chunks(chunk) {
                found.extend(tail.feed(chunk));
                assert!(tail.buffer.len() <= 100);
            }
            assert_eq!(found, [Entry::TurnDuration, Entry::TurnDuration]);
            assert_eq!((tail.overlong(), tail.malformed()), (1, 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the file is read, and wherever reading it is taken up again, it says the same.
    #[test]
    fn chunks_change_nothing(cuts in proptest::collection::vec(1usize..5_000, 1..40), release in 0..RELEASES.len()) {
        let bytes = recording(RELEASES[release]);
        let mut tail = Tail::from(0);
        let (mut found, mut at, mut cuts) = (Vec::new(), 0, cuts.iter().cycle());
        while at < bytes.len() {
            let next = (at + cuts.next().copied().unwrap_or(1)).min(bytes.len());
            found.extend(tail.feed(&bytes[at..next]));
            at = next;
        }
        prop_assert_eq!(found, entries(RELEASES[release]));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut tail = Tail::with_limit(0, 50);
        tail.feed(&bytes);
        prop_assert!(tail.buffer.len() <= 50);
    }
}
