//! A disk that does not take what it is given.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::rig::{LONG, Place, begun, message, numbers, piece, put};
use crate::store::EventStore;
use crate::store::sqlite::queue::Queue;
use crate::store::sqlite::writer::Ending;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::tests::rig::{accepted, completed, event, keep, key, said, session, turn, until};

/// A store on a disk with a few pages left; whoever drops the table `junk` makes room.
fn cramped(place: &Place) -> SqliteStore {
    drop(place.open());
    place.other().execute_batch("CREATE TABLE junk (a); INSERT INTO junk VALUES (zeroblob(2000000));").unwrap();
    let pages = place.number("PRAGMA page_count") + 4;
    let tune =
        |connection: &Connection| connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(()));
    SqliteStore::open_tuned(&place.path, SqliteOptions::default(), tune).unwrap()
}

#[test]
fn a_full_disk_is_said_and_nothing_but_pieces_is_lost() {
    let place = Place::new();
    let store = cramped(&place);
    let first = begun(&store);
    let other = turn(&key("other"), 1, 2);
    let mut progress = store.progress();
    let kept = progress.borrow_and_update().kept;
    store.write(vec![
        session(&other.session),
        accepted(&other),
        event(&other, 1, said("hi")),
        event(&first, 1, message(500_000)),
    ]);
    let told = until(&store, "the disk is full", |progress| progress.trouble.is_some());
    assert_eq!(told.kept, kept);
    let said_of_it = told.trouble.unwrap().to_string();
    assert!(said_of_it.contains("its disk is full;") && said_of_it.contains("make room there"), "{said_of_it}");
    // What is written together is kept together.
    assert_eq!(place.number("SELECT count(*) FROM sessions"), 1);
    assert_eq!(numbers(&place), []);
    assert!(store.session(&other.session).unwrap().is_some(), "it is seen all the same");
    put(&store, event(&first, 2, piece("lost")));
    put(&store, event(&first, 3, message(3)));
    store.write(vec![event(&other, 2, piece("lost")), event(&other, 3, completed("done"))]);
    let last = put(&store, event(&first, 4, completed("done")));
    place.other().execute_batch("DROP TABLE junk;").unwrap();
    let told = until(&store, "all is kept", |progress| progress.kept >= last);
    assert_eq!(told.trouble, None);
    put(&store, event(&first, 5, piece("again")));
    keep(&store, [session(&key("third"))]);
    let rows = numbers(&place);
    let rows: Vec<_> = rows.iter().map(|(seq, kind)| (*seq, kind.as_str())).collect();
    let (whole, end) = ("assistant_text", "turn_completed");
    assert_eq!(rows, [(1, whole), (3, whole), (4, end), (5, "text_delta"), (1, "user_text"), (3, end)]);
}

#[test]
fn a_file_that_somebody_holds_locked_is_said_and_used_again() {
    let place = Place::new();
    let store = place.open_hasty();
    begun(&store);
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let number = put(&store, session(&key("other")));
    let told = until(&store, "it is locked", |progress| progress.trouble.is_some());
    assert!(told.trouble.unwrap().to_string().contains("another program holds it locked"));
    other.execute_batch("ROLLBACK").unwrap();
    let told = until(&store, "it goes on", |progress| progress.kept >= number);
    assert_eq!(told.trouble, None);
}

#[test]
fn too_much_that_waits_is_said_until_half_of_it_is_kept() {
    let place = Place::new();
    let store = place.open_hasty();
    let turn = begun(&store);
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Each counts twice: as it is, and as it is shown.
    for seq in 1..=15 {
        put(&store, event(&turn, seq, message(1 << 20)));
        assert!(!store.progress().borrow().is_full, "{seq}");
    }
    let last = put(&store, event(&turn, 16, message(1 << 20)));
    assert!(store.progress().borrow().is_full);
    other.execute_batch("ROLLBACK").unwrap();
    until(&store, "there is room", |progress| !progress.is_full);
    until(&store, "all is kept", |progress| progress.kept >= last);
    assert_eq!(store.events(&key("main"), 0, 100).unwrap().len(), 16);
}

#[test]
fn a_close_that_cannot_keep_all_says_so_in_time() {
    let place = Place::new();
    let store = place.open_hasty();
    begun(&store);
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&store, session(&key("other")));
    let why = store.close(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(why.contains("the last 1 writes were not kept: the store "), "{why}");
    assert!(why.contains("another program holds it locked"), "{why}");
    drop(other);
    assert_eq!(place.number("SELECT in_use FROM meta"), 1, "the next start checks the file");
    assert_eq!(place.open().sessions_len(), 1);
}

#[test]
fn a_close_tries_once_more_at_once() {
    let place = Place::new();
    let store = place.open_hasty();
    begun(&store);
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&store, session(&key("other")));
    until(&store, "it is locked", |progress| progress.trouble.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    store.close(LONG).unwrap();
    assert_eq!(place.open().sessions_len(), 2);
}

#[test]
fn a_writer_that_panics_is_a_trouble_and_no_hang() {
    let queue = Arc::new(Queue::new(0));
    let number = queue.push(vec![session(&key("main"))]);
    let writer = queue.clone();
    let panicked = std::thread::spawn(move || {
        let _ending = Ending(writer);
        panic!("this is what the test wants");
    });
    assert!(panicked.join().is_err());
    let progress = queue.progress().borrow().clone();
    assert!(progress.trouble.unwrap().to_string().contains("restart turnmux"));
    assert!(progress.kept < number);
    assert_eq!(queue.close(LONG), Some(1), "it does not wait for what has ended");
}
