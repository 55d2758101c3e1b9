//! Turns.

use std::path::PathBuf;

use super::rig::{
    Rig, accepted, all_of, at, completed, event, key, logged, named, request, said, session, turn, with_rerun,
};
use super::with_both;
use crate::protocol::{ErrorKind, EventKind, InterruptCause, TenantId, ThreadId, TurnEnding, TurnError, TurnId};
use crate::store::{Rerun, TurnQuery, TurnRecord, TurnStatus, Write};

with_both!(
    a_turn_is_kept_through_its_life,
    endings_have_their_status,
    what_has_no_ending_is_found_in_order,
    what_runs_again_is_kept_until_an_agent_has_it,
    turns_are_listed_newest_first,
    turns_are_found_by_their_tags,
    turns_of_one_moment_have_an_order,
    a_name_belongs_to_one_turn,
);

fn tags(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn a_turn_is_kept_through_its_life(rig: &Rig) {
    let (key, local) = (key("main"), TenantId::local());
    let mut turn = TurnRecord { tags: tags(&[("b", "1"), ("a", "é")]).into_iter().collect(), ..turn(&key, 5, 1) };
    let read = || rig.store.turn(&local, turn.id).unwrap();
    assert_eq!(read(), None);
    rig.write([session(&key), accepted(&turn)]);
    assert_eq!(read(), Some(turn.clone()));
    let thread = ThreadId::generate();
    let kinds = [said("hi"), EventKind::Started { thread }, EventKind::TextDelta("x".to_owned()), completed("x")];
    let mut expected = turn.clone();
    for (seq, kind) in (5..).zip(kinds) {
        let logged = logged(&turn, seq, kind);
        expected.take(&logged);
        rig.write([Write::Event(logged)]);
        assert_eq!(read(), Some(expected.clone()));
    }
    turn = expected;
    assert_eq!(turn.status, TurnStatus::Completed);
    rig.write([Write::Unread(turn.id)]);
    assert_eq!(rig.store.turn(&local, turn.id).unwrap(), Some(TurnRecord { is_unread: true, ..turn }));
}

fn endings_have_their_status(rig: &Rig) {
    let key = key("main");
    rig.write([session(&key)]);
    let failed = TurnEnding::Failed(TurnError::new(ErrorKind::TurnLost, "the daemon went down"));
    let endings =
        [(TurnEnding::Interrupted(InterruptCause::Reset), TurnStatus::Interrupted), (failed, TurnStatus::Failed)];
    for (seq, (ending, status)) in (1..).zip(endings) {
        let turn = turn(&key, seq, seq);
        rig.write([accepted(&turn), event(&turn, seq, EventKind::Ended(ending.clone()))]);
        let kept = rig.store.turn(&TenantId::local(), turn.id).unwrap().unwrap();
        assert_eq!((kept.status, kept.last_seq, kept.ended_at), (status, Some(seq), Some(at(1000 + seq))));
        assert_eq!(kept.ending.unwrap().kind, EventKind::Ended(ending));
    }
}

fn what_has_no_ending_is_found_in_order(rig: &Rig) {
    let (one, other) = (key("one"), key("other"));
    let turns = [turn(&one, 4, 30), turn(&other, 1, 20), turn(&one, 1, 10), turn(&other, 9, 40)];
    rig.write([session(&one), session(&other)]);
    rig.write(turns.iter().map(accepted));
    rig.write([event(&turns[3], 9, completed("over")), Write::Given(turns[1].id)]);
    let open = rig.store.unfinished().unwrap();
    let found: Vec<_> = open.iter().map(|open| (open.turn.id, open.given)).collect();
    assert_eq!(found, [(turns[2].id, false), (turns[1].id, true), (turns[0].id, false)]);
    assert_eq!(open[0].turn, turns[2]);
}

fn what_runs_again_is_kept_until_an_agent_has_it(rig: &Rig) {
    let key = key("main");
    let (one, other) = (turn(&key, 1, 1), turn(&key, 2, 2));
    let rerun = Rerun { request: request(), directory: PathBuf::from("/work") };
    rig.write([session(&key), with_rerun(&one, rerun.clone()), with_rerun(&other, rerun.clone())]);
    let reruns = || rig.store.unfinished().unwrap().into_iter().map(|open| open.rerun).collect::<Vec<_>>();
    assert_eq!(reruns(), [Some(rerun.clone()), Some(rerun.clone())]);
    rig.write([Write::Given(one.id)]);
    assert_eq!(reruns(), [None, Some(rerun)]);
    rig.write([event(&other, 2, EventKind::Ended(TurnEnding::Interrupted(InterruptCause::ClientGone)))]);
    assert_eq!(reruns(), [None]);
}

fn turns_are_listed_newest_first(rig: &Rig) {
    let (one, other, local) = (key("one"), key("other"), TenantId::local());
    let turns: Vec<_> = (0..6).map(|n| turn(if n % 2 == 0 { &one } else { &other }, 1 + n / 2, 10 * n)).collect();
    rig.write([session(&one), session(&other)]);
    // The order in which they are written says nothing.
    rig.write(turns.iter().rev().map(accepted));
    let list = |query: &TurnQuery| rig.store.turns(query).unwrap().into_iter().map(|turn| turn.id).collect::<Vec<_>>();
    let ids = |numbers: &[usize]| numbers.iter().map(|number| turns[*number].id).collect::<Vec<_>>();
    assert_eq!(list(&all_of(local.clone())), ids(&[5, 4, 3, 2, 1, 0]));
    assert_eq!(list(&TurnQuery { limit: 2, ..all_of(local.clone()) }), ids(&[5, 4]));
    let of_one = TurnQuery { session: Some(one), ..all_of(local.clone()) };
    assert_eq!(list(&of_one), ids(&[4, 2, 0]));
    assert_eq!(list(&TurnQuery { before: Some(turns[4].id), limit: 1, ..of_one.clone() }), ids(&[2]));
    assert_eq!(list(&TurnQuery { before: Some(turns[3].id), ..of_one }), ids(&[2, 0]), "another session's");
    assert_eq!(list(&TurnQuery { before: Some(turns[0].id), ..all_of(local.clone()) }), []);
    assert_eq!(list(&TurnQuery { session: Some(key("unknown")), ..all_of(local) }), []);
    assert_eq!(list(&all_of(TenantId::new("bob").unwrap())), []);
}

fn turns_are_found_by_their_tags(rig: &Rig) {
    let (key, local) = (key("main"), TenantId::local());
    let with = |millis, pairs: &[(&str, &str)]| TurnRecord {
        tags: tags(pairs).into_iter().collect(),
        ..turn(&key, millis, millis)
    };
    let turns = [
        with(1, &[("job", "1"), ("user", "ann")]),
        with(2, &[("job", "2")]),
        with(3, &[("job", "1")]),
        with(4, &[("job", "1"), ("user", "ann")]),
    ];
    rig.write([session(&key)]);
    rig.write(turns.iter().map(accepted));
    let list = |pairs: &[(&str, &str)], before: Option<TurnId>| {
        let found = rig.store.turns(&TurnQuery { tags: tags(pairs), before, ..all_of(local.clone()) }).unwrap();
        found.into_iter().map(|turn| turn.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[("job", "1")], None), [turns[3].id, turns[2].id, turns[0].id]);
    assert_eq!(list(&[("job", "1"), ("user", "ann")], None), [turns[3].id, turns[0].id]);
    assert_eq!(list(&[("job", "1"), ("user", "ann")], Some(turns[3].id)), [turns[0].id]);
    assert_eq!(list(&[("job", "1"), ("user", "bob")], None), []);
    assert_eq!(list(&[("job", "")], None), []);
    let kept = rig.store.turn(&local, turns[0].id).unwrap().unwrap();
    assert_eq!(kept.tags, turns[0].tags);
}

fn turns_of_one_moment_have_an_order(rig: &Rig) {
    let (key, local) = (key("main"), TenantId::local());
    let turns: Vec<_> = (1..=4).map(|seq| turn(&key, seq, 7)).collect();
    rig.write([session(&key)]);
    rig.write(turns.iter().rev().map(accepted));
    let mut seen = Vec::new();
    let mut query = TurnQuery { limit: 1, ..all_of(local) };
    while let Some(turn) = rig.store.turns(&query).unwrap().pop() {
        seen.push(turn.first_seq);
        query.before = Some(turn.id);
    }
    assert_eq!(seen, [4, 3, 2, 1]);
    let open: Vec<_> = rig.store.unfinished().unwrap().iter().map(|open| open.turn.first_seq).collect();
    assert_eq!(open, [1, 2, 3, 4]);
}

fn a_name_belongs_to_one_turn(rig: &Rig) {
    let (key, local) = (key("main"), TenantId::local());
    let (one, other) = (turn(&key, 1, 1), turn(&key, 2, 2));
    rig.write([session(&key), named(&one, "a", u64::MAX), named(&other, "b", 7)]);
    assert_eq!(rig.store.named(&local, "a").unwrap(), Some((one.id, u64::MAX)));
    assert_eq!(rig.store.named(&local, "b").unwrap(), Some((other.id, 7)));
    assert_eq!(rig.store.named(&local, "c").unwrap(), None);
}
