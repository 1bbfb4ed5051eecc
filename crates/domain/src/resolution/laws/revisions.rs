//! The stated revision (I3): the newest among the facts used, and no other.

use proptest::prelude::*;

use crate::ids::{GroupId, NodeId, Revision};
use crate::master_data::Mode;
use crate::orchestration::Parts;
use crate::orchestration::laws::oracle::Oracle;
use crate::orchestration::laws::run::Run;
use crate::orchestration::laws::world::{Customer, any_world, cases};
use crate::resolution::{Status, resolve};

/// The revisions of a node's chain, group and region apart.
fn of_node(parts: &Parts, id: &NodeId) -> Vec<Revision> {
    let node = parts.nodes.iter().find(|it| it.object.id == *id).expect("a node");
    let runtime = parts.runtime_templates.iter().find(|it| it.object.id == node.object.runtime_template);
    let outbound = parts.outbound_templates.iter().find(|it| it.object.id == node.object.outbound_template);
    let facts = parts.facts.iter().find(|it| it.0 == *id).map(|it| it.2);
    let templates = [runtime.expect("a template").revision, outbound.expect("a template").revision];
    templates.into_iter().chain([node.revision]).chain(facts).collect()
}

/// Those of a group and its region.
fn of_group(parts: &Parts, id: &GroupId) -> Vec<Revision> {
    let group = parts.groups.iter().find(|it| it.object.id == *id).expect("a group");
    let region = parts.regions.iter().find(|it| it.object.id == group.object.region).expect("a region");
    vec![group.revision, region.revision]
}

/// Those of a group with all its nodes.
fn of_group_and_nodes(parts: &Parts, id: &GroupId) -> Vec<Revision> {
    let nodes = parts.nodes.iter().filter(|it| it.object.groups.contains(id));
    nodes.flat_map(|it| of_node(parts, &it.object.id)).chain(of_group(parts, id)).collect()
}

/// Every fact that an answer about the nodes of a customer rests on.
fn facts_used(parts: &Parts, customer: &Customer, owner: Option<&GroupId>) -> Vec<Revision> {
    let oracle = Oracle { parts };
    let template = oracle.template_of(&customer.product);
    let demanded = customer.jurisdiction.as_ref();
    match &template.mode {
        Mode::Fixed { nodes } => nodes
            .iter()
            .flat_map(|id| {
                let node = &parts.nodes.iter().find(|it| it.object.id == *id).expect("a node").object;
                let around = node.groups.iter().flat_map(|group| of_group(parts, group));
                around.chain(of_node(parts, id)).collect::<Vec<_>>()
            })
            .collect(),
        Mode::Merge { groups } => groups
            .iter()
            .flat_map(|id| {
                let is_allowed = oracle.is_allowed(oracle.group(id), demanded);
                if is_allowed { of_group_and_nodes(parts, id) } else { of_group(parts, id) }
            })
            .collect(),
        Mode::Shard { .. } | Mode::Regional { .. } => owner.map(|id| of_group_and_nodes(parts, id)).unwrap_or_default(),
    }
}

proptest! {
    #![proptest_config(cases(128))]

    /// I3: the revision is the newest among the facts used.
    #[test]
    fn the_revision_is_the_newest_among_the_facts_used(world in any_world()) {
        let run = Run::filled(&world);
        let parts = &world.parts;
        for customer in &world.customers {
            let ownership = run.owners.get(&customer.id);
            let resolution = resolve(&run.topology, &customer.subject(ownership), None).expect("known");
            let product = parts.products.iter().find(|it| it.object.id == customer.product).expect("a product");
            let template = parts.access_templates.iter().find(|it| it.object.id == product.object.access_template);
            let mut used = vec![customer.revision, product.revision, template.expect("a template").revision];
            if matches!(resolution.status, Status::Broken | Status::Deliverable) {
                used.extend(facts_used(parts, customer, ownership.and_then(|it| it.group())));
            }
            prop_assert_eq!(Some(resolution.revision), used.into_iter().max());
        }
    }

    /// I3: a newer fact about anything that the answer shows shows in its revision.
    #[test]
    fn a_newer_fact_about_a_delivered_node_shows(world in any_world(), at in any::<u8>()) {
        let mut run = Run::filled(&world);
        let mut parts = world.parts.clone();
        if parts.nodes.is_empty() {
            return Ok(());
        }
        let node = usize::from(at) % parts.nodes.len();
        parts.nodes[node].revision = Revision(9_999);
        let id = parts.nodes[node].object.id.clone();
        run.turn_to(parts);
        for customer in &world.customers {
            let subject = customer.subject(run.owners.get(&customer.id));
            let resolution = resolve(&run.topology, &subject, None).expect("known");
            let shows_it = resolution.nodes.iter().any(|it| run.topology.node(it.node).object.id == id);
            prop_assert!(!shows_it || resolution.revision == Revision(9_999));
        }
    }
}
