//! I10: a receiver that asks `turn` counts each report once, in order, whatever the network repeats and reorders.
//!
//! The oracle remembers every report that was counted, as a set; `turn` remembers one position.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::cases;
use crate::aggregation::{Position, Turn, turn};

fn at(incarnation: u64, sequence: u64) -> Position {
    Position { incarnation, sequence }
}

/// A receiver by the law: the set of all that it counted.
#[derive(Default)]
struct Oracle {
    counted: BTreeSet<Position>,
}

impl Oracle {
    fn expected(&self, stated: Position) -> Turn {
        let current = self.counted.last().map_or(0, |last| last.incarnation);
        let of_this_life = self.counted.iter().filter(|it| it.incarnation == stated.incarnation);
        let missing = (1..).find(|sequence| !of_this_life.clone().any(|it| it.sequence == *sequence)).unwrap_or(1);
        match () {
            () if stated.incarnation < current => Turn::Stale { current },
            () if stated.sequence > missing => Turn::Gap { expected: missing },
            () if stated.sequence < missing => Turn::Duplicate,
            () if stated.incarnation > current || self.counted.is_empty() => Turn::NewLife,
            () => Turn::Next,
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_turn_is_that_of_the_set_of_all_that_was_counted(stated in prop::collection::vec((1..4u64, 1..7u64), 1..120)) {
        let mut oracle = Oracle::default();
        let mut known = None;
        for (incarnation, sequence) in stated {
            let stated = at(incarnation, sequence);
            let judged = turn(known, stated);
            prop_assert_eq!(judged, oracle.expected(stated), "{:?} after {:?}", stated, oracle.counted);
            if matches!(judged, Turn::Next | Turn::NewLife) {
                prop_assert!(oracle.counted.insert(stated), "counted twice");
                known = Some(stated);
            }
        }
    }

    #[test]
    fn a_sender_that_repeats_until_it_is_heard_is_counted_once(
        lives in prop::collection::vec(1..6u64, 1..4),
        noise in prop::collection::vec((0..4u64, 0..8u64), 0..60),
    ) {
        let mut known = None;
        let mut counted = Vec::new();
        let mut hear = |stated: Position, known: &mut Option<Position>| {
            let judged = turn(*known, stated);
            if matches!(judged, Turn::Next | Turn::NewLife) {
                counted.push(stated);
                *known = Some(stated);
            }
            judged
        };
        let mut noise = noise.into_iter();
        let sent: Vec<Position> =
            (1u64..).zip(&lives).flat_map(|(life, messages)| (1..=*messages).map(move |it| at(life, it))).collect();
        for (number, stated) in sent.iter().enumerate() {
            // What the network repeats is something that was sent before.
            for (back, _) in noise.by_ref().take(2) {
                let old = usize::try_from(back).ok().and_then(|back| number.checked_sub(back + 1));
                if let Some(old) = old {
                    let judged = hear(sent[old], &mut known);
                    prop_assert!(matches!(judged, Turn::Duplicate | Turn::Stale { .. }), "{judged:?}");
                }
            }
            hear(*stated, &mut known);
            prop_assert_eq!(hear(*stated, &mut known), Turn::Duplicate);
        }
        prop_assert_eq!(counted, sent);
    }
}

#[test]
fn a_first_word_is_number_one() {
    assert_eq!(turn(None, at(7, 1)), Turn::NewLife);
    assert_eq!(turn(None, at(7, 2)), Turn::Gap { expected: 1 });
    assert_eq!(turn(Some(at(7, 42)), at(8, 2)), Turn::Gap { expected: 1 });
    assert_eq!(turn(Some(at(7, 0)), at(7, 1)), Turn::Next);
}

#[test]
fn the_last_sequence_of_all_has_no_successor() {
    let last = at(1, u64::MAX);
    assert_eq!(turn(Some(last), last), Turn::Duplicate);
    assert_eq!(turn(Some(at(1, u64::MAX - 1)), last), Turn::Next);
}
