//! What is old goes, and so does what is too much.

use std::time::Duration;

use super::rig::{LONG, Place, message};
use crate::protocol::TenantId;
use crate::store::sqlite::retention::Sweep;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::tests::rig::{accepted, all_of, at, completed, event, keep, key, said, session, turn};
use crate::store::{EventStore, TurnRecord};

/// Three turns that ended, of 600 events each, and one that did not.
fn filled(place: &Place) -> Vec<TurnRecord> {
    let (store, key) = (place.open(), key("main"));
    keep(&store, [session(&key)]);
    let turns: Vec<_> = (0..4).map(|number| turn(&key, 1 + 1000 * number, number)).collect();
    for turn in &turns {
        let first = turn.first_seq;
        keep(&store, std::iter::once(accepted(turn)));
        keep(&store, (first..first + 600).map(|seq| event(turn, seq, message(200))));
        if first < 3000 {
            keep(&store, [event(turn, first + 600, completed("done"))]);
        }
    }
    store.close(LONG).unwrap();
    turns
}

/// Sweeps as if it were then; how many steps that took.
fn sweep(place: &Place, options: &SqliteOptions, millis: u64) -> usize {
    let mut other = place.other();
    other.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let mut sweep = Sweep::new(options, at(millis));
    let mut steps = 1;
    while sweep.step(&mut other).unwrap() {
        steps += 1;
    }
    steps
}

fn left(place: &Place) -> Vec<u64> {
    let found = place.open().turns(&all_of(TenantId::local())).unwrap();
    found.iter().map(|turn| turn.first_seq).collect()
}

#[test]
fn what_ended_long_ago_goes_in_small_steps() {
    let place = Place::new();
    filled(&place);
    let bytes = place.path.metadata().unwrap().len();
    // The turns end at 1601, 2601 and 3601 ms.
    let options = SqliteOptions { keep: Duration::from_secs(10), ..SqliteOptions::default() };
    sweep(&place, &options, 12_601);
    assert_eq!(left(&place), [3001, 2001, 1001], "the second one ended just then");
    let steps = sweep(&place, &options, 1_000_000);
    assert!(steps >= 3, "{steps}");
    assert_eq!(left(&place), [3001], "what has not ended stays");
    assert_eq!(place.number("SELECT count(*) FROM events"), 600);
    assert_eq!(place.number("PRAGMA freelist_count"), 0);
    assert!(place.path.metadata().unwrap().len() < bytes, "the room is given back");
    assert_eq!(place.open().sessions_len(), 1);
}

#[test]
fn what_is_too_much_goes_until_it_fits() {
    let place = Place::new();
    filled(&place);
    let used = place.number("PRAGMA page_count") * place.number("PRAGMA page_size");
    let mut options = SqliteOptions { bytes_max: u64::try_from(used).unwrap(), ..SqliteOptions::default() };
    sweep(&place, &options, 0);
    assert_eq!(left(&place).len(), 4, "it fits");
    options.bytes_max -= 1;
    sweep(&place, &options, 0);
    assert_eq!(left(&place), [3001, 2001, 1001], "the oldest one is enough");
    assert_eq!(place.number("SELECT count(*) FROM events"), 1802, "and goes whole");
    options.bytes_max = 0;
    sweep(&place, &options, 0);
    assert_eq!(left(&place), [3001]);
    assert_eq!(place.open().sessions_len(), 1);
}

#[test]
fn the_writer_sweeps_after_the_first_write() {
    let place = Place::new();
    filled(&place);
    // The year of these turns is long over.
    let options = SqliteOptions { keep: Duration::from_hours(1), ..SqliteOptions::default() };
    let store = SqliteStore::open(&place.path, options).unwrap();
    let mut swept = store.swept();
    assert_eq!(
        store.turns(&all_of(TenantId::local())).unwrap().len(),
        4,
        "nothing happens unless something is written"
    );
    let fresh = turn(&key("main"), 9000, 9000);
    store.write(vec![accepted(&fresh), event(&fresh, 9000, said("hi"))]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let once = runtime.block_on(async { tokio::time::timeout(LONG, swept.wait_for(|swept| *swept > 0)).await.is_ok() });
    assert!(once, "nothing was swept");
    let left: Vec<_> = store.turns(&all_of(TenantId::local())).unwrap().iter().map(|turn| turn.first_seq).collect();
    assert_eq!(left, [9000, 3001]);
}

#[test]
fn a_turn_that_is_being_deleted_is_not_there_and_goes_to_its_end() {
    let place = Place::new();
    let turns = filled(&place);
    let mut other = place.other();
    other.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let options = SqliteOptions { keep: Duration::from_secs(10), ..SqliteOptions::default() };
    Sweep::new(&options, at(12_000)).step(&mut other).unwrap();
    assert_eq!(place.number("SELECT count(*) FROM events WHERE seq < 1000"), 101, "500 went");
    assert_eq!(left(&place), [3001, 2001, 1001]);
    assert_eq!(place.open().turn(&TenantId::local(), turns[0].id).unwrap(), None);
    // Though by another rule nothing is to go.
    sweep(&place, &SqliteOptions::default(), 0);
    assert_eq!(place.number("SELECT count(*) FROM events WHERE seq < 1000"), 0);
    assert_eq!(place.number("SELECT count(*) FROM turns"), 3);
}
