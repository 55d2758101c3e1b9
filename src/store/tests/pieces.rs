//! Pieces of messages read back as the pieces that they were, however they were written and from wherever they are read.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::{TestCaseError, TestRunner};
use proptest::{collection, prop_assert_eq};

use super::rig::{Rig, accepted, event, key, said, session, turn};
use super::with_both;
use crate::protocol::{EventKind, SessionKey};

with_both!(pieces_read_back, a_long_message_reads_back);

fn kind() -> impl Strategy<Value = EventKind> {
    let text =
        prop_oneof![Just(String::new()), "[a-z]{1,4}", "\\PC{0,3}", Just("x".repeat(200)), Just("y".repeat(20_000))];
    (0..5, text).prop_map(|(kind, text)| match kind {
        0 => said(&text),
        1 => EventKind::ReasoningDelta(text),
        _ => EventKind::TextDelta(text),
    })
}

fn pieces_read_back(rig: &Rig) {
    let events = collection::vec((kind(), 0..20_usize), 1..60);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let mut number = 0;
    let mut run = |(events, after, max): (Vec<(EventKind, usize)>, u64, usize)| {
        number += 1;
        let key: SessionKey = key(&format!("s{}", number % 4));
        let turn = turn(&key, 1, 1);
        rig.write([crate::store::Write::Forget(key.clone()), session(&key), accepted(&turn)]);
        let mut writes = Vec::new();
        for (seq, (kind, splits)) in (1..).zip(&events) {
            writes.push(event(&turn, seq, kind.clone()));
            if *splits == 0 {
                rig.write(writes.drain(..));
            }
        }
        rig.write(writes);
        let after = after % (events.len() as u64 + 1);
        let read = rig.store.events(&key, after, max).unwrap();
        let read: Vec<_> = read.iter().map(|logged| (logged.seq, logged.kind.clone())).collect();
        let expected = (1..).zip(&events).map(|(seq, (kind, _))| (seq, kind.clone()));
        let expected: Vec<_> = expected.skip(after as usize).take(max).collect();
        prop_assert_eq!(read, expected);
        Ok::<_, TestCaseError>(())
    };
    // proptest wants a function that it may call from anywhere.
    let run = std::cell::RefCell::new(&mut run);
    let tried = TestRunner::new(config).run(&(events, any::<u64>(), 1..80_usize), |case| (run.borrow_mut())(case));
    tried.unwrap();
}

fn a_long_message_reads_back(rig: &Rig) {
    let key = key("main");
    let turn = turn(&key, 1, 1);
    let pieces: Vec<_> = (0..5000).map(|number| format!("piece {number} of it, ")).collect();
    rig.write([session(&key), accepted(&turn)]);
    rig.write((1..).zip(&pieces).map(|(seq, text)| event(&turn, seq, EventKind::TextDelta(text.clone()))));
    for after in (0..5000).step_by(777) {
        let read = rig.store.events(&key, after, 300).unwrap();
        for (logged, seq) in read.iter().zip(after + 1..) {
            assert_eq!(logged.seq, seq);
            assert_eq!(logged.kind, EventKind::TextDelta(pieces[seq as usize - 1].clone()));
        }
        assert_eq!(read.len() as u64, (5000 - after).min(300));
    }
}
