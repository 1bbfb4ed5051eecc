//! I1: the same view and the same request give the same bytes, whatever the order in which the view was read.

use proptest::prelude::*;

use super::run::Run;
use super::walk::{Walk, any_walk};
use super::world::{World, cases};
use crate::orchestration::{Parts, candidate_table};

/// Shuffles every list of the parts by drawn numbers.
fn shuffled(parts: &Parts, keys: &[u64]) -> Parts {
    fn shuffle<T: Clone>(items: &[T], keys: &[u64]) -> Vec<T> {
        let mut keyed: Vec<(u64, usize)> = (0..items.len()).map(|at| (keys[at % keys.len()], at)).collect();
        keyed.sort_unstable_by_key(|it| (it.0.rotate_left(u32::try_from(it.1 % 64).expect("small")), it.1));
        keyed.into_iter().map(|(_, at)| items[at].clone()).collect()
    }
    Parts {
        revision: parts.revision,
        regions: shuffle(&parts.regions, keys),
        groups: shuffle(&parts.groups, keys),
        runtime_templates: shuffle(&parts.runtime_templates, keys),
        outbound_templates: shuffle(&parts.outbound_templates, keys),
        nodes: shuffle(&parts.nodes, keys),
        access_templates: shuffle(&parts.access_templates, keys),
        products: shuffle(&parts.products, keys),
        facts: shuffle(&parts.facts, keys),
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// I1: the order of rows changes neither the frame, nor a decision, nor a counter, nor a table.
    #[test]
    fn the_order_in_which_rows_are_read_changes_no_byte(
        (world, steps) in any_walk(40),
        keys in prop::collection::vec(any::<u64>(), 1..12),
    ) {
        let other = World { parts: shuffled(&world.parts, &keys), customers: world.customers.clone() };
        let (mut one, mut two) = (Walk::new(&world), Walk::new(&other));
        prop_assert_eq!(&one.run.frame, &two.run.frame);
        for step in &steps {
            match (one.take(step), two.take(step)) {
                (Some(one_taken), Some(two_taken)) => {
                    prop_assert_eq!(one_taken.outcome, two_taken.outcome);
                    let tables = [(&one, &one_taken), (&two, &two_taken)]
                        .map(|(it, taken)| candidate_table(&it.run.frame, &taken.before, &taken.request));
                    prop_assert_eq!(format!("{:?}", tables[0]), format!("{:?}", tables[1]));
                }
                (None, None) => {}
                (one, two) => prop_assert!(false, "{one:?} {two:?}"),
            }
        }
        prop_assert_eq!(format!("{:?}", one.run.state), format!("{:?}", two.run.state));
        prop_assert_eq!(one.run.owners, two.run.owners);
    }

    /// I1: counters read back from their rows, in any order, decide alike; a new leader goes on as the old one would.
    #[test]
    fn a_new_leader_decides_as_the_old_one_would((world, steps) in any_walk(60), turn in 0..60usize) {
        let mut walk = Walk::new(&world);
        let middle = turn.min(steps.len());
        steps[..middle].iter().for_each(|step| drop(walk.take(step)));
        walk.run.commit();
        let mut leader = walk.clone();
        let (mut loads, mut ramps) = (walk.run.state.load_rows(&walk.run.frame), walk.run.state.ramp_rows(&walk.run.frame));
        loads.reverse();
        ramps.reverse();
        leader.run.state = crate::orchestration::State::from_rows(&walk.run.frame, &loads, &ramps);
        leader.run.start = leader.run.state.clone();
        prop_assert_eq!(&leader.run.state, &walk.run.state);
        for step in &steps[middle..] {
            prop_assert_eq!(walk.take(step).map(|it| it.outcome), leader.take(step).map(|it| it.outcome));
        }
    }

    /// I1: two shells that take the same steps are equal to the last byte.
    #[test]
    fn the_same_walk_ends_the_same((world, steps) in any_walk(40)) {
        let end = || {
            let mut walk = Walk::new(&world);
            steps.iter().for_each(|step| drop(walk.take(step)));
            walk.run
        };
        let (one, two): (Run, Run) = (end(), end());
        prop_assert_eq!(format!("{:?}", one.decided), format!("{:?}", two.decided));
        prop_assert_eq!(one.state, two.state);
    }
}
