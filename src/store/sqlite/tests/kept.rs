//! What is in the file, and still there later.

use std::sync::Arc;

use super::rig::{LONG, Place, begun, numbers, piece};
use crate::protocol::{EventKind, TenantId};
use crate::store::EventStore;
use crate::store::tests::rig::{accepted, completed, event, keep, key, named, said, session, turn};

#[test]
fn a_store_that_is_opened_again_has_all_of_it() {
    let (place, key) = (Place::new(), key("main::telegram:1"));
    let turn = turn(&key, 1, 1);
    let read = |store: &dyn EventStore| {
        let events = store.events(&key, 0, 100).unwrap();
        let turn = store.turn(&TenantId::local(), turn.id).unwrap();
        let named = store.named(&TenantId::local(), "name").unwrap();
        (store.session(&key).unwrap(), turn, events, named, store.sessions_len())
    };
    let store = place.open();
    keep(&store, [session(&key), named(&turn, "name", 5), event(&turn, 1, said("hi"))]);
    keep(&store, [event(&turn, 2, piece("a")), event(&turn, 3, piece("b")), event(&turn, 4, completed("ab"))]);
    let before = read(&store);
    assert_eq!(before.2.len(), 4);
    let killed = place.image();
    store.close(LONG).unwrap();
    assert_eq!(read(&place.open()), before);
    assert_eq!(read(&killed.open()), before, "a daemon that is killed loses nothing that was kept");
}

#[test]
fn writes_are_numbered_in_order_and_close_keeps_those_that_wait() {
    let (place, key) = (Place::new(), key("main"));
    let store = place.open();
    let turn = turn(&key, 1, 1);
    assert_eq!(store.write(vec![]), 0);
    let mut last = store.write(vec![session(&key), accepted(&turn)]);
    for seq in 1..=1000 {
        let number = store.write(vec![event(&turn, seq, said("x"))]);
        assert_eq!(number, last + 1);
        last = number;
    }
    assert_eq!(store.write(vec![]), last);
    store.close(LONG).unwrap();
    let progress = store.progress().borrow().clone();
    assert_eq!(progress.kept, last);
    assert!((1..=last).contains(&progress.commits), "{}", progress.commits);
    assert_eq!(place.open().events(&key, 0, 2000).unwrap().len(), 1000);
}

#[test]
fn what_comes_after_the_close_is_never_kept_and_nobody_waits_for_it() {
    let place = Place::new();
    let store = place.open();
    let turn = begun(&store);
    store.close(LONG).unwrap();
    let number = store.write(vec![event(&turn, 1, said("late"))]);
    let progress = store.progress().borrow().clone();
    assert!(progress.kept < number && progress.trouble.is_some());
    assert!(store.turn(&TenantId::local(), turn.id).is_err());
}

#[test]
fn pieces_that_follow_one_another_are_one_row() {
    let place = Place::new();
    let store = place.open();
    let (turn, other) = (begun(&store), turn(&key("other"), 1, 1));
    let thought = |text: &str| EventKind::ReasoningDelta(text.to_owned());
    // What is written together of two sessions stands in two rows, though it came by turns.
    keep(
        &store,
        [
            session(&other.session),
            accepted(&other),
            event(&turn, 1, piece("a")),
            event(&other, 1, piece("x")),
            event(&turn, 2, piece("b")),
            event(&other, 2, piece("y")),
            event(&turn, 3, thought("c")),
            event(&turn, 4, thought("d")),
            event(&turn, 5, said("e")),
            event(&turn, 6, piece(&"f".repeat(40_000))),
            event(&turn, 7, piece(&"g".repeat(40_000))),
        ],
    );
    let rows = numbers(&place);
    let rows: Vec<_> = rows.iter().map(|(seq, kind)| (*seq, kind.as_str())).collect();
    let (text, thinking) = ("text_delta", "reasoning_delta");
    assert_eq!(rows, [(1, text), (3, thinking), (5, "user_text"), (6, text), (7, text), (1, text)]);
    assert_eq!(place.number("SELECT count(*) FROM events WHERE text = 'xy'"), 1);
}

#[test]
fn the_tables_say_what_a_person_asks_of_them() {
    let place = Place::new();
    let store = place.open();
    let turn = begun(&store);
    let used = |id: &str| EventKind::ToolUse { id: id.to_owned(), name: "Bash".to_owned(), input: "{}".to_owned() };
    let answered = EventKind::ToolResult { id: "a".to_owned(), is_error: true, text: "no".to_owned() };
    keep(&store, [event(&turn, 1, used("a")), event(&turn, 2, used("b")), event(&turn, 3, answered)]);
    let calls = "SELECT group_concat(call || name || asked || ',' || coalesce(answered_at - asked_at, '-') \
         || coalesce(is_error, '-'), ' ' ORDER BY call) FROM tool_calls";
    let calls: String = place.other().query_row(calls, (), |row| row.get(0)).unwrap();
    assert_eq!(calls, "aBash1,21 bBash2,--");
    let result = "SELECT e.text FROM tool_calls c JOIN turns t ON t.id = c.turn
         JOIN events e ON e.session = t.session AND e.seq = c.answered";
    assert_eq!(place.other().query_row(result, (), |row| row.get::<_, String>(0)).unwrap(), "no");
    assert_eq!(place.number("SELECT count(*) FROM sessions WHERE key = 'main'"), 1);
}

#[test]
fn the_kinds_have_the_names_that_they_have_in_the_api() {
    let place = Place::new();
    let store = place.open();
    let turn = begun(&store);
    keep(
        &store,
        [event(&turn, 1, said("a")), event(&turn, 2, EventKind::TextMismatch), event(&turn, 3, completed("b"))],
    );
    let names: Vec<_> = numbers(&place).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(names, ["user_text", "text_mismatch", "turn_completed"]);
}

#[test]
fn many_write_at_once_and_each_session_keeps_its_order() {
    let (place, threads) = (Place::new(), 8);
    let store = Arc::new(place.open());
    std::thread::scope(|scope| {
        for number in 0..threads {
            let store = &store;
            scope.spawn(move || {
                let key = key(&format!("s{number}"));
                let turn = turn(&key, 1, 1);
                store.write(vec![session(&key), accepted(&turn)]);
                for seq in 1..=300 {
                    store.write(vec![event(&turn, seq, said(&seq.to_string()))]);
                }
            });
        }
    });
    store.close(LONG).unwrap();
    let store = place.open();
    assert_eq!(store.sessions_len(), threads);
    for number in 0..threads {
        let events = store.events(&key(&format!("s{number}")), 0, 1000).unwrap();
        assert!(events.iter().zip(1..).all(|(logged, seq)| logged.seq == seq && logged.kind == said(&seq.to_string())));
        assert_eq!(events.len(), 300);
    }
}
