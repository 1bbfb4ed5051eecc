//! The laws of explanation: it never disagrees with resolution, and its table is the one that was decided by (I8, I9).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::*;
use crate::ids::DecisionId;
use crate::orchestration::*;
use crate::reason::Reason;
use crate::resolution::explain::*;
use crate::resolution::resolve;

/// Explains with the counters of a boundary that holds what the record left, and nothing else.
fn explained(
    topology: &Topology,
    held: &Drawn,
    record: Option<&DecisionRecord>,
    why_not: Option<&crate::ids::GroupId>,
) -> Explanation {
    let frame = Frame::build(topology, &BTreeSet::new());
    let state = match record {
        Some(record) => record.state_before.carry_over(&record.frame, &frame),
        None => State::from_rows(&frame, &[], &[]),
    };
    explain(&Inputs {
        topology,
        frame: &frame,
        state: Some(&state),
        subject: held.subject(),
        decision: record,
        former: &[],
        why_not,
        verified: record.map(|_| true),
    })
}

/// The instance with the owner that its decision gave it.
fn owned_by_decision(held: &Drawn, record: &DecisionRecord) -> Drawn {
    let holder = match record.outcome {
        Outcome::Owned { group } => Holder::Group {
            region: record.frame.region_of(group).id.clone(),
            group: record.frame.group(group).id.clone(),
            weight: 1,
            product: held.product.clone(),
        },
        Outcome::Nobody { why } => Holder::Nobody { why },
        other => panic!("an allocation gives an owner or nobody, not {other:?}"),
    };
    Drawn { ownership: Some(ownership(holder, record.id)), ..held.clone() }
}

proptest! {
    /// I9: explain and resolve never disagree, and the first failing link of the instance is the reason.
    #[test]
    fn explanation_says_what_resolution_says(world in world(), instance in instance(), asked in 0usize..7) {
        let (topology, held) = (world.topology(), instance.held());
        let explanation = explained(&topology, &held, None, Some(&group_id(asked)));
        let verdict = &explanation.verdict_now;
        match resolve(&topology, &held.subject(), None) {
            Some(resolution) => {
                prop_assert_eq!(verdict.status, Some(resolution.status));
                prop_assert_eq!(verdict.reason, resolution.reason);
                prop_assert_eq!(verdict.delivered as usize, resolution.nodes.len());
                prop_assert_eq!(explanation.subject.revision, resolution.revision);
            }
            None => prop_assert_eq!(verdict.reason, Reason::ProductUnknown),
        }
        let first = verdict.checks.iter().find(|check| check.is_of_instance() && !check.pass);
        prop_assert_eq!(first.map_or(Reason::Ok, |check| check.reason), verdict.reason);
        for check in &verdict.checks {
            prop_assert_eq!(check.pass, matches!(check.reason, Reason::Ok | Reason::WithinLimit), "{:?}", check);
            prop_assert!(CHECK_CODES.iter().any(|(code, _)| *code == check.code), "{}", check.code);
        }
        let why_not = explanation.why_not.as_ref().expect("a group was asked for");
        prop_assert_eq!(why_not.is_owner, explanation.subject.group == Some(group_id(asked)));
        prop_assert_eq!(explanation.why_not_moved.is_some(), verdict.status.is_some() && explanation.subject.group.is_some());
    }

    /// I3 seen from the explanation: as many nodes pass their whole chain as are delivered, up to the limit.
    #[test]
    fn delivered_nodes_are_those_whose_chain_passes(world in world(), instance in instance()) {
        let product = if matches!(instance.product, "shard" | "regional") { instance.product } else { "shard" };
        let status = crate::master_data::InstanceStatus::Active;
        let instance = InstanceSketch { product, status, is_expired: false, jurisdiction: None, ..instance };
        let topology = WorldSketch { limit: None, boundary: 0xff, ..world }.topology();
        let verdict = explained(&topology, &instance.held(), None, None).verdict_now;
        if verdict.status != Some(crate::resolution::Status::Deliverable) {
            return Ok(());
        }
        let nodes: BTreeSet<_> = verdict.checks.iter().filter_map(|check| check.node.as_ref()).collect();
        let passes = |node| verdict.checks.iter().filter(|check| check.node.as_ref() == Some(node)).all(|it| it.pass);
        prop_assert_eq!(nodes.into_iter().filter(|node| passes(*node)).count(), verdict.delivered as usize);
    }

    /// I9: the chosen row is the recorded outcome, and all members of the boundary have their row.
    #[test]
    fn the_chosen_row_is_the_recorded_outcome(world in world(), instance in instance(), filled in 0u32..60) {
        let topology = world.topology();
        let Some(record) = decided(&topology, &instance.held(), filled, None) else { return Ok(()) };
        let held = owned_by_decision(&instance.held(), &record);
        let explanation = explained(&topology, &held, Some(&record), held.ownership.as_ref().and_then(Ownership::group));
        let chosen: Vec<_> =
            explanation.candidates.iter().filter(|row| row.verdict == CandidateVerdict::Chosen).map(|row| &row.group).collect();
        prop_assert_eq!(chosen, held.ownership.as_ref().and_then(Ownership::group).into_iter().collect::<Vec<_>>());
        let members = &record.frame.templates[record.request.template.unwrap() as usize].members;
        prop_assert_eq!(explanation.candidates.len(), members.len());
        prop_assert!(!explanation.missing.contains(&Missing::RecordDiffers));
        prop_assert!(explanation.scale_events_since.is_empty(), "{:?}", explanation.scale_events_since);
        if let Some(why_not) = &explanation.why_not {
            prop_assert!(why_not.is_owner);
            prop_assert!(prose::why_not(why_not, &held.id).contains("is the owner"));
            prop_assert_eq!(&why_not.needed, &None);
        }
    }

    /// What is said to be needed is exactly what the decision function needs (I4, I8): one unit more and it fails.
    #[test]
    fn the_needed_weight_is_exact(world in world(), filled in 0u32..60, asked in 0usize..6) {
        let instance = InstanceSketch {
            product: "shard",
            jurisdiction: None,
            status: crate::master_data::InstanceStatus::Active,
            is_expired: false,
            owner: None,
        };
        let topology = world.topology();
        let record = decided(&topology, &instance.held(), filled, None).expect("shard is sticky");
        let held = owned_by_decision(&instance.held(), &record);
        let asked = group_id(asked);
        let explanation = explained(&topology, &held, Some(&record), Some(&asked));
        let Some(Needed::Weight { active_weight_max, .. }) = explanation.why_not.unwrap().needed else { return Ok(()) };
        let at = record.frame.find_group(&asked).unwrap();
        let choice_with = |weight: u64| {
            let mut state = record.state_before.clone();
            state.loads[at as usize].weight = weight;
            choose(&record.frame, &state, &record.request)
        };
        if let Some(max) = active_weight_max {
            prop_assert_eq!(choice_with(max), Choice::Group(at));
            prop_assert_ne!(choice_with(max + 1), Choice::Group(at));
        } else {
            prop_assert_ne!(choice_with(0), Choice::Group(at));
        }
    }

    /// The same for capacity.
    #[test]
    fn the_needed_capacity_is_exact(world in world(), filled in 0u32..60, asked in 0usize..6) {
        let instance = InstanceSketch {
            product: "shard",
            jurisdiction: None,
            status: crate::master_data::InstanceStatus::Active,
            is_expired: false,
            owner: None,
        };
        let topology = world.topology();
        let record = decided(&topology, &instance.held(), filled, None).expect("shard is sticky");
        let held = owned_by_decision(&instance.held(), &record);
        let asked = group_id(asked);
        let explanation = explained(&topology, &held, Some(&record), Some(&asked));
        let Some(Needed::Weight { capacity_min, .. }) = explanation.why_not.unwrap().needed else { return Ok(()) };
        let at = record.frame.find_group(&asked).unwrap();
        let choice_with = |capacity: u64| {
            let mut frame = record.frame.clone();
            frame.groups[at as usize].capacity = u32::try_from(capacity).unwrap();
            choose(&frame, &record.state_before, &record.request)
        };
        prop_assert_eq!(choice_with(capacity_min), Choice::Group(at));
        prop_assert_ne!(choice_with(capacity_min - 1), Choice::Group(at));
    }

    /// I1: the same inputs, the same explanation and the same words.
    #[test]
    fn an_explanation_is_a_function_of_its_inputs(world in world(), instance in instance()) {
        let (topology, held) = (world.topology(), instance.held());
        let (one, two) = (explained(&topology, &held, None, None), explained(&topology, &held, None, None));
        prop_assert_eq!(prose::answer(&one), prose::answer(&two));
        prop_assert_eq!(one, two);
    }

    /// An unowned instance without a candidate is told what to do, and it is told so of a real object.
    #[test]
    fn who_gets_nothing_is_told_what_to_change(world in world(), instance in instance()) {
        let (topology, held) = (world.topology(), instance.held());
        let explanation = explained(&topology, &held, None, None);
        prop_assert!(!explanation.what_would_change_it.is_empty() || explanation.subject.mode.is_some());
        let is_served = explanation.verdict_now.reason == Reason::Ok;
        let is_owned_by_nothing = explanation.missing.contains(&Missing::OwnerGone);
        if !is_served && !is_owned_by_nothing {
            prop_assert!(!explanation.what_would_change_it.is_empty(), "{:?}", explanation.verdict_now);
        }
        prop_assert!(explanation.what_would_change_it.len() <= REMEDIES_MAX);
    }

    /// Whoever does what is said about one group has made it a candidate: the advice is enough, and it is right.
    #[test]
    fn doing_what_is_said_makes_a_candidate(world in world(), instance in instance()) {
        let product = if instance.product == "regional" { "regional" } else { "shard" };
        let instance = InstanceSketch { owner: Some(None), product, ..instance };
        let held = Drawn { status: crate::master_data::InstanceStatus::Active, is_expired: false, ..instance.held() };
        let world = WorldSketch { boundary: world.boundary | 1, ..world };
        let remedies = explained(&world.topology(), &held, None, None).what_would_change_it;
        let Some(group) = remedies.iter().find_map(|it| it.group.clone()) else {
            prop_assert_eq!(&remedies[0].action, &Action::AwaitAllocator);
            return Ok(());
        };
        let acts = remedies.iter().filter(|it| it.group.as_ref() == Some(&group)).map(|it| &it.action);
        let mut mended = world;
        if acts.clone().any(|it| matches!(it, Action::OfferJurisdiction { .. })) {
            prop_assert_eq!(acts.count(), 1, "nothing else is of use in another jurisdiction");
            return Ok(());
        }
        acts.for_each(|act| mended.perform(act));
        let after = explained(&mended.topology(), &held, None, Some(&group));
        let failing = after.why_not.expect("a group was asked for").failing_now;
        prop_assert!(failing.is_empty(), "{:?}", failing);
    }
}

#[test]
fn a_recount_does_not_hide_the_decision_that_chose() {
    let (one, two) = (DecisionId { batch: 1, ordinal: 0 }, DecisionId { batch: 2, ordinal: 5 });
    let group = |at: usize, decision, generation| Ownership {
        generation: crate::ids::Generation(generation),
        ..ownership(
            Holder::Group {
                region: crate::ids::RegionId::parse("r0").unwrap(),
                group: group_id(at),
                weight: 1,
                product: crate::ids::ProductId::parse("shard").unwrap(),
            },
            decision,
        )
    };
    let (first, counted) = (group(0, one, 1), group(0, two, 1));
    assert_eq!(choosing_decision(&counted, std::slice::from_ref(&first)), one);
    let moved = group(1, two, 2);
    assert_eq!(choosing_decision(&moved, std::slice::from_ref(&first)), two);
    let rows = history_rows(std::slice::from_ref(&first), Some(&counted));
    assert_eq!(rows.iter().map(|row| row.reason).collect::<Vec<_>>(), vec![None, Some(Reason::CountedAnew)]);
}
