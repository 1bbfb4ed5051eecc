//! The laws, checked on a world after each event, by means of its own: counting and comparing, not by asking the core
//! the same question again where another way exists.
//!
//! A violation names its law. Which event may change an ownership is part of the law: arrivals, new nodes and new
//! groups never do (I2).

use std::collections::BTreeMap;

use domain::ids::{GroupId, ProductId};
use domain::master_data::{InstanceStatus, Switch};
use domain::orchestration::{Holder, Ownership, ReplayError, verify};
use domain::resolution::{Status, resolve};

use crate::event::Event;
use crate::world::World;

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// I2: an ownership changed although it was valid and nobody planned it.
    Moved { instance: String, from: String },
    /// I2: a generation went back, or a new owner has no new generation.
    Generation { instance: String },
    /// I3: a node was delivered that is not qualified, or lies outside the jurisdiction.
    Delivered { instance: String, node: String },
    /// I6: a counter differs from a recount.
    Counters { group: GroupId, product: ProductId, counted: (u64, u64), recorded: (u64, u64) },
    /// I9: the last batch decides otherwise when it is replayed, or ends elsewhere.
    Replay { error: Option<ReplayError> },
}

/// The first law that the event broke.
pub fn first_violation(before: &World, event: &Event, after: &World) -> Option<Violation> {
    stability(before, event, after).or_else(|| counters(after)).or_else(|| replay(after)).or_else(|| delivery(after))
}

/// I2: what was valid before an allocation, and still is by the topology of now, is kept.
fn stability(before: &World, event: &Event, after: &World) -> Option<Violation> {
    let topology = after.topology();
    for (was, is) in before.instances.iter().zip(&after.instances) {
        let (from, to) = (was.ownership.as_ref(), is.ownership.as_ref());
        let (from_group, to_group) = (from.and_then(Ownership::group), to.and_then(Ownership::group));
        let instance = is.instance.id.to_string();
        let (old, new) = (from.map_or(0, |it| it.generation.0), to.map_or(0, |it| it.generation.0));
        let is_new_owner = to_group.is_some() && from_group != to_group;
        if new < old || (is_new_owner && new != old + 1) {
            return Some(Violation::Generation { instance });
        }
        if from_group == to_group || matches!(event, Event::Move { .. }) {
            continue;
        }
        let Some(from_group) = from_group else { continue };
        let subject = after.subject(was);
        let verdict = domain::orchestration::validate(&topology, &subject)?;
        let is_valid = matches!(verdict.validity, domain::orchestration::Validity::Valid { .. });
        let is_held = is.instance.status != InstanceStatus::Terminated;
        if !matches!(event, Event::Allocate { .. }) || (is_valid && is_held) {
            return Some(Violation::Moved { instance, from: from_group.to_string() });
        }
    }
    None
}

/// I6: the counters are those of a recount.
fn counters(world: &World) -> Option<Violation> {
    let mut counted: BTreeMap<(GroupId, ProductId), (u64, u64)> = BTreeMap::new();
    for row in &world.instances {
        if let Some(Holder::Group { group, weight, product, .. }) = row.ownership.as_ref().map(|it| &it.holder) {
            let entry = counted.entry((group.clone(), product.clone())).or_default();
            *entry = (entry.0 + 1, entry.1 + u64::from(*weight));
        }
    }
    let recorded: BTreeMap<(GroupId, ProductId), (u64, u64)> =
        world.loads.iter().map(|row| ((row.group.clone(), row.product.clone()), (row.owners, row.weight))).collect();
    let keys = counted.keys().chain(recorded.keys());
    for (group, product) in keys {
        let key = (group.clone(), product.clone());
        let (counted, recorded) = (counted.get(&key).copied(), recorded.get(&key).copied());
        let (counted, recorded) = (counted.unwrap_or_default(), recorded.unwrap_or_default());
        if counted != recorded {
            return Some(Violation::Counters { group: key.0, product: key.1, counted, recorded });
        }
    }
    None
}

/// I9: the last batch, run anew, comes out the same; one that was taken whole ends where the next one begins.
fn replay(world: &World) -> Option<Violation> {
    let batch = world.last_batch.as_ref()?;
    let mut state = batch.start.clone();
    if let Err(error) = verify(&batch.frame, &mut state, &batch.decided) {
        return Some(Violation::Replay { error: Some(error) });
    }
    (batch.is_clean && state != batch.end).then_some(Violation::Replay { error: None })
}

/// I3: what is delivered is qualified, by the words of the law.
fn delivery(world: &World) -> Option<Violation> {
    let topology = world.topology();
    for row in &world.instances {
        let subject = world.subject(row);
        let resolution = resolve(&topology, &subject, None)?;
        if resolution.status != Status::Deliverable {
            continue;
        }
        for it in &resolution.nodes {
            let (node, group, region) = (
                &topology.node(it.node).object,
                &topology.group(it.group).object,
                &topology.region_of(it.group).object,
            );
            let health = topology.facts(it.node).0.health;
            let is_qualified = node.state == Switch::Active
                && World::is_healthy(health)
                && node.groups.contains(&group.id)
                && group.state != domain::master_data::GroupState::Closed
                && region.state == Switch::Active;
            let is_allowed = row.instance.jurisdiction.is_none() || row.instance.jurisdiction == region.jurisdiction;
            if !is_qualified || !is_allowed {
                let (instance, node) = (row.instance.id.to_string(), node.id.to_string());
                return Some(Violation::Delivered { instance, node });
            }
        }
    }
    None
}
