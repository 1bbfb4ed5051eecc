//! I18: presence and registers are semilattices. Replicas that heard the same are equal, whatever the order, the
//! repetition and the grouping; expiry changes no answer of a later time; hybrid times grow.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cases;
use crate::aggregation::{DEVICES_MAX, DeviceId, HybridTime, Presence, Register, Seen};
use crate::ids::{NodeId, ReplicaId};
use crate::time::Micros;

type Sighting = (u16, i64, u8);

fn observe(presence: &mut Presence, (device, at, reporter): &Sighting) {
    let device = DeviceId::parse(&format!("d{device}")).expect("a device");
    let reporter = NodeId::parse(&format!("n{reporter}")).expect("an id");
    presence.observe(device, Seen { at: Micros(*at), reporter });
}

fn of(sightings: &[Sighting]) -> Presence {
    let mut presence = Presence::default();
    sightings.iter().for_each(|it| observe(&mut presence, it));
    presence
}

fn joined(one: &Presence, two: &Presence) -> Presence {
    let mut presence = one.clone();
    presence.join(two);
    presence
}

fn few() -> impl Strategy<Value = Vec<Sighting>> {
    prop::collection::vec((0..6u16, 0..50i64, 0..3u8), 0..30)
}

/// More devices than are kept, and many that tie.
fn many() -> impl Strategy<Value = Vec<Sighting>> {
    let start = (0..400u16, 0..4i64, 600..1100u16);
    start.prop_map(|(first, at, count)| (first..first + count).map(|it| (it, at + i64::from(it % 3), 0)).collect())
}

fn register() -> impl Strategy<Value = Register<u8>> {
    (0..3i64, 0..3u32, 0..3u8, 0..3u8).prop_map(|(physical, logical, writer, value)| {
        let writer = ReplicaId::parse(&format!("r{writer}")).expect("an id");
        Register { at: HybridTime { physical: Micros(physical), logical }, writer, value }
    })
}

fn last(one: &Register<u8>, two: &Register<u8>) -> Register<u8> {
    let mut register = one.clone();
    register.join(two);
    register
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn presence_is_the_newest_sighting_of_each_device(heard in few(), now in 0..60i64, ttl in 1..40i64) {
        let mut newest: BTreeMap<String, (i64, String)> = BTreeMap::new();
        for (device, at, reporter) in &heard {
            let seen = (*at, format!("n{reporter}"));
            let known = newest.entry(format!("d{device}")).or_insert_with(|| seen.clone());
            *known = seen.max(known.clone());
        }
        newest.retain(|_, (at, _)| now - *at < ttl);
        let presence = of(&heard);
        let online: BTreeMap<String, (i64, String)> = presence
            .online(Micros(now), ttl)
            .map(|(device, seen)| (device.to_string(), (seen.at.0, seen.reporter.to_string())))
            .collect();
        prop_assert_eq!(online, newest);
    }

    #[test]
    fn joining_presence_is_hearing_both(one in few(), two in few()) {
        let both: Vec<Sighting> = one.iter().chain(&two).copied().collect();
        prop_assert_eq!(joined(&of(&one), &of(&two)), of(&both));
    }

    #[test]
    fn joining_presence_is_commutative_associative_idempotent(one in few(), two in few(), three in few()) {
        let (one, two, three) = (of(&one), of(&two), of(&three));
        prop_assert_eq!(joined(&one, &two), joined(&two, &one));
        prop_assert_eq!(joined(&joined(&one, &two), &three), joined(&one, &joined(&two, &three)));
        prop_assert_eq!(joined(&one, &one), one);
    }

    #[test]
    fn forgetting_changes_no_later_answer(heard in few(), more in few(), now in 0..60i64, later in prop_oneof![Just(0), 0..60i64], ttl in 1..40i64) {
        let known = of(&heard);
        let mut forgot = known.clone();
        forgot.forget(Micros(now), ttl);
        let online = |it: &Presence| -> Vec<(DeviceId, Seen)> {
            it.online(Micros(now + later), ttl).map(|(device, seen)| (device.clone(), seen.clone())).collect()
        };
        prop_assert_eq!(online(&forgot), online(&known));
        let more = of(&more);
        prop_assert_eq!(online(&joined(&forgot, &more)), online(&joined(&known, &more)));
    }

    #[test]
    fn the_last_word_is_one(one in register(), two in register(), three in register()) {
        prop_assert_eq!(last(&one, &two), last(&two, &one));
        prop_assert_eq!(last(&last(&one, &two), &three), last(&one, &last(&two, &three)));
        prop_assert_eq!(last(&one, &one), one.clone());
        prop_assert!(last(&one, &two).at >= one.at);
    }

    #[test]
    fn hybrid_times_grow_whatever_the_clock_does(
        moves in prop::collection::vec((-20..20i64, prop::option::of((0..60i64, 0..3u32))), 1..60),
        full in any::<bool>(),
    ) {
        let mut now = 30;
        let mut time = HybridTime { physical: Micros(30), logical: if full { u32::MAX } else { 0 } };
        for (step, remote) in moves {
            now += step;
            let before = time;
            time = match remote {
                None => time.tick(Micros(now)),
                Some((physical, logical)) => {
                    let remote = HybridTime { physical: Micros(physical), logical };
                    let received = time.receive(remote, Micros(now));
                    prop_assert!(received > remote);
                    received
                }
            };
            prop_assert!(time > before);
            prop_assert!(time.physical >= Micros(now));
        }
    }
}

proptest! {
    #![proptest_config(cases(12))]

    /// I26: the bound is a join too.
    #[test]
    fn the_bound_on_devices_keeps_the_laws(one in many(), two in many(), three in many()) {
        let (a, b, c) = (of(&one), of(&two), of(&three));
        let all = joined(&a, &b);
        prop_assert!(all.len() <= DEVICES_MAX);
        // What was dropped is no newer than what was kept.
        let kept: BTreeMap<&DeviceId, &Seen> = all.online(Micros(0), 10).collect();
        let oldest = kept.values().map(|seen| seen.at).min();
        for (device, seen) in a.online(Micros(0), 10).chain(b.online(Micros(0), 10)) {
            let is_kept = kept.get(device).is_some_and(|it| it.at >= seen.at);
            prop_assert!(is_kept || Some(seen.at) <= oldest, "{device} was dropped for an older one");
        }
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a.clone());
        let mut rolled: Vec<Sighting> = one.iter().chain(&two).chain(&three).copied().collect();
        rolled.reverse();
        prop_assert_eq!(of(&rolled), joined(&joined(&a, &b), &c));
    }
}

#[test]
fn devices_are_checked_at_the_door() {
    for good in ["a1", "AA:BB:CC", "Ünïcode", &"x".repeat(128)] {
        assert!(DeviceId::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "a b", "a\n", &"x".repeat(129)] {
        assert!(DeviceId::parse(bad).is_err(), "{bad:?}");
    }
}
