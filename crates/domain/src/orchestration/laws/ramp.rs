//! I5: the ramp, against the law read aloud and against what it is for.

use proptest::prelude::*;

use super::oracle::{NaiveRamp, Ramps};
use super::reading::Reading;
use super::run::Run;
use super::walk::{Edit, Walk, any_edit, any_walk, apply};
use super::world::{World, cases, id, sound_world};
use crate::ids::{AccessTemplateId, GroupId, ProductId};
use crate::master_data::GroupState;
use crate::orchestration::{Ask, Outcome, Phase, Ramp, State};

/// The ramp rows of a state as the oracle writes them; `out` is no row.
fn ramps_of(run: &Run) -> Ramps {
    let rows = run.state.ramp_rows(&run.frame).into_iter().filter_map(|row| {
        let Ramp { phase, taken, arrived } = row.ramp;
        let ramp = match phase {
            Phase::Out => return None,
            Phase::Ramping => NaiveRamp::Ramping { taken: taken.into(), arrived: arrived.into() },
            Phase::Full => NaiveRamp::Full,
        };
        Some(((row.template, row.group), ramp))
    });
    Ramps(rows.collect())
}

/// A sound world of `capacities`, of which the last `late` stay closed while the customers fill it, and then open.
fn opened(regions: usize, capacities: &[u32], late: usize, customers: usize, product: &str) -> (World, Run) {
    let mut world = sound_world(regions, capacities, customers);
    let product: ProductId = id(product.to_owned());
    world.customers.iter_mut().for_each(|it| it.product = product.clone());
    let first_late = capacities.len() - late;
    let mut closed = world.clone();
    for group in &mut closed.parts.groups[first_late..] {
        group.object.state = GroupState::Closed;
    }
    let mut run = Run::filled(&closed);
    run.turn_to(world.parts.clone());
    (world, run)
}

fn template(text: &str) -> AccessTemplateId {
    id(text.to_owned())
}

fn ramp_of(run: &Run, template: &AccessTemplateId, group: &GroupId) -> Ramp {
    let rows = run.state.ramp_rows(&run.frame);
    rows.into_iter().find(|row| row.template == *template && row.group == *group).expect("a member").ramp
}

proptest! {
    #![proptest_config(cases(40))]

    /// I5: whoever takes, and every row, are those of the law read aloud, after every arrival and every repair.
    #[test]
    fn rows_and_takers_are_those_of_the_law(
        capacities in prop::collection::vec(1..4u32, 2..6),
        regions in 1..4usize,
        first in 30..60usize,
        edits in prop::collection::vec((any_edit(), 0..12usize), 1..8),
    ) {
        let mut world = sound_world(regions, &capacities, first + 100);
        let products: Vec<ProductId> = world.parts.products.iter().map(|it| it.object.id.clone()).collect();
        for (at, customer) in world.customers.iter_mut().enumerate() {
            customer.product = products[at % products.len()].clone();
            customer.weight = 1 + u32::try_from(at % 3).expect("small");
        }
        let (mut run, mut parts, mut reading) = (Run::new(&world), world.parts.clone(), Reading::new(&world.parts));
        let mut placed = 0;
        for (edit, arrivals) in std::iter::once((None, first)).chain(edits.iter().map(|it| (Some(&it.0), it.1))) {
            if let Some(edit) = edit {
                apply(&mut parts, edit);
                run.turn_to(parts.clone());
                reading.turn_to(&parts, &run.owners);
            }
            // Those who are broken by now are repaired, then the next arrive.
            for customer in &world.customers[..placed + arrivals] {
                let Some(ask) = run.wanted(customer) else { continue };
                let (went, named) = reading.ask(&mut run, &parts, customer, ask);
                prop_assert_eq!(went, named, "{:?}", ask);
                prop_assert_eq!(&ramps_of(&run).0, &reading.ramps.0);
            }
            placed += arrivals;
        }
    }

}

proptest! {
    #![proptest_config(cases(64))]

    /// I5: of what arrives while it ramps, a group takes at most three times its share; the others are not starved.
    #[test]
    fn a_new_group_takes_at_most_three_times_its_share(
        capacities in prop::collection::vec(1..6u32, 3..9),
        late in 1..3usize,
        arrivals in prop::collection::vec(1..4u32, 1..120),
    ) {
        let old = capacities.len() - late;
        let (world, mut run) = opened(1, &capacities, late, 8 * capacities.len() + 40, "p0");
        let shard = template("t0");
        let new: Vec<GroupId> = world.parts.groups[old..].iter().map(|it| it.object.id.clone()).collect();
        prop_assert!(new.iter().all(|it| ramp_of(&run, &shard, it).phase == Phase::Ramping), "an empty group ramps");
        let capacity_sum: u64 = capacities.iter().map(|it| u64::from(*it)).sum();
        let (mut arrived, mut taken) = (0, vec![0u64; late]);
        for (at, weight) in arrivals.iter().enumerate() {
            let mut customer = world.customers[0].clone();
            (customer.id, customer.weight) = (id(format!("new{at}")), *weight);
            let outcome = run.ask(&customer, Ask::Allocate);
            arrived += u64::from(*weight);
            for (number, group) in new.iter().enumerate() {
                if ramp_of(&run, &shard, group).phase != Phase::Ramping {
                    continue;
                }
                let is_taker = matches!(outcome, Outcome::Owned { group: it } if run.frame.group(it).id == *group);
                taken[number] += if is_taker { u64::from(*weight) } else { 0 };
                let capacity = u64::from(capacities[old + number]);
                prop_assert!(taken[number] * capacity_sum <= 3 * capacity * arrived, "{taken:?} of {arrived}");
            }
        }
    }

    /// I5: it leaves with the first decision after it carries 80 % of the mean, and not before.
    #[test]
    fn a_group_leaves_the_ramp_at_80_percent_of_the_mean(groups in 3..8usize, surplus in 0..40usize) {
        let (world, mut run) = opened(1, &vec![1; groups], 1, 8 * groups + surplus, "p0");
        let shard = template("t0");
        let new = &world.parts.groups[groups - 1].object.id;
        let at = run.frame.find_group(new).expect("known") as usize;
        let mut left_at = None;
        for number in 0..40 * groups {
            let owners = run.owners_by_group();
            let is_below = 5 * owners[at] * (groups as u64) < 4 * owners.iter().sum::<u64>();
            let mut customer = world.customers[0].clone();
            customer.id = id(format!("new{number}"));
            run.ask(&customer, Ask::Allocate);
            let is_ramping = ramp_of(&run, &shard, new).phase == Phase::Ramping;
            if is_ramping {
                prop_assert!(is_below, "{owners:?}");
                prop_assert!(left_at.is_none(), "nobody who left comes back by growing");
            } else if left_at.is_none() {
                prop_assert!(!is_below, "{owners:?}");
                left_at = Some(number);
            }
        }
        prop_assert!(left_at.is_some(), "arrivals fill it in the end");
    }

    /// I5: nobody ramps while a fleet fills for the first time, however often the allocator starts anew in between.
    #[test]
    fn the_first_fill_never_ramps(
        capacities in prop::collection::vec(1..9u32, 1..8),
        regions in 1..4usize,
        customers in 0..150usize,
        restart_every in 1..20usize,
    ) {
        let world = sound_world(regions, &capacities, customers);
        let mut run = Run::new(&world);
        for (at, customer) in world.customers.iter().enumerate() {
            if at % restart_every == 0 {
                let (loads, ramps) = (run.state.load_rows(&run.frame), run.state.ramp_rows(&run.frame));
                run.state = State::from_rows(&run.frame, &loads, &ramps);
            }
            run.ask(customer, Ask::Allocate);
            prop_assert!(run.state.ramps.iter().flatten().all(|ramp| ramp.phase == Phase::Full));
        }
    }

    /// I5: repairs count as arrivals, and are capped as they are. An old group closes while the new ones ramp.
    #[test]
    fn repairs_are_arrivals(
        capacities in prop::collection::vec(1..4u32, 4..7),
        regions in 1..3usize,
        is_regional in any::<bool>(),
    ) {
        let product = if is_regional { "p1" } else { "p0" };
        let (world, mut run) = opened(regions, &capacities, 2, 10 * capacities.len(), product);
        let mut reading = Reading { ramps: ramps_of(&run) };
        let template = template(if is_regional { "t1" } else { "t0" });
        let new = &world.parts.groups[capacities.len() - 1].object.id;
        prop_assert_eq!(ramp_of(&run, &template, new), Ramp { phase: Phase::Ramping, taken: 0, arrived: 0 });
        let mut parts = world.parts.clone();
        apply(&mut parts, &Edit::Group(0, GroupState::Closed));
        run.turn_to(parts.clone());
        reading.turn_to(&parts, &run.owners);
        let mut repaired = 0;
        for customer in &world.customers {
            let Some(ask) = run.wanted(customer) else { continue };
            let (went, named) = reading.ask(&mut run, &parts, customer, ask);
            prop_assert_eq!(went, named, "{:?}", ask);
            prop_assert_eq!(&ramps_of(&run).0, &reading.ramps.0);
            repaired += 1;
            let Ramp { phase, arrived, .. } = ramp_of(&run, &template, new);
            prop_assert!(is_regional || phase != Phase::Ramping || arrived == repaired, "{arrived} of {repaired}");
        }
        prop_assert!(repaired > 0, "the closed group had owners");
    }

    /// I5: a group that returns ramps anew, from zero.
    #[test]
    fn a_group_that_returns_enters_from_zero(groups in 3..7usize, before in 1..30usize) {
        let (world, mut run) = opened(1, &vec![1; groups], 1, 16 * groups, "p0");
        let shard = template("t0");
        let new = &world.parts.groups[groups - 1].object.id;
        for number in 0..before {
            let mut customer = world.customers[0].clone();
            customer.id = id(format!("new{number}"));
            run.ask(&customer, Ask::Allocate);
        }
        let mut parts = world.parts.clone();
        apply(&mut parts, &Edit::Group(u8::try_from(groups - 1).expect("small"), GroupState::Draining));
        run.turn_to(parts);
        prop_assert_eq!(ramp_of(&run, &shard, new), Ramp::default());
        run.turn_to(world.parts.clone());
        let owners = run.owners_by_group();
        let at = run.frame.find_group(new).expect("known") as usize;
        let is_below = 5 * owners[at] * (groups as u64) < 4 * owners.iter().sum::<u64>();
        let phase = if is_below { Phase::Ramping } else { Phase::Full };
        prop_assert_eq!(ramp_of(&run, &shard, new), Ramp { phase, taken: 0, arrived: 0 });
    }
}

proptest! {
    #![proptest_config(cases(48))]

    /// I5, `regional`: a region whose groups are all capped is skipped while another has one that is not.
    #[test]
    fn a_region_of_capped_groups_is_skipped(groups in 1..4usize, arrivals in 1..60usize) {
        // Four regions of equally many groups; those of the last open late, all at once.
        let first = 40 * groups;
        let mut world = sound_world(4, &vec![1; 4 * groups], first + arrivals);
        world.customers.iter_mut().for_each(|it| it.product = id("p1".to_owned()));
        let mut closed = world.clone();
        for group in closed.parts.groups.iter_mut().filter(|it| it.object.region.as_str() == "r3") {
            group.object.state = GroupState::Closed;
        }
        let mut run = Run::new(&closed);
        run.settle(&world.customers[..first]);
        run.turn_to(world.parts.clone());
        let regional = template("t1");
        let (mut late_taken, mut is_ramping) = (0, true);
        for (arrived, customer) in (1usize..).zip(&world.customers[first..]) {
            let before = run.clone();
            let Outcome::Owned { group } = run.ask(customer, Ask::Allocate) else { panic!("there is room") };
            let chosen = &run.frame.group(group).id;
            let row = ramp_of(&before, &regional, chosen);
            if ramp_of(&run, &regional, chosen).phase == Phase::Ramping {
                prop_assert!((row.taken + 1) * 4 * groups as u64 <= 3 * (row.arrived + 1), "another region has room");
            }
            late_taken += usize::from(run.frame.region_of(group).id.as_str() == "r3");
            is_ramping &= run.state.ramps[1].iter().filter(|ramp| ramp.phase == Phase::Ramping).count() == groups;
            prop_assert!(!is_ramping || 4 * late_taken <= 3 * arrived, "{late_taken} of {arrived}: share is a quarter");
        }
    }

    /// I5: a capped group takes only when every candidate is capped; in any world, after any walk.
    #[test]
    fn a_capped_group_is_passed_over((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        for step in &steps {
            let Some(taken) = walk.take(step) else { continue };
            let (Outcome::Owned { group }, Ask::Allocate) = (taken.outcome, taken.request.ask) else { continue };
            let frame = &walk.run.frame;
            let table = crate::orchestration::candidate_table(frame, &taken.before, &taken.request);
            let eligible: Vec<_> = table.candidates.iter().filter(|it| it.is_eligible).collect();
            let sum: u128 = eligible.iter().map(|it| u128::from(it.score.capacity)).sum();
            let weight = u128::from(taken.request.weight);
            let is_capped = |it: &crate::orchestration::Candidate| {
                it.ramp.phase == Phase::Ramping
                    && (u128::from(it.ramp.taken) + weight) * sum
                        > 3 * u128::from(it.score.capacity) * (u128::from(it.ramp.arrived) + weight)
            };
            let chosen = eligible.iter().find(|it| it.group == frame.group(group).id).expect("a candidate");
            prop_assert!(!is_capped(chosen) || eligible.iter().all(|it| is_capped(it)));
        }
    }
}
