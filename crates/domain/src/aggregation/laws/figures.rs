//! I10, I11: figures. Sums never wrap, totals become what was sent, accounts stay balanced, stamps and line rates hold at
//! their edges, buckets and shards are what a database of years ago says they are.

use proptest::prelude::*;

use super::cases;
use crate::aggregation::{
    AHEAD_MAX_US, Account, Hour, ITEM_MAX, LATENESS_US, Mark, Minute, SHARD_COUNT, ShardIndex, ShardSet, TOTAL_MAX,
    Traffic, advance, exceeds_line_rate, line_allowance_bytes, place, room,
};
use crate::ids::InstanceId;
use crate::time::Micros;

fn item() -> impl Strategy<Value = Traffic> {
    let figure = prop_oneof![0..1_000_000u64, Just(0), Just(ITEM_MAX), 0..=ITEM_MAX];
    (figure.clone(), figure).prop_map(|(up, down)| Traffic { up, down })
}

/// From the reference implementation of XXH3-64 (`xxhsum -H3`), modulo 64.
#[test]
fn shards_are_pinned() {
    let longest = "x".repeat(128);
    for (instance, shard) in [("svc-1", 17), ("a", 31), ("customer-000001", 13), (&longest, 23)] {
        let id = InstanceId::parse(instance).expect("an id");
        assert_eq!(ShardIndex::of(&id).get(), shard, "{instance}");
    }
}

#[test]
fn items_are_bounded_at_the_door() {
    assert!(Traffic::of_item(ITEM_MAX, ITEM_MAX).is_ok());
    assert!(Traffic::of_item(ITEM_MAX + 1, 0).is_err());
    assert!(Traffic::of_item(0, ITEM_MAX + 1).is_err());
    assert!(Traffic { up: TOTAL_MAX, down: 1 }.bytes().is_none());
    assert!(room(TOTAL_MAX - 2, Traffic { up: 1, down: 1 }));
    assert!(!room(TOTAL_MAX - 1, Traffic { up: 1, down: 1 }));
}

#[test]
fn a_stamp_is_judged_to_the_microsecond() {
    let now = Micros(1_780_000_000_000_000);
    let cases = [
        (AHEAD_MAX_US, AHEAD_MAX_US, Mark::OnTime),
        (AHEAD_MAX_US + 1, 0, Mark::Skewed),
        (-LATENESS_US, -LATENESS_US, Mark::OnTime),
        (-LATENESS_US - 1, 0, Mark::Late),
        (0, 0, Mark::OnTime),
    ];
    for (away_us, counted_us, mark) in cases {
        let placed = place(Some(Micros(now.0 + away_us)), now);
        assert_eq!((placed.minute, placed.mark), (Minute::of(Micros(now.0 + counted_us)), mark), "{away_us}");
    }
    assert_eq!(place(None, now).minute, Minute::of(now));
    for end in [i64::MIN, i64::MAX] {
        assert_eq!(place(Some(Micros(end)), now).minute, Minute::of(now));
    }
}

#[test]
fn a_line_carries_what_it_can_and_no_byte_more() {
    let (since, now) = (Micros(0), Micros(1_000_000));
    // 1 Gbit/s for 35 days and a second, in bytes, by hand.
    let allowed = 125_000_000 * (35 * 24 * 3600 + 1);
    assert_eq!(line_allowance_bytes(1000, since, now), allowed);
    let one = Traffic { up: 1, down: 0 };
    assert!(!exceeds_line_rate(1000, allowed - 1, one, since, now));
    assert!(exceeds_line_rate(1000, allowed, one, since, now));
    assert!(exceeds_line_rate(1000, allowed - 1, Traffic { up: 1, down: 1 }, since, now));
    assert_eq!(line_allowance_bytes(1000, now, since), allowed - 125_000_000, "time that runs back adds none");
    assert_eq!(line_allowance_bytes(u64::MAX, Micros(i64::MIN), Micros(i64::MAX)), u64::MAX);
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_time_lies_in_its_minute_and_hour(at in 0..4_000_000_000_000_000i64) {
        let (minute, hour) = (Minute::of(Micros(at)), Hour::of(Micros(at)));
        prop_assert!(minute.start() <= Micros(at) && Micros(at) < minute.end());
        prop_assert!(hour.start() <= Micros(at) && Micros(at) < hour.end());
        prop_assert_eq!(minute.end().0 - minute.start().0, 60_000_000);
        prop_assert_eq!(hour.end().0 - hour.start().0, 3_600_000_000);
        prop_assert_eq!(minute.hour(), hour);
        prop_assert_eq!(Minute(minute.0 + 1).start(), minute.end());
    }

    #[test]
    fn shards_and_their_sets_name_each_other(bits in any::<u64>(), id in "[a-z0-9]{1,40}") {
        prop_assert!(ShardIndex::of_text(&id).get() < SHARD_COUNT);
        let set = ShardSet::from_bits(bits);
        prop_assert_eq!(set.iter().collect::<ShardSet>(), set);
        prop_assert_eq!(set.iter().count(), set.len() as usize);
        prop_assert!(ShardIndex::all().all(|shard| set.contains(shard) == (bits >> shard.get() & 1 == 1)));
        prop_assert_eq!(set.union(ShardSet::from_bits(!bits)), ShardSet::ALL);
    }

    #[test]
    fn a_sum_is_exact_or_none(before in prop_oneof![Just(0), 0..=TOTAL_MAX], items in prop::collection::vec(item(), 1..300)) {
        let exact = items.iter().fold((u128::from(before), 0u128), |sum, it| (sum.0 + u128::from(it.up), sum.1 + u128::from(it.down)));
        let sum = items.iter().try_fold(Traffic { up: before, down: 0 }, |sum, it| sum.checked_add(*it));
        match sum {
            Some(sum) => prop_assert_eq!((u128::from(sum.up), u128::from(sum.down)), exact),
            None => prop_assert!(exact.0 + exact.1 > u128::from(TOTAL_MAX)),
        }
    }

    #[test]
    fn what_has_room_in_received_has_room_everywhere(
        items in prop::collection::vec((item(), 0..3u8), 1..400),
        before in prop_oneof![Just(0), 0..=TOTAL_MAX, TOTAL_MAX - 1_000_000..=TOTAL_MAX],
    ) {
        let mut account = Account { received: before, durable: before, ..Account::default() };
        for (item, fate) in items {
            if !room(account.received, item) {
                let exact = u128::from(account.received) + u128::from(item.up) + u128::from(item.down);
                prop_assert!(exact > u128::from(TOTAL_MAX), "refused with room left");
                continue;
            }
            let bytes = item.bytes().expect("has room");
            let mut moved = Account { received: bytes, ..Account::default() };
            match fate {
                0 => moved.pending = bytes,
                1 => moved.parked = bytes,
                _ => moved.rejected = bytes,
            }
            account = account.checked_add(moved).expect("room in received is room in all");
            prop_assert!(account.is_balanced());
        }
        prop_assert!(account.committed().is_balanced() && account.committed().pending == 0);
    }

    /// I11: a byte that is nowhere or twice is seen, and each move keeps the balance.
    #[test]
    fn a_lost_or_doubled_byte_is_seen(parts in prop::array::uniform4(0..1_000_000u64), which in 0..5u8, off in 1..100u64) {
        let [durable, pending, parked, rejected] = parts;
        let account = Account { received: durable + pending + parked + rejected, durable, pending, parked, rejected };
        prop_assert!(account.is_balanced());
        prop_assert!(account.committed().is_balanced());
        let unparked = account.unpark(parked).expect("as much as there is");
        prop_assert!(unparked.is_balanced() && unparked.parked == 0 && unparked.durable == durable + parked);
        prop_assert_eq!(account.unpark(parked + 1), None);
        let mut wrong = account;
        match which {
            0 => wrong.received += off,
            1 => wrong.durable += off,
            2 => wrong.pending += off,
            3 => wrong.parked += off,
            _ => wrong.rejected += off,
        }
        prop_assert!(!wrong.is_balanced());
        let sign = if which == 0 { 1 } else { -1 };
        prop_assert_eq!(wrong.difference(), sign * i128::from(off));
    }

    /// I10: the deltas of totals add up to what was sent, less what each fall lost.
    #[test]
    fn totals_become_what_was_sent(sent in prop::collection::vec((0..1000u64, 0..1000u64, prop::bool::weighted(0.1)), 1..60)) {
        let (mut meter, mut baseline) = (Traffic::ZERO, None);
        let (mut counted, mut expected) = (Traffic::ZERO, Traffic::ZERO);
        for (up, down, is_set_back) in sent {
            let before = meter;
            if is_set_back {
                meter = Traffic::ZERO;
            }
            meter = Traffic { up: meter.up + up, down: meter.down + down };
            let has_fallen = meter.up < before.up || meter.down < before.down;
            let advance = advance(baseline, meter);
            prop_assert_eq!(advance.is_rewind, has_fallen);
            prop_assert_eq!(advance.baseline, meter);
            if !has_fallen {
                expected.up += meter.up - before.up;
                expected.down += meter.down - before.down;
            }
            counted = counted.checked_add(advance.delta).expect("small");
            baseline = Some(advance.baseline);
        }
        prop_assert_eq!(counted, expected);
    }
}
