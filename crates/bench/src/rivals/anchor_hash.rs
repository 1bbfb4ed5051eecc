//! AnchorHash (Mendelson, Vargaftik, Barabash, Lorenz, Keslassy, Orda, "AnchorHash: A Scalable Consistent Hash", 2020).
//!
//! Instances hash into an anchor of a fixed capacity; an instance that meets a bucket which is not working hashes
//! again, among the buckets that were working just after that one left, until it meets a working one. This is the
//! paper's Algorithm 3, which replaces the remembered sets by four arrays; the names in capitals are the paper's.
//! Groups are buckets `0..groups`, and the spare ones leave at the start in such an order that they join by number.

use super::{Rival, mix, seeds};

/// Capacity ÷ groups at the start: room to double, well past the growth that is measured.
const CAPACITY_FACTOR: u32 = 2;

/// Places an instance in the first working bucket of its walk.
#[derive(Debug, Clone)]
pub(super) struct AnchorHash {
    /// `A`: 0 while working, else how many buckets were working just after it left.
    working_after: Vec<u32>,
    /// `W`: the working buckets in its first `working` entries.
    present: Vec<u32>,
    /// `L`: where in `W` a bucket stood last.
    position: Vec<u32>,
    /// `K`: who took the place of a bucket that left.
    successor: Vec<u32>,
    /// `R`: who left, the latest last.
    left: Vec<u32>,
    /// `N`.
    working: u32,
    seed: u64,
    bucket_seeds: Vec<u64>,
}

impl AnchorHash {
    pub(super) fn new(groups: u32, seed: u64) -> Self {
        Self::with_capacity(groups * CAPACITY_FACTOR, groups, seed)
    }

    fn with_capacity(capacity: u32, working: u32, seed: u64) -> Self {
        let identity: Vec<u32> = (0..capacity).collect();
        let mut anchor = AnchorHash {
            working_after: vec![0; capacity as usize],
            present: identity.clone(),
            position: identity.clone(),
            successor: identity,
            left: Vec::new(),
            working: capacity,
            seed,
            bucket_seeds: seeds(0..capacity, seed).collect(),
        };
        for bucket in (working..capacity).rev() {
            anchor.leave(bucket);
        }
        anchor
    }

    /// REMOVEBUCKET.
    fn leave(&mut self, bucket: u32) {
        let b = bucket as usize;
        self.left.push(bucket);
        self.working -= 1;
        self.working_after[b] = self.working;
        let last = self.present[self.working as usize];
        self.present[self.position[b] as usize] = last;
        self.successor[b] = last;
        self.position[last as usize] = self.position[b];
    }

    /// ADDBUCKET: the latest to leave is the first to return.
    fn join(&mut self) {
        let bucket = self.left.pop().expect("the anchor's capacity is twice the groups that it started with");
        let b = bucket as usize;
        self.working_after[b] = 0;
        self.position[self.present[self.working as usize] as usize] = self.working;
        self.present[self.position[b] as usize] = bucket;
        self.successor[b] = bucket;
        self.working += 1;
    }

    /// GETBUCKET.
    fn bucket(&self, instance: u64) -> u32 {
        let mut b = self.first(instance) as usize;
        while self.working_after[b] > 0 {
            let mut h = self.next(instance, b, self.working_after[b]) as usize;
            // Whoever left before `b` did, or `b` itself, had been replaced in the set that `b` left behind.
            while self.working_after[h] >= self.working_after[b] {
                h = self.successor[h] as usize;
            }
            b = h;
        }
        b as u32
    }

    fn first(&self, instance: u64) -> u32 {
        (mix(instance, self.seed) % self.working_after.len() as u64) as u32
    }

    fn next(&self, instance: u64, bucket: usize, choices: u32) -> u32 {
        (mix(instance, self.bucket_seeds[bucket]) % u64::from(choices)) as u32
    }
}

impl Rival for AnchorHash {
    fn name(&self) -> &'static str {
        "AnchorHash"
    }

    fn groups(&self) -> u32 {
        self.working
    }

    fn grow(&mut self, joining: u32) {
        for _ in 0..joining {
            self.join();
        }
    }

    fn place(&self, instances: &[u64], _standing: &[u64]) -> Vec<u32> {
        instances.iter().map(|&instance| self.bucket(instance)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::instances;
    use crate::rivals::tests::assert_growth_moves_only_to_the_joining;

    /// The paper's Algorithm 2: each bucket that left keeps the whole set that it left behind.
    fn bucket_by_remembered_sets(anchor: &AnchorHash, sets: &[Option<Vec<u32>>], instance: u64) -> u32 {
        let mut b = anchor.first(instance);
        while let Some(set) = &sets[b as usize] {
            b = set[anchor.next(instance, b as usize, set.len() as u32) as usize];
        }
        b
    }

    #[test]
    fn the_four_arrays_answer_as_the_remembered_sets_do() {
        let capacity = 40;
        let mut anchor = AnchorHash::with_capacity(capacity, capacity, 11);
        let mut working: Vec<u32> = (0..capacity).collect();
        let mut sets: Vec<Option<Vec<u32>>> = vec![None; capacity as usize];
        let instances = instances(0..2_000, 11);
        // Any order of leaving, not only from the end.
        for bucket in [7, 39, 0, 21, 38, 8, 20, 1, 37, 36, 2, 30] {
            anchor.leave(bucket);
            let place = working.iter().position(|other| *other == bucket).unwrap();
            working.swap_remove(place);
            sets[bucket as usize] = Some(working.clone());
            for &instance in &instances {
                assert_eq!(anchor.bucket(instance), bucket_by_remembered_sets(&anchor, &sets, instance));
            }
        }
    }

    #[test]
    fn whoever_leaves_and_returns_finds_everything_as_it_was() {
        let instances = instances(0..5_000, 5);
        let mut anchor = AnchorHash::with_capacity(64, 48, 5);
        let before = anchor.place(&instances, &[]);
        for bucket in [3, 47, 12, 0] {
            let held = anchor.place(&instances, &[]);
            anchor.leave(bucket);
            let after = anchor.place(&instances, &[]);
            assert!(held.iter().zip(&after).all(|(old, new)| old == new || *old == bucket));
            assert!(!after.contains(&bucket));
        }
        anchor.grow(4);
        assert_eq!(anchor.place(&instances, &[]), before);
    }

    #[test]
    fn growth_moves_only_to_the_joining_groups() {
        assert_growth_moves_only_to_the_joining(&mut AnchorHash::new(50, 3));
    }
}
