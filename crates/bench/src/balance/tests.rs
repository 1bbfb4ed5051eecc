//! The load agrees with a recount, and balance is judged at both ends.

use super::*;

#[test]
fn the_load_agrees_with_a_recount_after_every_arrival() {
    let mut load = Load::new(7, &[]);
    let mut recount = [0_u64; 7];
    for step in 0_u32..500 {
        // A lopsided walk through the groups, so that the emptiest changes hands often.
        let group = step.wrapping_mul(2_654_435_761).rotate_left(9) % 7;
        load.add(group);
        recount[group as usize] += 1;
        let (max, min) = (*recount.iter().max().unwrap(), *recount.iter().min().unwrap());
        assert_eq!(load.owners(), recount);
        assert_eq!(load.max_minus_min(), max - min);
        assert_eq!(load.max_over_mean(), max as f64 * 7.0 / f64::from(step + 1));
    }
}

#[test]
fn ten_empty_groups_are_not_balance_though_the_fullest_is_near_the_mean() {
    let even: Vec<u32> = (0..1_000_000).map(|instance| instance % 1000).collect();
    assert!(Load::new(1000, &even).is_balanced());
    let grown = Load::new(1010, &even);
    assert_eq!(grown.max_over_mean(), 1.01);
    assert!(!grown.is_balanced());
}

#[test]
fn the_instance_that_cannot_be_split_is_no_imbalance() {
    let load = Load::new(3, &[0, 1, 2, 0]);
    assert_eq!(load.max_minus_min(), 1);
    assert!(load.is_balanced());
    assert!(!Load::new(3, &[0, 1, 2, 0, 0]).is_balanced());
    assert!(Load::new(3, &[]).is_balanced());
}

#[test]
fn one_percent_is_inside_and_more_is_outside() {
    let fill = |first: usize, second: usize| [vec![0; first], vec![1; second]].concat();
    assert!(Load::new(2, &fill(1010, 990)).is_balanced());
    assert!(!Load::new(2, &fill(1011, 989)).is_balanced());
}

#[test]
fn moves_are_the_instances_whose_owner_differs() {
    assert_eq!(moved(&[0, 1, 2, 3], &[0, 2, 1, 3]), 2);
    assert_eq!(moved(&[5, 5], &[5, 5]), 0);
}

#[test]
fn never_is_larger_than_any_number_of_arrivals() {
    let growth = |arrivals| Growth {
        moved_share: 0.0,
        max_over_mean_before: 1.0,
        max_over_mean_after: 1.0,
        max_minus_min_before: 0.0,
        max_minus_min_after: 0.0,
        arrivals_until_balanced: arrivals,
    };
    let median = |samples: [Option<f64>; 3]| Growth::median(&samples.map(growth)).arrivals_until_balanced;
    assert_eq!(median([None, Some(5.0), Some(7.0)]), Some(7.0));
    assert_eq!(median([None, Some(5.0), None]), None);
}
