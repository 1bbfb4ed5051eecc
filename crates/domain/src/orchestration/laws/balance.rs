//! I4: the lightest candidate takes, exactly; and what that makes of a fill.

use proptest::prelude::*;

use super::reading::Reading;
use super::run::Run;
use super::walk::{Step, Walk, any_walk};
use super::world::{cases, id, sound_world};
use crate::ids::ProductId;
use crate::orchestration::{Ask, Outcome};

/// The product of the `shard` template of a sound world, and of its `regional` one.
const SHARD: &str = "p0";
const REGIONAL: &str = "p1";

/// Fills one by one and hands the owners of each group to the check after every one.
fn fill(regions: usize, capacities: &[u32], customers: usize, product: &str, mut check: impl FnMut(&[u64])) {
    let mut world = sound_world(regions, capacities, customers);
    let product: ProductId = id(product.to_owned());
    world.customers.iter_mut().for_each(|it| it.product = product.clone());
    let mut run = Run::new(&world);
    for customer in &world.customers {
        let outcome = run.ask(customer, Ask::Allocate);
        assert!(matches!(outcome, Outcome::Owned { .. }), "{outcome:?}");
        check(&run.owners_by_group());
    }
}

fn spread(owners: &[u64]) -> u64 {
    owners.iter().max().zip(owners.iter().min()).map_or(0, |(most, fewest)| most - fewest)
}

proptest! {
    #![proptest_config(cases(24))]

    /// I4, `shard`: at every moment of the fill.
    #[test]
    fn equal_groups_differ_by_at_most_one(groups in 1..12usize, customers in 0..120usize) {
        fill(1, &vec![3; groups], customers, SHARD, |owners| assert!(spread(owners) <= 1, "{owners:?}"));
    }

    /// I4, `regional`: equal groups differ by at most one although regions have unequally many. A region that took
    /// its last at W ÷ k had W ÷ k ≤ (V + 1) ÷ l for every other, so its fullest group has ⌈W ÷ k⌉ ≤ ⌊V ÷ l⌋ + 1.
    #[test]
    fn equal_groups_differ_by_at_most_one_across_regions_of_any_size(
        regions in 1..5usize,
        groups in 1..14usize,
        customers in 0..120usize,
    ) {
        fill(regions, &vec![3; groups], customers, REGIONAL, |owners| assert!(spread(owners) <= 1, "{owners:?}"));
    }

    /// I4 for unequal groups: nobody who is owned would have been lighter elsewhere, at every moment.
    #[test]
    fn no_group_is_ahead_by_more_than_one_customer(
        capacities in prop::collection::vec(1..9u32, 1..8),
        customers in 0..100usize,
    ) {
        fill(1, &capacities, customers, SHARD, |owners| {
            for (mine, my_capacity) in owners.iter().zip(&capacities) {
                for (theirs, their_capacity) in owners.iter().zip(&capacities) {
                    let is_ahead = mine * u64::from(*their_capacity) > (theirs + 1) * u64::from(*my_capacity);
                    assert!(!is_ahead, "{owners:?} {capacities:?}");
                }
            }
        });
    }

    /// I4 among products: equal groups, filled product by product in turn, hold each product evenly too.
    #[test]
    fn products_spread_over_equally_utilised_groups(groups in 1..6usize, rounds in 1..12usize) {
        let mut world = sound_world(1, &vec![1; groups], groups * rounds * 2);
        let products: [ProductId; 2] = [id("p2".to_owned()), id("p3".to_owned())];
        // A group's worth of one product, then a group's worth of the other: without the rule they would pair up.
        for (at, customer) in world.customers.iter_mut().enumerate() {
            customer.product = products[at % 2].clone();
        }
        let run = Run::filled(&world);
        for product in &products {
            let at = run.frame.find_product(product).expect("known");
            let owners: Vec<u64> = run.state.loads.iter().map(|load| load.owners_of(at)).collect();
            prop_assert!(spread(&owners) <= 2, "{product}: {owners:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]

    /// I4 and I5: each allocation and each repair of any walk goes where the law, read aloud, sends it.
    #[test]
    fn the_taker_is_whom_the_law_names((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        let mut reading = Reading::new(&walk.parts);
        for step in steps.iter().filter(|step| !matches!(step, Step::LookInVain(_))) {
            let owners = walk.run.owners.clone();
            let customers = walk.customers.clone();
            let taken = walk.take(step);
            if let Step::Edit(_) = step {
                reading.turn_to(&walk.parts, &owners);
            }
            let Some(taken) = taken else { continue };
            let customer = customers.iter().find(|it| it.id == taken.request.instance).expect("a customer");
            let ask = taken.request.ask;
            let (went, named) = reading.judge(&walk.run, &walk.parts, &owners, customer, ask, taken.outcome);
            prop_assert_eq!(went, named, "{:?}", taken.request);
        }
    }
}
