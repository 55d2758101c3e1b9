//! A file that is not whole.

use std::fs::File;

use super::rig::{LONG, Place, begun, put};
use crate::store::EventStore;
use crate::store::sqlite::{OpenError, SqliteOptions, SqliteStore};
use crate::store::tests::rig::{event, keep, key, said, session, turn, until};

fn refusal(place: &Place) -> String {
    let before = std::fs::read(&place.path).unwrap();
    let error = SqliteStore::open(&place.path, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read(&place.path).unwrap(), before, "it was not touched");
    error.to_string()
}

/// A file with something in it, and as if a daemon had been killed that had it open.
fn left_open() -> Place {
    let place = Place::new();
    let store = place.open();
    let turn = begun(&store);
    keep(&store, (1..50).map(|seq| event(&turn, seq, said("something"))));
    store.close(LONG).unwrap();
    assert_eq!(place.number("SELECT in_use FROM meta"), 0);
    place.other().execute("UPDATE meta SET in_use = 1", ()).unwrap();
    place
}

#[test]
fn what_is_no_database_is_refused() {
    let place = Place::new();
    std::fs::write(
        &place.path,
        "this is a text and no database, and it is long enough to look like a header".repeat(99),
    )
    .unwrap();
    let sentence = refusal(&place);
    assert!(sentence.contains("nothing was deleted. Move "), "{sentence}");
    assert!(sentence.contains(&*place.path.to_string_lossy()), "{sentence}");
}

#[test]
fn half_a_file_is_refused() {
    let place = left_open();
    let length = place.path.metadata().unwrap().len();
    File::options().write(true).open(&place.path).unwrap().set_len(length / 2).unwrap();
    refusal(&place);
}

#[test]
fn damaged_sessions_are_found_at_the_start_if_the_last_daemon_was_killed() {
    let place = left_open();
    place.damage("sessions_by_save");
    refusal(&place);
}

#[test]
fn other_damage_is_found_soon_after_such_a_start_and_stays_a_trouble() {
    let place = left_open();
    place.damage("turns_ended");
    let store = place.open();
    let progress = until(&store, "the damage is found", |progress| progress.trouble.is_some());
    let said = progress.trouble.unwrap().to_string();
    assert!(said.contains("is damaged") && said.contains("Stop turnmux, move "), "{said}");
    let number = put(&store, session(&key("more")));
    assert!(store.close(LONG).is_err());
    assert!(store.progress().borrow().kept < number && store.progress().borrow().trouble.is_some());
    assert_eq!(place.number("SELECT in_use FROM meta"), 1, "the next start looks again");
}

#[test]
fn a_file_that_was_left_open_is_whole_and_closed_again() {
    let place = left_open();
    let store = place.open();
    // Whether the check is through by then or not: without it the file counts as left open.
    store.close(LONG).unwrap();
    let store = place.open();
    assert_eq!(store.sessions_len(), 1);
    assert!(store.progress().borrow().trouble.is_none());
}

#[test]
fn damage_that_is_met_is_a_trouble_that_stays() {
    let place = Place::new();
    let store = place.open();
    let first = begun(&store);
    store.close(LONG).unwrap();
    place.damage("events");
    let store = place.open();
    let lost = put(&store, event(&first, 1, said("x")));
    until(&store, "the damage is met", |progress| progress.trouble.is_some());
    let other = turn(&key("main"), 2, 2);
    let more = put(&store, crate::store::tests::rig::accepted(&other));
    let why = store.close(LONG).unwrap_err().to_string();
    assert!(why.contains("is damaged"), "{why}");
    assert!(store.progress().borrow().kept < lost.min(more));
}
