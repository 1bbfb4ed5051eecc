//! I2: a valid ownership is kept; what is added moves nobody.

use proptest::prelude::*;

use super::oracle::Oracle;
use super::run::Run;
use super::walk::{Step, Walk, any_edit, any_walk, apply};
use super::world::{any_world, cases, id};
use crate::master_data::{GroupState, InstanceStatus, Mode, Node, Region, ResourceGroup, Switch};
use crate::orchestration::{Ask, Outcome, Parts, Stamped};
use crate::reason::Reason;

/// What may be added: a group, a region with a group, or a node; each wired to what is there.
#[derive(Debug, Clone)]
enum Addition {
    Group { region: u8, weight: u32 },
    Region { weight: u32 },
    Node { like: u8 },
}

fn additions() -> impl Strategy<Value = Vec<Addition>> {
    let one = prop_oneof![
        (any::<u8>(), 1..5u32).prop_map(|(region, weight)| Addition::Group { region, weight }),
        (1..5u32).prop_map(|weight| Addition::Region { weight }),
        any::<u8>().prop_map(|like| Addition::Node { like }),
    ];
    prop::collection::vec(one, 1..6)
}

fn stamped<T>(object: T) -> Stamped<T> {
    Stamped { object, revision: crate::ids::Revision(2_000), change: 1 }
}

/// Adds, and opens every boundary to what was added. The new ids stand before all others.
fn add(parts: &mut Parts, addition: &Addition, number: usize) {
    let (weight, region) = match addition {
        Addition::Node { like } => {
            if !parts.nodes.is_empty() {
                let like = parts.nodes[usize::from(*like) % parts.nodes.len()].object.clone();
                parts.nodes.push(stamped(Node { id: id(format!("added{number}")), ..like }));
            }
            return;
        }
        Addition::Group { region, weight } => {
            (*weight, parts.regions[usize::from(*region) % parts.regions.len()].object.id.clone())
        }
        Addition::Region { weight } => {
            let region =
                Region { id: id(format!("added{number}")), state: Switch::Active, ..parts.regions[0].object.clone() };
            let added = region.id.clone();
            parts.regions.push(stamped(region));
            (*weight, added)
        }
    };
    let group = ResourceGroup {
        id: id(format!("added{number}")),
        region: region.clone(),
        weight,
        state: GroupState::Active,
        labels: Default::default(),
    };
    for template in &mut parts.access_templates {
        match &mut template.object.mode {
            Mode::Shard { groups } | Mode::Merge { groups } => drop(groups.insert(group.id.clone())),
            Mode::Regional { regions } => drop(regions.insert(region.clone())),
            Mode::Fixed { .. } => {}
        }
    }
    if let Some(node) = parts.nodes.first().map(|it| it.object.clone()) {
        let groups = [group.id.clone()].into();
        parts.nodes.push(stamped(Node { id: id(format!("for-added{number}")), groups, state: Switch::Active, ..node }));
    }
    parts.groups.push(stamped(group));
}

proptest! {
    #![proptest_config(cases(96))]

    /// I2: adding nodes, groups and regions changes no ownership: nothing is wanted of anybody who is owned, and
    /// when the allocator has looked at everybody, everybody is where he was, at the same generation.
    #[test]
    fn what_is_added_moves_no_owner(world in any_world(), additions in additions()) {
        let mut run = Run::filled(&world);
        let before = run.owners.clone();
        let mut parts = world.parts.clone();
        additions.iter().enumerate().for_each(|(number, addition)| add(&mut parts, addition, number));
        run.turn_to(parts);
        for customer in &world.customers {
            if before.get(&customer.id).is_some_and(|it| it.group().is_some()) {
                prop_assert_eq!(run.wanted(customer), None);
            }
        }
        run.settle(&world.customers);
        for (instance, ownership) in before.iter().filter(|it| it.1.group().is_some()) {
            prop_assert_eq!(&run.owners[instance], ownership);
        }
    }

    /// I2: other customers who come or go change no ownership.
    #[test]
    fn other_customers_move_no_owner(world in any_world(), newcomers in 1..20usize) {
        let mut run = Run::filled(&world);
        let before = run.owners.clone();
        for number in 0..newcomers.min(world.customers.len()) {
            let mut customer = world.customers[number].clone();
            customer.id = id(format!("newcomer{number}"));
            customer.status = InstanceStatus::Active;
            run.settle(&[customer]);
        }
        run.settle(&world.customers);
        for (instance, ownership) in before.iter().filter(|it| it.1.group().is_some()) {
            prop_assert_eq!(&run.owners[instance], ownership);
        }
    }

    /// I2: whatever changes, whoever is still validly owned afterwards stays; validity is judged by the oracle.
    #[test]
    fn a_valid_ownership_is_kept(world in any_world(), edits in prop::collection::vec(any_edit(), 1..6)) {
        let mut run = Run::filled(&world);
        let mut parts = world.parts.clone();
        edits.iter().for_each(|edit| apply(&mut parts, edit));
        run.turn_to(parts.clone());
        let (before, oracle) = (run.groups(), Oracle { parts: &parts });
        run.settle(&world.customers);
        let after = run.groups();
        for customer in &world.customers {
            let Some(group) = before.get(&customer.id) else { continue };
            let template = oracle.template_of(&customer.product);
            if oracle.is_valid(template, customer.jurisdiction.as_ref(), group) {
                prop_assert_eq!(after.get(&customer.id), Some(group));
            }
        }
    }

    /// I2: even a repair that nobody wanted, of an owner that takes, moves nobody; and a recount never does.
    #[test]
    fn a_repair_of_a_sound_owner_keeps_it((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        for step in &steps {
            let owners = walk.run.groups();
            let Some(taken) = walk.take(step) else { continue };
            let parts = walk.parts.clone();
            let oracle = Oracle { parts: &parts };
            let (Some(group), Some(_)) = (owners.get(&taken.request.instance), taken.request.template) else { continue };
            let product = &walk.run.frame.products[taken.request.product as usize].0;
            let candidates = oracle.candidates(oracle.template_of(product), taken.request.jurisdiction.as_ref());
            match taken.request.ask {
                Ask::Repair if candidates.iter().any(|it| it.id == *group) => {
                    prop_assert_eq!(taken.outcome, Outcome::Stays { why: Reason::KeptValid });
                }
                Ask::Recount => prop_assert_eq!(taken.outcome, Outcome::Kept),
                _ => {}
            }
        }
    }

    /// I2: it begins by allocate, changes only by repair and move, and ends by release.
    #[test]
    fn an_ownership_changes_only_by_an_act((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        for step in &steps {
            let before = walk.run.groups();
            let taken = walk.take(step);
            let after = walk.run.groups();
            let changed: Vec<_> = before.keys().chain(after.keys()).filter(|id| before.get(*id) != after.get(*id)).collect();
            for instance in changed {
                let taken = taken.as_ref().expect("nothing changes without a decision");
                prop_assert_eq!(instance, &taken.request.instance);
                let is_lawful = match taken.request.ask {
                    Ask::Allocate => !before.contains_key(instance),
                    Ask::Repair => before.contains_key(instance) && after.contains_key(instance),
                    Ask::Move { .. } => after.contains_key(instance),
                    Ask::Release { .. } => !after.contains_key(instance),
                    Ask::Recount => false,
                };
                prop_assert!(is_lawful, "{taken:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// I2: ownership is held while active, suspended or expired, and released when terminated.
    #[test]
    fn only_termination_releases(world in any_world(), at in any::<u8>()) {
        let run = Run::filled(&world);
        let owned: Vec<_> = world.customers.iter().filter(|it| run.groups().contains_key(&it.id)).collect();
        if owned.is_empty() {
            return Ok(());
        }
        let customer = owned[usize::from(at) % owned.len()];
        for status in [InstanceStatus::Active, InstanceStatus::Suspended, InstanceStatus::Terminated] {
            for is_expired in [false, true] {
                let mut customer = customer.clone();
                (customer.status, customer.is_expired) = (status, is_expired);
                let wanted = run.wanted(&customer);
                if status == InstanceStatus::Terminated {
                    prop_assert_eq!(wanted, Some(Ask::Release { why: Reason::InstanceTerminated }));
                } else {
                    prop_assert_eq!(wanted, None);
                }
            }
        }
    }

    /// I2 with I6: a walk in which nothing but looking happens settles, and looking again does nothing.
    #[test]
    fn a_second_look_does_nothing((world, steps) in any_walk(40)) {
        let mut walk = Walk::new(&world);
        steps.iter().filter(|it| !matches!(it, Step::LookInVain(_))).for_each(|step| drop(walk.take(step)));
        walk.run.settle(&walk.customers);
        let (groups, state) = (walk.run.groups(), walk.run.state.load_rows(&walk.run.frame));
        walk.run.settle(&walk.customers);
        prop_assert_eq!(walk.run.groups(), groups);
        prop_assert_eq!(walk.run.state.load_rows(&walk.run.frame), state);
    }
}
