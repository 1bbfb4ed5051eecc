//! I3: every delivered node is qualified, inside the boundary and inside the jurisdiction; and none of these is left
//! out. The status is the first that holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::ids::{GroupId, NodeId};
use crate::master_data::{InstanceStatus, Mode, OnBroken};
use crate::orchestration::laws::oracle::Oracle;
use crate::orchestration::laws::walk::{Walk, any_walk};
use crate::orchestration::laws::world::{Customer, any_world, cases};
use crate::orchestration::{GroupIx, qualify, validate};
use crate::reason::Reason;
use crate::resolution::{Resolution, Status, qualified_in_order, resolve};

/// Every node that the contract delivers to a customer, with the smallest of the groups under which it may be.
fn deliverable(oracle: Oracle<'_>, customer: &Customer, owner: Option<&GroupId>) -> BTreeMap<NodeId, GroupId> {
    let template = oracle.template_of(&customer.product);
    let mut nodes = BTreeMap::new();
    for node in oracle.parts.nodes.iter().map(|it| &it.object) {
        for group in oracle.parts.groups.iter().map(|it| &it.object) {
            let is_in_boundary = match &template.mode {
                Mode::Fixed { nodes } => nodes.contains(&node.id),
                Mode::Merge { .. } => oracle.is_inside(template, group),
                Mode::Shard { .. } | Mode::Regional { .. } => {
                    owner == Some(&group.id) && oracle.is_inside(template, group)
                }
            };
            let is_allowed = oracle.is_allowed(group, customer.jurisdiction.as_ref());
            if is_in_boundary && is_allowed && oracle.is_qualified(node, group) {
                let smallest: &mut GroupId = nodes.entry(node.id.clone()).or_insert(group.id.clone());
                *smallest = smallest.clone().min(group.id.clone());
            }
        }
    }
    nodes
}

/// "`status` is the first that holds of terminated · expired · suspended · unowned · broken · deliverable".
fn status(oracle: Oracle<'_>, customer: &Customer, owner: Option<&GroupId>) -> Status {
    if customer.status == InstanceStatus::Terminated {
        Status::Terminated
    } else if customer.is_expired {
        Status::Expired
    } else if customer.status == InstanceStatus::Suspended {
        Status::Suspended
    } else if oracle.template_of(&customer.product).mode.is_sticky() && owner.is_none() {
        Status::Unowned
    } else if deliverable(oracle, customer, owner).is_empty() {
        Status::Broken
    } else {
        Status::Deliverable
    }
}

fn delivered(walk: &Walk, resolution: &Resolution<'_>) -> Vec<(NodeId, GroupId)> {
    let topology = &walk.run.topology;
    let pair = |node, group: GroupIx| {
        let node: &crate::master_data::Node = &topology.node(node).object;
        (node.id.clone(), topology.group(group).object.id.clone())
    };
    resolution.nodes.iter().map(|it| pair(it.node, it.group)).collect()
}

/// Compares what everybody is delivered with what the contract allows.
fn check_delivery(walk: &Walk) -> Result<(), TestCaseError> {
    let oracle = Oracle { parts: &walk.parts };
    for customer in &walk.customers {
        let ownership = walk.run.owners.get(&customer.id);
        let owner = ownership.and_then(|it| it.group());
        let resolution = resolve(&walk.run.topology, &customer.subject(ownership), None).expect("known");
        let nodes = delivered(walk, &resolution);
        let expected_status = status(oracle, customer, owner);
        prop_assert_eq!(resolution.status, expected_status, "{}", resolution.reason);
        prop_assert_eq!(resolution.reason == Reason::Ok, expected_status == Status::Deliverable);
        if expected_status != Status::Deliverable {
            prop_assert!(nodes.is_empty(), "only deliverable carries nodes");
            continue;
        }
        let allowed = deliverable(oracle, customer, owner);
        for (node, group) in &nodes {
            prop_assert_eq!(allowed.get(node), Some(group), "{} under {}", node, group);
        }
        let distinct: BTreeSet<_> = nodes.iter().map(|it| &it.0).collect();
        prop_assert_eq!(distinct.len(), nodes.len(), "a node is delivered once");
        let limit = oracle.template_of(&customer.product).limit.map_or(usize::MAX, |it| it as usize);
        prop_assert_eq!(nodes.len(), allowed.len().min(limit));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(128))]

    /// I3: what is delivered is what the contract allows, each node once, under its smallest group that serves; all
    /// of it unless the limit cuts it.
    #[test]
    fn exactly_the_qualified_nodes_of_the_boundary_are_delivered((world, steps) in any_walk(50)) {
        let mut walk = Walk::new(&world);
        steps.iter().for_each(|step| drop(walk.take(step)));
        check_delivery(&walk)?;
    }

    /// I3 where groups overlap: everybody has `merge` over some groups or `fixed` over some nodes, in any state.
    #[test]
    fn a_union_delivers_each_node_once_under_its_smallest_serving_group(world in any_world()) {
        let mut world = world;
        let nodes: Vec<_> = world.parts.nodes.iter().map(|it| it.object.id.clone()).collect();
        let groups: Vec<_> = world.parts.groups.iter().map(|it| it.object.id.clone()).collect();
        for (at, template) in world.parts.access_templates.iter_mut().enumerate() {
            let kept = |number: &usize| number % 4 != at % 4;
            template.object.mode = if at % 2 == 0 {
                Mode::Merge { groups: groups.iter().enumerate().filter(|it| kept(&it.0)).map(|it| it.1.clone()).collect() }
            } else {
                Mode::Fixed { nodes: nodes.iter().enumerate().filter(|it| kept(&it.0)).map(|it| it.1.clone()).collect() }
            };
        }
        for customer in &mut world.customers {
            (customer.status, customer.is_expired) = (InstanceStatus::Active, false);
        }
        check_delivery(&Walk::new(&world))?;
    }

    /// I3 and I8: what is cut by the limit is the end of one order; resolving and ordering agree.
    #[test]
    fn a_limit_cuts_the_end(world in any_world(), limit in 0..4u32) {
        let mut walk = Walk::new(&world);
        walk.run.settle(&world.customers);
        let mut limited = world.parts.clone();
        limited.access_templates.iter_mut().for_each(|it| it.object.limit = Some(limit));
        let limited = crate::orchestration::Topology::build(limited).expect("a topology");
        for customer in &world.customers {
            let subject = customer.subject(walk.run.owners.get(&customer.id));
            let verdict = validate(&limited, &subject).expect("known");
            let all = qualified_in_order(&limited, &subject, &verdict, None);
            let cut = resolve(&limited, &subject, None).expect("known");
            if cut.status == Status::Deliverable {
                prop_assert_eq!(&cut.nodes[..], &all[..all.len().min(limit as usize)]);
                prop_assert!(!all.is_empty());
            }
        }
    }

    /// I3: `fixed` and `merge` say why they have nothing: an empty boundary, the jurisdiction, or no qualified node.
    #[test]
    fn an_empty_delivery_says_why(world in any_world()) {
        let walk = Walk::new(&world);
        let oracle = Oracle { parts: &world.parts };
        for customer in &world.customers {
            let template = oracle.template_of(&customer.product);
            let resolution = resolve(&walk.run.topology, &customer.subject(None), None).expect("known");
            if template.mode.is_sticky() || resolution.status != Status::Broken {
                continue;
            }
            let groups: Vec<_> =
                world.parts.groups.iter().map(|it| &it.object).filter(|it| oracle.is_inside(template, it)).collect();
            let is_all_elsewhere = groups.iter().all(|it| !oracle.is_allowed(it, customer.jurisdiction.as_ref()));
            let expected = match (&template.mode, groups.is_empty()) {
                (Mode::Merge { .. }, true) => Reason::EmptyBoundary,
                (_, false) if is_all_elsewhere => Reason::JurisdictionMismatch,
                _ => Reason::NoQualifiedNode,
            };
            prop_assert_eq!(resolution.reason, expected);
        }
    }

    /// I3 with I8: an owner is broken by health exactly if it would deliver were all its nodes healthy.
    #[test]
    fn lost_health_is_told_from_configuration((world, steps) in any_walk(50)) {
        let mut walk = Walk::new(&world);
        steps.iter().for_each(|step| drop(walk.take(step)));
        let mut healthy = walk.parts.clone();
        healthy.facts.clear();
        let (now, mended) = (Oracle { parts: &walk.parts }, Oracle { parts: &healthy });
        for customer in &walk.customers {
            let ownership = walk.run.owners.get(&customer.id);
            let Some(group) = ownership.and_then(|it| it.group()) else { continue };
            let verdict = validate(&walk.run.topology, &customer.subject(ownership)).expect("known");
            let crate::orchestration::Validity::Broken { is_health, .. } = verdict.validity else { continue };
            let template = now.template_of(&customer.product);
            prop_assert_eq!(is_health, mended.is_valid(template, customer.jurisdiction.as_ref(), group));
        }
    }
}

/// Every link of the chain breaks the node alone, so no link can be forgotten.
#[test]
fn each_link_of_the_chain_breaks_it_alone() {
    use crate::master_data::{GroupState, Switch};
    use crate::orchestration::laws::walk::{Edit, apply};
    use crate::orchestration::{Health, NodeIx, Topology};
    let sound = crate::orchestration::laws::world::sound_world(1, &[1], 0).parts;
    let reason = |parts: crate::orchestration::Parts| {
        qualify(&Topology::build(parts).expect("a topology"), NodeIx(0), GroupIx(0)).reason
    };
    assert_eq!(reason(sound.clone()), Reason::Ok);
    for (edit, expected) in [
        (Edit::Node(0, true), Reason::NodeDisabled),
        (Edit::Health(0, Health::Down), Reason::NodeDown),
        (Edit::Health(0, Health::Silent), Reason::NodeSilent),
        (Edit::Runtime(0, true), Reason::RuntimeTemplateDisabled),
        (Edit::Group(0, GroupState::Closed), Reason::GroupClosed),
        (Edit::Region(0, true), Reason::RegionClosed),
        (Edit::Health(0, Health::Up), Reason::Ok),
        (Edit::Group(0, GroupState::Draining), Reason::Ok),
    ] {
        let mut parts = sound.clone();
        apply(&mut parts, &edit);
        assert_eq!(reason(parts), expected, "{edit:?}");
    }
    let mut parts = sound;
    parts.outbound_templates[0].object.state = Switch::Off;
    assert_eq!(reason(parts), Reason::OutboundTemplateDisabled);
}

/// A template that holds keeps a broken owner, and says so, rather than moving anybody.
#[test]
fn a_template_that_holds_asks_for_no_repair() {
    use crate::orchestration::laws::run::Run;
    use crate::orchestration::laws::walk::{Edit, apply};
    let mut world = crate::orchestration::laws::world::sound_world(1, &[1, 1], 4);
    world.parts.access_templates[0].object.on_broken = OnBroken::Hold;
    let mut run = Run::filled(&world);
    let mut parts = world.parts.clone();
    apply(&mut parts, &Edit::Node(0, true));
    run.turn_to(parts);
    let broken = world.customers.iter().filter(|it| {
        let subject = it.subject(run.owners.get(&it.id));
        resolve(&run.topology, &subject, None).is_some_and(|it| it.status == Status::Broken)
    });
    assert_eq!(broken.count(), 2);
    assert!(world.customers.iter().all(|it| run.wanted(it).is_none()));
}
