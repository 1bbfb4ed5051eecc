//! I10, I12: a vector says of every shard exactly which reports it holds; merging two loses and invents nothing.
//!
//! The oracle keeps, for each shard, the set of all sequences that a generation below its watermark brought.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::cases;
use crate::aggregation::{GenerationIndex, Marks, SHARD_COUNT, ShardIndex, ShardSet, Vector};

const SEQUENCES: u64 = 24;

fn shard() -> impl Strategy<Value = ShardIndex> {
    (0..SHARD_COUNT).prop_map(|number| ShardIndex::new(number).expect("a shard"))
}

fn vector() -> impl Strategy<Value = Vector> {
    (0..SEQUENCES, prop::collection::vec((shard(), 0..SEQUENCES), 0..8))
        .prop_map(|(through, ahead)| Vector::new(through, ahead))
}

/// All pairs (shard, sequence) that it holds, within what the tests use.
fn held(vector: &Vector) -> BTreeSet<(ShardIndex, u64)> {
    let pairs = ShardIndex::all().flat_map(|shard| (1..=SEQUENCES).map(move |sequence| (shard, sequence)));
    pairs.filter(|(shard, sequence)| vector.holds(*shard, *sequence)).collect()
}

fn joined(one: &Vector, two: &Vector) -> Vector {
    let mut vector = one.clone();
    vector.join(two);
    vector
}

proptest! {
    #![proptest_config(cases(120))]

    /// I12: what a replay skips is what the shards hold, to the report.
    #[test]
    fn a_vector_holds_what_lies_below_the_watermarks(
        folded in 0..4u64,
        steps in prop::collection::vec(0..4u64, 0..6),
        few in prop::collection::vec((shard(), 0..8u64), 0..6),
        lowest in 0..8u64,
        is_reversed in any::<bool>(),
    ) {
        // Sequences grow with the generations; a generation in which the reporter was silent does not name it.
        let mut sequence = folded;
        let mut generations = Vec::new();
        for (generation, step) in (1u64..).zip(steps) {
            sequence += step;
            if step > 0 {
                generations.push((GenerationIndex(generation), sequence));
            }
        }
        let mut marks: Marks = [GenerationIndex(lowest); SHARD_COUNT as usize];
        few.into_iter().for_each(|(shard, mark)| marks[shard.index()] = GenerationIndex(mark));
        let mut expected = BTreeSet::new();
        for shard in ShardIndex::all() {
            let below = generations.iter().filter(|(generation, _)| *generation <= marks[shard.index()]);
            let last = below.map(|(_, sequence)| *sequence).max().unwrap_or(0).max(folded);
            expected.extend((1..=last).map(|sequence| (shard, sequence)));
        }
        if is_reversed {
            generations.reverse();
        }
        let vector = Vector::of_generations(folded, generations, &marks);
        prop_assert_eq!(held(&vector), expected.clone());
        for sequence in 1..=SEQUENCES {
            let skipped: ShardSet =
                ShardIndex::all().filter(|shard| expected.contains(&(*shard, sequence))).collect();
            prop_assert_eq!(vector.skipped(sequence), skipped);
            prop_assert_eq!(skipped == ShardSet::ALL, sequence <= vector.through());
        }
    }

    #[test]
    fn joining_vectors_holds_what_either_held(one in vector(), two in vector()) {
        let either: BTreeSet<_> = held(&one).union(&held(&two)).copied().collect();
        prop_assert_eq!(held(&joined(&one, &two)), either);
    }

    #[test]
    fn joining_vectors_is_commutative_associative_idempotent(one in vector(), two in vector(), three in vector()) {
        prop_assert_eq!(joined(&one, &two), joined(&two, &one));
        prop_assert_eq!(joined(&joined(&one, &two), &three), joined(&one, &joined(&two, &three)));
        prop_assert_eq!(joined(&one, &one), one);
    }

    #[test]
    fn advancing_forgets_no_shard_that_is_further(vector in vector(), sequence in 0..SEQUENCES) {
        let mut advanced = vector.clone();
        advanced.advance_to(sequence);
        let all = ShardIndex::all().flat_map(|shard| (1..=sequence).map(move |it| (shard, it)));
        prop_assert_eq!(held(&advanced), held(&vector).into_iter().chain(all).collect::<BTreeSet<_>>());
        prop_assert!(advanced.ahead().values().all(|it| *it > advanced.through()));
    }
}
