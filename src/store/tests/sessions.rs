//! Sessions.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::rig::{Rig, SESSIONS_MAX, accepted, completed, event, key, key_of, record, said, session, turn};
use super::with_both;
use crate::protocol::{BackendId, Overrides, Permission, SessionKey, TenantId, ThreadId, TurnId};
use crate::store::{SessionRecord, Write};

with_both!(
    a_session_is_kept_whole,
    the_last_save_counts,
    keys_that_look_alike_are_two,
    a_write_is_seen_before_it_is_kept,
    what_is_forgotten_is_gone_with_all_that_was_in_it,
    tenants_do_not_meet,
    a_thread_of_somebody_else_is_found,
    the_one_saved_longest_ago_gives_way,
    unnamed_ones_give_way_first,
    one_with_an_open_turn_stays,
);

fn full(key: &SessionKey) -> SessionRecord {
    SessionRecord {
        key: key.clone(),
        backend: BackendId::new("opus"),
        driver: "claude-channel".to_owned(),
        thread: Some(ThreadId::generate()),
        // A path need not be UTF-8.
        directory: PathBuf::from(OsStr::from_bytes(b"/work/\xff\xfe")),
        instructions: Some("a 'b' \0 c".to_owned()),
        generation: 3,
        boundary: Some(u64::MAX),
        seq: 41,
        reserved: 4_000_000_000_000,
        turns: 7,
        answered: true,
        first_turn: Some(TurnId::generate()),
        overrides: Overrides { model: Some("haiku".to_owned()), permission: Some(Permission::AcceptEdits) },
        allowed: ["Bash".to_owned(), "a\"b".to_owned()].into(),
        closed: true,
        unnamed: true,
    }
}

fn a_session_is_kept_whole(rig: &Rig) {
    let (full, plain) = (full(&key("main::telegram:1")), record(&key("main")));
    rig.write([Write::Session(Box::new(full.clone())), Write::Session(Box::new(plain.clone()))]);
    assert_eq!(rig.store.session(&full.key).unwrap(), Some(full.clone()));
    assert_eq!(rig.store.session(&plain.key).unwrap(), Some(plain.clone()));
    assert_eq!(rig.store.session(&key("other")).unwrap(), None);
    assert_eq!(rig.store.sessions(&TenantId::local()).unwrap(), [plain, full], "in the order of their keys");
    assert_eq!(rig.store.sessions_len(), 2);
}

fn the_last_save_counts(rig: &Rig) {
    let first = full(&key("main"));
    let last = SessionRecord { seq: 42, thread: None, closed: false, ..first.clone() };
    rig.write([Write::Session(Box::new(first.clone())), Write::Session(Box::new(last.clone()))]);
    assert_eq!(rig.store.session(&last.key).unwrap(), Some(last.clone()));
    rig.write([Write::Session(Box::new(first.clone()))]);
    assert_eq!(rig.store.session(&last.key).unwrap(), Some(first));
    assert_eq!(rig.store.sessions_len(), 1);
}

fn keys_that_look_alike_are_two(rig: &Rig) {
    let new = |agent, chat| SessionKey::new(TenantId::local(), Some(agent), Some(chat)).unwrap();
    let (one, other) = (new("a::b", "c"), new("a", "b::c"));
    assert_eq!(one.to_string(), other.to_string());
    rig.write([session(&one)]);
    assert_eq!(rig.store.session(&other).unwrap(), None);
    assert_eq!(rig.store.session(&one).unwrap(), Some(record(&one)));
}

fn a_write_is_seen_before_it_is_kept(rig: &Rig) {
    let (one, other) = (key("one"), key("other"));
    for round in 0..100 {
        let record = SessionRecord { seq: round, ..record(&one) };
        rig.store.write(vec![Write::Session(Box::new(record)), session(&other)]);
        assert_eq!(rig.store.session(&one).unwrap().unwrap().seq, round);
        assert_eq!(rig.store.sessions(&TenantId::local()).unwrap().len(), 2);
        rig.store.write(vec![Write::Forget(other.clone())]);
        assert_eq!(rig.store.session(&other).unwrap(), None);
        assert_eq!(rig.store.sessions(&TenantId::local()).unwrap().len(), 1);
    }
}

fn what_is_forgotten_is_gone_with_all_that_was_in_it(rig: &Rig) {
    let (gone, stays) = (key("gone"), key("stays"));
    let (one, other) = (turn(&gone, 1, 1), turn(&stays, 1, 2));
    rig.write([session(&gone), session(&stays), super::rig::named(&one, "name", 1), accepted(&other)]);
    rig.write([event(&one, 1, said("a")), event(&one, 2, completed("b")), event(&other, 1, said("c"))]);
    // What comes too late is lost without a word.
    rig.write([Write::Forget(gone.clone()), event(&one, 3, said("d")), Write::Given(one.id), Write::Unread(one.id)]);
    assert_eq!(rig.store.session(&gone).unwrap(), None);
    assert_eq!(rig.store.sessions_len(), 1);
    assert_eq!(rig.store.turn(&TenantId::local(), one.id).unwrap(), None);
    assert_eq!(rig.store.named(&TenantId::local(), "name").unwrap(), None);
    assert_eq!(rig.store.events(&gone, 0, 10).unwrap(), []);
    assert_eq!(rig.store.events(&stays, 0, 10).unwrap().len(), 1);
    let again = turn(&gone, 1, 3);
    rig.write([session(&gone), accepted(&again), event(&again, 1, said("e"))]);
    assert_eq!(rig.store.events(&gone, 0, 10).unwrap().len(), 1, "it begins anew");
}

fn tenants_do_not_meet(rig: &Rig) {
    let (alice, bob) = (key_of("alice", "main"), key_of("bob", "main"));
    let (hers, his) = (turn(&alice, 1, 1), turn(&bob, 1, 2));
    rig.write([session(&alice), session(&bob)]);
    rig.write([super::rig::named(&hers, "name", 1), super::rig::named(&his, "name", 2)]);
    rig.write([event(&hers, 1, said("hers")), event(&his, 1, said("his"))]);
    assert_eq!(rig.store.sessions(alice.tenant()).unwrap(), [record(&alice)]);
    assert_eq!(rig.store.turn(bob.tenant(), hers.id).unwrap(), None);
    assert_eq!(rig.store.turn(alice.tenant(), hers.id).unwrap().unwrap().id, hers.id);
    assert_eq!(rig.store.named(alice.tenant(), "name").unwrap(), Some((hers.id, 1)));
    assert_eq!(rig.store.named(bob.tenant(), "name").unwrap(), Some((his.id, 2)));
    assert_eq!(rig.store.events(&bob, 0, 9).unwrap()[0].kind, said("his"));
    rig.write([Write::Forget(alice.clone())]);
    assert_eq!(rig.store.sessions(bob.tenant()).unwrap(), [record(&bob)]);
    assert_eq!(rig.store.events(&bob, 0, 9).unwrap().len(), 1);
}

fn a_thread_of_somebody_else_is_found(rig: &Rig) {
    let (alice, bob) = (key_of("alice", "main"), key_of("bob", "main"));
    let thread = ThreadId::generate();
    let hers = SessionRecord { thread: Some(thread.clone()), ..record(&alice) };
    let is_anothers = |key: &SessionKey| rig.store.is_anothers(key.tenant(), &thread).unwrap();
    assert!(!is_anothers(&bob));
    rig.store.write(vec![Write::Session(Box::new(hers.clone()))]);
    assert!(is_anothers(&bob), "though it may wait");
    rig.write([Write::Session(Box::new(hers))]);
    assert!(is_anothers(&bob));
    assert!(!is_anothers(&alice));
    rig.store.write(vec![session(&alice)]);
    assert!(!is_anothers(&bob), "it was given up");
}

fn the_one_saved_longest_ago_gives_way(rig: &Rig) {
    let keys: Vec<_> = (0..=SESSIONS_MAX).map(|number| key(&format!("s{number}"))).collect();
    rig.write(keys[..SESSIONS_MAX].iter().map(session));
    rig.write([session(&keys[0])]);
    rig.write([session(&keys[SESSIONS_MAX])]);
    assert_eq!(rig.store.sessions_len(), SESSIONS_MAX);
    assert_eq!(rig.store.session(&keys[1]).unwrap(), None);
    assert!(rig.store.session(&keys[0]).unwrap().is_some());
    assert_eq!(rig.store.sessions(&TenantId::local()).unwrap().len(), SESSIONS_MAX);
}

fn unnamed_ones_give_way_first(rig: &Rig) {
    let keys: Vec<_> = (0..=SESSIONS_MAX).map(|number| key(&format!("s{number}"))).collect();
    rig.write(keys[..SESSIONS_MAX - 1].iter().map(session));
    let unnamed = SessionRecord { unnamed: true, ..record(&keys[SESSIONS_MAX - 1]) };
    rig.write([Write::Session(Box::new(unnamed))]);
    rig.write([session(&keys[SESSIONS_MAX])]);
    assert_eq!(rig.store.session(&keys[SESSIONS_MAX - 1]).unwrap(), None);
    assert!(rig.store.session(&keys[0]).unwrap().is_some());
}

fn one_with_an_open_turn_stays(rig: &Rig) {
    let keys: Vec<_> = (0..=SESSIONS_MAX + 1).map(|number| key(&format!("s{number}"))).collect();
    rig.write(keys[..SESSIONS_MAX].iter().map(session));
    let open = turn(&keys[0], 1, 1);
    rig.write([accepted(&open), session(&keys[SESSIONS_MAX])]);
    assert!(rig.store.session(&keys[0]).unwrap().is_some());
    assert_eq!(rig.store.session(&keys[1]).unwrap(), None);
    rig.write([event(&open, 1, completed("done")), session(&keys[SESSIONS_MAX + 1])]);
    assert_eq!(rig.store.session(&keys[0]).unwrap(), None, "its turn has ended");
}
