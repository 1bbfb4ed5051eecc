//! The contender decides as the allocator does: even after a fill, nobody moved by growth, even again by the plan.

use super::*;

#[test]
fn a_fill_is_even_in_both_modes() {
    for product in [SHARD_PRODUCT, crate::fleet::REGIONAL_PRODUCT] {
        let mut ours = Ours::new(50, product);
        ours.allocate(1_234);
        assert!(ours.load().max_minus_min() <= 1, "{product}");
    }
}

#[test]
fn growth_moves_nobody_and_the_plan_makes_the_fewest_moves() {
    let mut ours = Ours::new(100, SHARD_PRODUCT);
    ours.allocate(10_000);
    let filled = ours.owners.clone();
    ours.grow(1);
    assert_eq!(ours.owners, filled);
    let plan = ours.rebalance();
    assert_eq!(fewest_moves(ours.load().owners()), 80);
    ours.make(&plan);
    let after = ours.load();
    // 100 owners each and an empty group: none may stand above ⌈10000 ÷ 101⌉, none below 80 % of the mean.
    assert_eq!(after.owners().iter().max(), Some(&100));
    assert_eq!(plan.moves.len(), 80);
}

#[test]
fn the_fewest_moves_lower_the_fullest_and_fill_the_starved() {
    assert_eq!(fewest_moves(&[12, 10, 8]), 2);
    assert_eq!(fewest_moves(&[10, 10, 10, 0]), 6);
    assert_eq!(fewest_moves(&[3, 3, 2]), 0);
}

#[test]
fn arrivals_even_out_a_growth() {
    let mut ours = Ours::new(20, SHARD_PRODUCT);
    ours.allocate(2_000);
    ours.grow(1);
    let load = ours.load();
    assert!(!load.is_balanced());
    assert!(arrivals_until_balanced(&mut ours, load, 2_000).is_some());
}
