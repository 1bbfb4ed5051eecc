//! I8: allocate, validate, repair, move and explain share one qualification and one decision function.

use proptest::prelude::*;

use super::oracle::Oracle;
use super::run::Run;
use super::walk::{Walk, any_walk};
use super::world::{any_world, cases};
use crate::orchestration::{
    Ask, Choice, GroupIx, NodeIx, Outcome, Validity, candidate_table, choose, qualification_checks, qualify, validate,
};
use crate::reason::Reason;

proptest! {
    #![proptest_config(cases(96))]

    /// I8: after a fill `repair` proposes nothing, and asking for what is still wanted finds nobody a place.
    #[test]
    fn after_a_fill_nothing_is_left_to_repair(world in any_world()) {
        let mut run = Run::filled(&world);
        for customer in &world.customers {
            match run.wanted(customer) {
                None => {}
                Some(Ask::Allocate) => {
                    let outcome = run.ask(customer, Ask::Allocate);
                    prop_assert!(matches!(outcome, Outcome::Nobody { .. }), "{outcome:?}");
                }
                Some(ask) => prop_assert!(false, "{ask:?} after a fill"),
            }
        }
    }

    /// I8: the chosen row of the candidate table is the choice, and the outcome, for every ask of any walk.
    #[test]
    fn the_chosen_row_is_the_choice((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        for step in &steps {
            let held = walk.run.groups();
            let Some(taken) = walk.take(step) else { continue };
            let frame = &walk.run.frame;
            let table = candidate_table(frame, &taken.before, &taken.request);
            let chosen: Vec<_> = table.candidates.iter().filter(|it| it.is_chosen).map(|it| &it.group).collect();
            prop_assert!(chosen.len() <= 1);
            let chosen = chosen.first().copied();
            let held = held.get(&taken.request.instance);
            match (taken.request.ask, taken.outcome) {
                (_, Outcome::Owned { group }) => prop_assert_eq!(chosen, Some(&frame.group(group).id)),
                (Ask::Repair, Outcome::Stays { why: Reason::KeptValid }) => prop_assert_eq!(chosen, held),
                (Ask::Recount, Outcome::Kept) => {
                    let is_inside = table.candidates.iter().any(|it| Some(&it.group) == held);
                    prop_assert_eq!(chosen, held.filter(|_| is_inside));
                }
                (_, outcome) => prop_assert_eq!(chosen, None, "{:?}", outcome),
            }
            if let (Ask::Allocate | Ask::Repair, Some(_)) = (taken.request.ask, taken.request.template) {
                let mut settled = taken.before.clone();
                // `choose` reads ramps as they stand just before a decision; a recount of nothing brings them there.
                let nothing = crate::orchestration::Request { ask: Ask::Recount, held: None, ..taken.request.clone() };
                crate::orchestration::decide(frame, &mut settled, &nothing);
                let choice = match choose(frame, &settled, &taken.request) {
                    Choice::Group(group) => Some(&frame.group(group).id),
                    Choice::None(_) => None,
                };
                prop_assert_eq!(chosen, choice);
            }
        }
    }

    /// I8: a plan may move an instance exactly into the candidates that an allocation would have, but for its owner.
    #[test]
    fn a_move_goes_exactly_where_an_allocation_may(world in any_world(), at in any::<u8>()) {
        let run = Run::filled(&world);
        let oracle = Oracle { parts: &world.parts };
        if world.customers.is_empty() {
            return Ok(());
        }
        let customer = &world.customers[usize::from(at) % world.customers.len()];
        let template = oracle.template_of(&customer.product);
        let candidates = oracle.candidates(template, customer.jurisdiction.as_ref());
        let held = run.groups().get(&customer.id).cloned();
        let request = run.request(customer, Ask::Allocate);
        let table = candidate_table(&run.frame, &run.state, &request);
        for (to, group) in (0u32..).zip(&run.frame.groups) {
            let is_candidate = template.mode.is_sticky() && candidates.iter().any(|it| it.id == group.id);
            let is_eligible = table.candidates.iter().any(|it| it.group == group.id && it.is_eligible);
            prop_assert_eq!(is_eligible, is_candidate, "{}", group.id);
            let outcome = run.clone().ask(customer, Ask::Move { to });
            if held.as_ref() == Some(&group.id) && template.mode.is_sticky() {
                prop_assert_eq!(outcome, Outcome::Stays { why: Reason::AlreadyThere });
            } else if is_candidate {
                prop_assert_eq!(outcome, Outcome::Owned { group: to });
            } else {
                let Outcome::Stays { why } = outcome else { panic!("{outcome:?}") };
                let row = table.candidates.iter().find(|it| it.group == group.id);
                let named = row.map_or(Reason::OutsideBoundary, |it| it.reason);
                prop_assert_eq!(why, if template.mode.is_sticky() { named } else { Reason::NotApplicable });
            }
        }
    }

    /// I8: an ownership is valid exactly if its group delivers, and a group serves exactly if a node of it qualifies.
    #[test]
    fn validity_and_service_are_those_of_the_chain((world, steps) in any_walk(40)) {
        let mut walk = Walk::new(&world);
        steps.iter().for_each(|step| drop(walk.take(step)));
        let (topology, oracle) = (&walk.run.topology, Oracle { parts: &walk.parts });
        for (at, group) in (0u32..).zip(topology.groups()) {
            let standing = topology.standing(GroupIx(at));
            prop_assert_eq!(standing.serving == Reason::Ok, oracle.serves(&group.object));
            for node in topology.group_nodes(GroupIx(at)) {
                let (verdict, checks) =
                    (qualify(topology, *node, GroupIx(at)), qualification_checks(topology, *node, GroupIx(at)));
                let is_qualified = oracle.is_qualified(&topology.node(*node).object, &group.object);
                prop_assert_eq!(verdict.is_qualified(), is_qualified);
                prop_assert_eq!(standing.qualified.contains(node), is_qualified);
                let first_failing = checks.iter().find(|it| !it.pass).map_or(Reason::Ok, |it| it.reason);
                prop_assert_eq!(verdict.reason, first_failing, "the chain that is shown is the chain that is used");
            }
        }
        for (at, node) in (0u32..).zip(topology.nodes()) {
            for (group_at, group) in (0u32..).zip(topology.groups()) {
                let is_member = topology.group_nodes(GroupIx(group_at)).contains(&NodeIx(at));
                prop_assert_eq!(is_member, node.object.groups.contains(&group.object.id));
            }
        }
        for customer in &walk.customers {
            let ownership = walk.run.owners.get(&customer.id);
            let template = oracle.template_of(&customer.product);
            let verdict = validate(topology, &customer.subject(ownership)).expect("known");
            let Some(group) = ownership.and_then(|it| it.group()).filter(|_| template.mode.is_sticky()) else { continue };
            let is_valid = oracle.is_valid(template, customer.jurisdiction.as_ref(), group);
            prop_assert_eq!(matches!(verdict.validity, Validity::Valid { .. }), is_valid);
        }
    }
}
