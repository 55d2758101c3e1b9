//! Events of every kind.

use std::time::Duration;

use super::rig::{Rig, accepted, event, image, key, logged, session, turn};
use super::with_both;
use crate::protocol::{
    AnsweredBy, Decision, ErrorKind, EventKind, FileChangeKind, FinishReason, InterruptCause, Question, SteerId,
    ThreadId, TurnEnding, TurnError, Usage, UserText, WaitReason,
};

with_both!(every_kind_reads_back, numbers_may_be_left_out, turns_of_a_session_may_mix);

/// One of each, and more where there is more to lose.
fn every_kind() -> Vec<EventKind> {
    let text = || "a\n\"b\" 'c' \\ 你好 \u{1F980} \0 end".to_owned();
    let usage = Usage {
        input_tokens: 1,
        cache_creation_tokens: 2,
        cache_read_tokens: u64::MAX,
        output_tokens: 4,
        // Its last digit is lost by a reader that takes the quick way.
        cost_usd: Some(0.123_456_789_012_345_68),
    };
    let decided = |decision| EventKind::PermissionAnswered {
        question: "req_1".to_owned(),
        decision,
        by: AnsweredBy::NobodyThere,
    };
    let failed = TurnError {
        kind: ErrorKind::UpstreamRateLimit,
        message: text(),
        retry_after: Some(Duration::from_millis(1500)),
    };
    vec![
        EventKind::Waiting(WaitReason::Capacity),
        EventKind::Started { thread: ThreadId::generate() },
        EventKind::UserText(text().into()),
        EventKind::UserText(UserText { text: String::new(), images: vec![image().mark(), image().mark()] }),
        EventKind::TextDelta(text()),
        EventKind::TextDelta(String::new()),
        EventKind::ReasoningDelta(text()),
        EventKind::AssistantText(text()),
        EventKind::Reasoning(text()),
        EventKind::ToolUse {
            id: "call_1".to_owned(),
            name: "Bash".to_owned(),
            input: "{\"a\": 1 , \"b\":[]}".to_owned(),
        },
        EventKind::ToolResult { id: "call_1".to_owned(), is_error: true, text: text() },
        EventKind::ToolResult { id: "never asked".to_owned(), is_error: false, text: String::new() },
        EventKind::Subagent { parent: "call_1".to_owned(), text: text() },
        EventKind::Retry { attempt: 1, status: Some(529) },
        EventKind::Retry { attempt: 2, status: None },
        EventKind::PermissionDenied { tool: text() },
        EventKind::Steered { steer: SteerId::generate(), text: text() },
        EventKind::SteerConsumed { steer: SteerId::generate() },
        EventKind::SteerDropped { steer: SteerId::generate() },
        EventKind::Typed { steer: None },
        EventKind::Typed { steer: Some(SteerId::generate()) },
        EventKind::PermissionAsked(Question { id: "req_1".to_owned(), tool: "Bash".to_owned(), input: text() }),
        decided(Decision::Allow),
        decided(Decision::AllowSession),
        decided(Decision::Deny { message: text() }),
        decided(Decision::Deny { message: String::new() }),
        decided(Decision::Answers([("which?".to_owned(), text())].into())),
        EventKind::FileChange { id: "call_1".to_owned(), path: text(), kind: FileChangeKind::Modified },
        EventKind::ContextLost { from: ThreadId::generate(), to: ThreadId::generate(), recalled: 12 },
        EventKind::TextMismatch,
        EventKind::Raw(text()),
        EventKind::Usage(usage),
        EventKind::Usage(Usage::default()),
        EventKind::Ended(TurnEnding::Completed {
            text: text(),
            reasoning: text(),
            finish: FinishReason::Length,
            usage,
        }),
        EventKind::Ended(TurnEnding::Interrupted(InterruptCause::ShutdownBeforeStart)),
        EventKind::Ended(TurnEnding::Failed(failed)),
        EventKind::Ended(TurnEnding::Failed(TurnError::new(ErrorKind::TurnLost, ""))),
    ]
}

fn every_kind_reads_back(rig: &Rig) {
    let (key, kinds) = (key("main"), every_kind());
    let turn = turn(&key, 1, 1);
    rig.write([session(&key), accepted(&turn)]);
    let expected: Vec<_> = (1..).zip(kinds).map(|(seq, kind)| logged(&turn, seq, kind)).collect();
    // Each alone, so that each has its own moment.
    for logged in &expected {
        rig.write([event(&turn, logged.seq, logged.kind.clone())]);
    }
    assert_eq!(rig.store.events(&key, 0, 1000).unwrap(), expected);
    for after in [1, 7, expected.len() as u64 - 1] {
        assert_eq!(rig.store.events(&key, after, 1000).unwrap(), expected[after as usize..]);
    }
    assert_eq!(rig.store.events(&key, 3, 2).unwrap(), expected[3..5]);
    for nothing in [expected.len() as u64, u64::MAX] {
        assert_eq!(rig.store.events(&key, nothing, 1000).unwrap(), []);
    }
    assert_eq!(rig.store.events(&key, 0, 0).unwrap(), []);
    assert_eq!(rig.store.events(&super::rig::key("unknown"), 0, 10).unwrap(), []);
}

fn numbers_may_be_left_out(rig: &Rig) {
    let key = key("main");
    let turn = turn(&key, 1, 1);
    rig.write([session(&key), accepted(&turn)]);
    let text = |seq| event(&turn, seq, EventKind::TextDelta(seq.to_string()));
    rig.write([text(1), text(2), text(1000), text(1001)]);
    let read = |after| rig.store.events(&key, after, 10).unwrap().iter().map(|logged| logged.seq).collect::<Vec<_>>();
    assert_eq!(read(0), [1, 2, 1000, 1001]);
    assert_eq!(read(1), [2, 1000, 1001]);
    assert_eq!(read(500), [1000, 1001]);
    assert_eq!(read(1000), [1001]);
}

fn turns_of_a_session_may_mix(rig: &Rig) {
    let key = key("main");
    let (one, other) = (turn(&key, 1, 1), turn(&key, 3, 2));
    rig.write([session(&key), accepted(&one), accepted(&other)]);
    let expected = [
        logged(&one, 1, EventKind::TextDelta("a".to_owned())),
        logged(&one, 2, EventKind::TextDelta("b".to_owned())),
        logged(&other, 3, EventKind::UserText("later".into())),
        logged(&one, 4, EventKind::TextDelta("c".to_owned())),
        logged(&one, 5, EventKind::ReasoningDelta("d".to_owned())),
    ];
    rig.write(expected.iter().map(|logged| crate::store::Write::Event(logged.clone())));
    let kept = rig.store.events(&key, 0, 10).unwrap();
    let kept: Vec<_> = kept.iter().map(|logged| &logged.event).collect();
    assert_eq!(kept, expected.iter().map(|logged| &logged.event).collect::<Vec<_>>());
    let kept = rig.store.turn(key.tenant(), one.id).unwrap().unwrap();
    assert_eq!(kept.last_seq, Some(5));
}
