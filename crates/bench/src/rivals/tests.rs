//! What all rivals have in common, and the measurement that is taken of them.

use super::*;

/// Monotonicity (Karger and others, 1997): an instance that moves in a growth moves to a group that joined.
pub(super) fn assert_growth_moves_only_to_the_joining(rival: &mut dyn Rival) {
    let old_groups = rival.groups();
    let present = instances(0..20_000, 7);
    let before = rival.place(&present, &[]);
    rival.grow(5);
    let after = rival.place(&present, &[]);
    for (old, new) in before.iter().zip(&after) {
        assert!(old == new || *new >= old_groups, "{}: moved from {old} to {new}", rival.name());
    }
    for group in old_groups..old_groups + 5 {
        assert!(after.contains(&group), "{}: group {group} joined and has nobody", rival.name());
    }
}

#[test]
fn a_run_repeats_bit_for_bit_and_another_seed_differs() {
    for index in 0..all(10, 1).len() {
        let outcome = |seed: u64| {
            let rival = &all(10, seed)[index];
            rival.place(&instances(0..2_000, seed), &[0; 10])
        };
        assert_eq!(outcome(1), outcome(1));
        assert_ne!(outcome(1), outcome(2));
    }
}

#[test]
fn everybody_places_on_every_group_and_grows_by_number() {
    for mut rival in all(10, 1) {
        rival.grow(2);
        assert_eq!(rival.groups(), 12, "{}", rival.name());
        let load = Load::new(12, &rival.place(&instances(0..20_000, 1), &[0; 12]));
        assert!(load.owners().iter().all(|owners| *owners > 0), "{}: {:?}", rival.name(), load.owners());
    }
}

#[test]
fn who_grew_places_as_who_started_that_large() {
    let present = instances(0..5_000, 1);
    for (mut grown, fresh) in all(10, 1).into_iter().zip(all(12, 1)) {
        // The anchor's capacity follows from the groups it started with, and it is part of its walk.
        if grown.name() != "AnchorHash" {
            grown.grow(2);
            assert_eq!(grown.place(&present, &[0; 12]), fresh.place(&present, &[0; 12]), "{}", grown.name());
        }
    }
}

/// Deals the first placement over the ten old groups and arrivals over the joining ones, in turn: what is to be
/// measured is known beforehand.
struct InTurn {
    groups: u32,
}

impl Rival for InTurn {
    fn name(&self) -> &'static str {
        "in turn"
    }

    fn groups(&self) -> u32 {
        self.groups
    }

    fn grow(&mut self, joining: u32) {
        self.groups += joining;
    }

    fn place(&self, instances: &[u64], standing: &[u64]) -> Vec<u32> {
        let mut owners = standing.to_vec();
        let is_arrival = standing.iter().any(|count| *count > 0);
        let candidates = if is_arrival { 10..self.groups as usize } else { 0..10 };
        let mut emptiest = |_: &u64| {
            let group = candidates.clone().min_by_key(|group| owners[*group]).unwrap();
            owners[group] += 1;
            group as u32
        };
        instances.iter().map(&mut emptiest).collect()
    }
}

#[test]
fn the_measurement_counts_moves_and_arrivals_exactly() {
    // A hundred on each of ten groups, ten more join, nobody moves, and arrivals go to the new ones in turn. The old
    // are no longer too full from 981 arrivals (mean 99.05), the new no longer too empty at 99 each: 990 arrivals.
    let growth = measure(&mut InTurn { groups: 10 }, 1000, 1);
    assert_eq!(growth.moved_share, 0.0);
    assert_eq!(growth.max_over_mean_before, 1.0);
    assert_eq!(growth.max_over_mean_after, 2.0);
    assert_eq!(growth.max_minus_min_before, 0.0);
    assert_eq!(growth.max_minus_min_after, 100.0);
    assert_eq!(growth.arrivals_until_balanced, Some(990.0));
}

#[test]
fn who_never_gets_even_is_reported_as_never() {
    let growth = measure(&mut ring::Ring::new(50, 1), 5_000, 1);
    assert_eq!(growth.arrivals_until_balanced, None);
    assert!(growth.moved_share > 0.1 && growth.moved_share < 0.25, "{}", growth.moved_share);
}

#[test]
fn a_contender_is_the_median_of_its_samples() {
    let contenders = measure_all(2_000, 3);
    assert_eq!(contenders.len(), all(GROUPS, 0).len());
    let mut moved: Vec<f64> =
        (0..3).map(|seed| measure(&mut modulo::Modulo::new(GROUPS), 2_000, seed).moved_share).collect();
    moved.sort_by(f64::total_cmp);
    assert_eq!(contenders.last().unwrap().growth.moved_share, moved[1]);
}
