//! The places by themselves: who gets one, and who is asked to make room.

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;
use crate::protocol::TenantLimits;

#[test]
fn the_longest_idle_is_asked_and_its_place_goes_to_the_first_in_line() {
    let capacity = Capacity::new(2, Tenants::default());
    let (a, b, c) =
        (capacity.join(&TenantId::local()), capacity.join(&TenantId::local()), capacity.join(&TenantId::local()));
    let (place_a, place_b) = (a.acquire().unwrap(), b.acquire().unwrap());
    b.mark_idle(true);
    a.mark_idle(true);
    let mut ticket = c.acquire().unwrap_err();
    assert!(b.retire().now_or_never().is_some(), "b has been idle longer");
    assert!(a.retire().now_or_never().is_none(), "one newcomer, one asked");
    drop(place_b);
    let place_c = ticket.try_recv().unwrap();
    assert_eq!(capacity.live(), 2);
    drop((place_a, place_c));
    assert_eq!(capacity.live(), 0);
}

#[test]
fn a_member_that_becomes_busy_is_replaced_by_the_next_idle_one() {
    let capacity = Capacity::new(2, Tenants::default());
    let (a, b, c) =
        (capacity.join(&TenantId::local()), capacity.join(&TenantId::local()), capacity.join(&TenantId::local()));
    let _places = (a.acquire().unwrap(), b.acquire().unwrap());
    a.mark_idle(true);
    let ticket = c.acquire().unwrap_err();
    a.mark_idle(false);
    b.mark_idle(true);
    assert!(b.retire().now_or_never().is_some(), "the line is still there");
    drop(ticket);
    a.mark_idle(true);
    assert!(a.retire().now_or_never().is_none(), "what a was asked for is long over");
}

#[test]
fn a_ticket_that_was_dropped_keeps_no_place() {
    let capacity = Capacity::new(1, Tenants::default());
    let (a, b) = (capacity.join(&TenantId::local()), capacity.join(&TenantId::local()));
    let place = a.acquire().unwrap();
    drop(b.acquire().unwrap_err());
    drop(place);
    assert_eq!(capacity.live(), 0);
    assert!(b.acquire().is_ok());
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// `max_live` places, of which alice may have so many.
fn with_alice(max_live: usize, alice: usize) -> Capacity {
    let limits = TenantLimits { max_live: Some(alice), ..TenantLimits::default() };
    Capacity::new(max_live, Tenants::new([(tenant("alice"), limits)].into()))
}

#[test]
fn a_tenant_with_all_its_places_waits_for_one_of_its_own_while_others_pass_it() {
    let capacity = with_alice(3, 1);
    let (a, more) = (capacity.join(&tenant("alice")), capacity.join(&tenant("alice")));
    let (b, c) = (capacity.join(&tenant("bob")), capacity.join(&tenant("carol")));
    let place_a = a.acquire().unwrap();
    let place_b = b.acquire().unwrap();
    b.mark_idle(true);
    let mut ticket = more.acquire().unwrap_err();
    assert!(b.retire().now_or_never().is_none(), "bob's place would not help alice");
    let place_c = c.acquire().unwrap();
    assert_eq!(capacity.live(), 3, "carol's newcomer does not stand behind alice's");
    drop((place_b, place_c));
    assert!(ticket.try_recv().is_err(), "free places are not alice's either");
    a.mark_idle(true);
    assert!(a.retire().now_or_never().is_some(), "her own makes room");
    drop(place_a);
    assert!(ticket.try_recv().is_ok());
    assert_eq!(capacity.live(), 0, "the place went with the ticket");
}

#[test]
fn a_full_house_gives_its_free_place_to_the_first_who_may_have_it() {
    let capacity = with_alice(2, 1);
    let (a, more) = (capacity.join(&tenant("alice")), capacity.join(&tenant("alice")));
    let (b, c) = (capacity.join(&tenant("bob")), capacity.join(&tenant("carol")));
    let (place_a, place_b) = (a.acquire().unwrap(), b.acquire().unwrap());
    let (mut alices, mut carols) = (more.acquire().unwrap_err(), c.acquire().unwrap_err());
    drop(place_b);
    let place_c = carols.try_recv().unwrap();
    assert!(alices.try_recv().is_err(), "she came first, but has all hers");
    drop(place_a);
    let place_a = alices.try_recv().unwrap();
    assert_eq!(capacity.live(), 2);
    drop((place_a, place_c));
    assert_eq!(capacity.live(), 0);
}

#[test]
fn each_newcomer_has_one_asked_who_can_help_it() {
    let capacity = with_alice(3, 2);
    let [a1, a2, a3] = [(); 3].map(|()| capacity.join(&tenant("alice")));
    let (b, c) = (capacity.join(&tenant("bob")), capacity.join(&tenant("carol")));
    let places = [a1.acquire().unwrap(), a2.acquire().unwrap(), b.acquire().unwrap()];
    for idle in [&b, &a2, &a1] {
        idle.mark_idle(true);
    }
    let alices = a3.acquire().unwrap_err();
    let asked = || [&a1, &a2, &b].map(|member| member.retire().now_or_never().is_some());
    assert_eq!(asked(), [false, true, false], "her longest idle, though bob's has been idle longer");
    let carols = c.acquire().unwrap_err();
    assert_eq!(asked(), [false, false, true], "a2 is spoken for");
    drop((alices, carols, places));
    assert_eq!(capacity.live(), 0);
}

#[test]
fn a_tenant_whose_tickets_were_dropped_has_all_its_places_again() {
    let capacity = with_alice(2, 1);
    let (a, more) = (capacity.join(&tenant("alice")), capacity.join(&tenant("alice")));
    let place = a.acquire().unwrap();
    let dropped = more.acquire().unwrap_err();
    let mut kept = more.acquire().unwrap_err();
    drop(dropped);
    drop(place);
    drop(kept.try_recv().unwrap());
    assert_eq!(capacity.live(), 0);
    drop(more.acquire().unwrap());
}

#[derive(Debug, Clone)]
enum Step {
    Acquire(usize),
    Idle(usize, bool),
    /// The process is gone, or the wait is given up.
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..9_usize;
    prop_oneof![
        who.clone().prop_map(Step::Acquire),
        (who.clone(), any::<bool>()).prop_map(|(who, idle)| Step::Idle(who, idle)),
        who.prop_map(Step::Leave),
    ]
}

proptest! {
    /// Three sessions each of alice, bob and carol, of whom the first two are bounded.
    #[test]
    fn no_bound_is_passed_and_nobody_waits_for_what_is_free(
        max_live in 1..6_usize,
        bounds in (1..4_usize, 1..4_usize),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let limited = |max| TenantLimits { max_live: Some(max), ..TenantLimits::default() };
        let limits = [(tenant("alice"), limited(bounds.0)), (tenant("bob"), limited(bounds.1))];
        let capacity = Capacity::new(max_live, Tenants::new(limits.into()));
        let bound = |who: usize| [bounds.0, bounds.1, usize::MAX][who / 3];
        let members: Vec<_> = (0..9).map(|who| capacity.join(&tenant(["alice", "bob", "carol"][who / 3]))).collect();
        let mut places: [Option<Place>; 9] = Default::default();
        let mut tickets: [Option<oneshot::Receiver<Place>>; 9] = Default::default();
        for step in steps {
            match step {
                Step::Acquire(who) if places[who].is_none() && tickets[who].is_none() => match members[who].acquire() {
                    Ok(place) => places[who] = Some(place),
                    Err(ticket) => tickets[who] = Some(ticket),
                },
                Step::Acquire(_) => {}
                Step::Idle(who, idle) => members[who].mark_idle(idle && places[who].is_some()),
                Step::Leave(who) => {
                    (places[who], tickets[who]) = (None, None);
                    members[who].mark_idle(false);
                }
            }
            for (place, waiting) in places.iter_mut().zip(&mut tickets) {
                if let Some(granted) = waiting.as_mut().and_then(|ticket| ticket.try_recv().ok()) {
                    (*place, *waiting) = (Some(granted), None);
                }
            }
            let live = |of: usize| (0..9).filter(|who| who / 3 == of && places[*who].is_some()).count();
            let all = (0..3).map(live).sum::<usize>();
            prop_assert_eq!(capacity.live(), all);
            prop_assert!(all <= max_live);
            for (who, ticket) in tickets.iter().enumerate() {
                prop_assert!(live(who / 3) <= bound(who));
                let could = all < max_live && live(who / 3) < bound(who);
                prop_assert!(ticket.is_none() || !could, "{} waits beside a free place", who);
            }
            // Whoever waits has somebody asked who can help, if anybody can.
            let inner = capacity.lock();
            let asked = |of: Option<&TenantId>| {
                let helps = |entry: &&Entry| of.is_none_or(|of| of == &entry.tenant);
                let mut idle = inner.members.values().filter(helps).filter_map(|entry| entry.idle).peekable();
                idle.peek().is_none() || idle.any(|(_, asked)| asked)
            };
            for who in (0..9).filter(|who| tickets[*who].is_some()) {
                let own = live(who / 3) >= bound(who);
                prop_assert!(asked(own.then_some(&members[who].tenant)), "{} waits, and nobody was asked", who);
            }
        }
    }
}
