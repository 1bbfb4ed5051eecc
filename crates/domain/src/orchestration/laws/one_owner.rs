//! I6: one owner or a reason, and counters that equal a recount.

use proptest::prelude::*;

use super::oracle::Oracle;
use super::run::Run;
use super::walk::{Walk, any_walk};
use super::world::{any_world, cases};
use crate::master_data::InstanceStatus;
use crate::orchestration::{Ask, Holder, Outcome, State};
use crate::reason::Reason;

/// What a state says of itself beside its rows: totals that are the sums of their parts.
fn are_totals_sums(state: &State) -> bool {
    state.loads.iter().all(|load| {
        let owners: u64 = load.products.values().map(|it| it.owners).sum();
        let weight: u64 = load.products.values().map(|it| it.weight).sum();
        owners == load.owners && weight == load.weight && load.products.values().all(|it| it.owners > 0)
    })
}

proptest! {
    #![proptest_config(cases(96))]

    /// I6: after every step of any walk the counters equal a recount of the ownership rows, but for what a commit did
    /// not take, and after the commit for that too.
    #[test]
    fn counters_equal_a_recount((world, steps) in any_walk(80)) {
        let mut walk = Walk::new(&world);
        for step in &steps {
            walk.take(step);
            prop_assert!(are_totals_sums(&walk.run.state));
            if walk.run.decided.iter().all(|it| it.outcome != Outcome::Void) {
                prop_assert_eq!(walk.run.state.load_rows(&walk.run.frame), walk.run.recount());
            }
        }
        walk.run.commit();
        prop_assert_eq!(walk.run.state.load_rows(&walk.run.frame), walk.run.recount());
    }

    /// I6: whoever has been looked at has one owner or a reason; `fixed` and `merge` have none and are not asked.
    #[test]
    fn everybody_has_one_owner_or_a_reason((world, steps) in any_walk(40)) {
        let mut walk = Walk::new(&world);
        steps.iter().for_each(|step| drop(walk.take(step)));
        walk.run.commit();
        walk.run.settle(&walk.customers);
        let oracle = Oracle { parts: &walk.parts };
        for customer in &walk.customers {
            let template = oracle.template_of(&customer.product);
            let holder = walk.run.owners.get(&customer.id).map(|it| &it.holder);
            let is_terminated = customer.status == InstanceStatus::Terminated;
            match holder {
                None => prop_assert!(is_terminated || !template.mode.is_sticky()),
                Some(Holder::Group { weight, product, .. }) => {
                    prop_assert!(template.mode.is_sticky() && !is_terminated);
                    let is_broken = walk.run.wanted(customer) == Some(Ask::Repair);
                    prop_assert!(is_broken || (*weight == customer.weight && *product == customer.product));
                }
                Some(Holder::Nobody { why }) => {
                    let candidates = oracle.candidates(template, customer.jurisdiction.as_ref());
                    let is_explained = match why {
                        Reason::InstanceTerminated => !template.mode.is_sticky() || is_terminated,
                        Reason::NotApplicable => !template.mode.is_sticky() || is_terminated,
                        _ => candidates.is_empty() || is_terminated || !template.mode.is_sticky(),
                    };
                    prop_assert!(is_explained, "{why}");
                }
            }
        }
    }

    /// I6: the work is found by state alone. What is wanted is what the rows and the master data call for, whatever
    /// happened before.
    #[test]
    fn what_is_wanted_follows_from_the_state((world, steps) in any_walk(60)) {
        let mut walk = Walk::new(&world);
        steps.iter().for_each(|step| drop(walk.take(step)));
        walk.run.commit();
        let oracle = Oracle { parts: &walk.parts };
        for customer in &walk.customers {
            let template = oracle.template_of(&customer.product);
            let held = match walk.run.owners.get(&customer.id).map(|it| &it.holder) {
                Some(Holder::Group { group, weight, product, .. }) => Some((group, *weight, product)),
                _ => None,
            };
            let is_terminated = customer.status == InstanceStatus::Terminated;
            let called_for = match held {
                None if is_terminated || !template.mode.is_sticky() => None,
                None => Some("allocate"),
                Some(_) if is_terminated || !template.mode.is_sticky() => Some("release"),
                Some((group, weight, product)) => {
                    let is_valid = oracle.is_valid(template, customer.jurisdiction.as_ref(), group);
                    let is_repaired = template.on_broken == crate::master_data::OnBroken::Repair;
                    let is_miscounted = weight != customer.weight || *product != customer.product;
                    match (is_valid, is_repaired, is_miscounted) {
                        (false, true, _) => Some("repair"),
                        (_, _, true) => Some("recount"),
                        _ => None,
                    }
                }
            };
            let wanted = walk.run.wanted(customer).map(|ask| match ask {
                Ask::Allocate => "allocate",
                Ask::Repair => "repair",
                Ask::Recount => "recount",
                Ask::Release { .. } => "release",
                Ask::Move { .. } => "move",
            });
            prop_assert_eq!(wanted, called_for);
        }
    }

    /// I6: when everybody is gone nothing is left in the counters.
    #[test]
    fn an_empty_fleet_counts_nothing(world in any_world()) {
        let mut run = Run::filled(&world);
        let mut gone = world.customers.clone();
        gone.iter_mut().for_each(|it| it.status = InstanceStatus::Terminated);
        run.settle(&gone);
        prop_assert!(run.groups().is_empty());
        prop_assert!(run.state.load_rows(&run.frame).is_empty());
        prop_assert!(run.state.loads.iter().all(|load| *load == Default::default()));
    }
}
