//! What a group can do now: serve its owners, and take new ones. Worked out once for each topology.
//!
//! Serving is a matter of the region, the group and its qualified nodes (I3); taking is narrower, since a draining
//! group serves and takes nobody. Readers look the answer up and never work it out anew.

use super::qualify::qualify;
use super::topology::{GroupIx, NodeIx, Topology};
use crate::ids::Revision;
use crate::master_data::{AccessTemplate, GroupState};
use crate::reason::Reason;

/// What a group can do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStanding {
    /// [`Reason::Ok`] when it serves; else the first reason why not.
    pub serving: Reason,
    /// Whether it would serve if health were ignored: what failed is health alone.
    pub is_sound_but_for_health: bool,
    /// Its qualified nodes, by id.
    pub qualified: Vec<NodeIx>,
    /// The newest revision among the facts this rests on.
    pub revision: Revision,
}

impl GroupStanding {
    /// Works it out.
    pub(super) fn of(topology: &Topology, at: GroupIx) -> Self {
        let (group, region) = (topology.group(at), topology.region_of(at));
        let nodes = topology.group_nodes(at);
        let verdicts: Vec<_> = nodes.iter().map(|node| (*node, qualify(topology, *node, at))).collect();
        let qualified: Vec<NodeIx> =
            verdicts.iter().filter(|(_, it)| it.is_qualified()).map(|(node, _)| *node).collect();
        let serving = if !region.object.state.is_active() {
            Reason::RegionClosed
        } else if group.object.state == GroupState::Closed {
            Reason::GroupClosed
        } else if nodes.is_empty() {
            Reason::NoNode
        } else if qualified.is_empty() {
            Reason::NoQualifiedNode
        } else {
            Reason::Ok
        };
        let revision = nodes.iter().map(|node| node_revision(topology, *node)).max().unwrap_or_default();
        Self {
            serving,
            is_sound_but_for_health: verdicts.iter().any(|(_, it)| it.is_sound_but_for_health),
            qualified,
            revision: revision.max(group.revision).max(region.revision),
        }
    }
}

/// The newest revision among the facts that the qualification of a node rests on, group and region apart.
pub fn node_revision(topology: &Topology, at: NodeIx) -> Revision {
    let node = topology.node(at);
    let runtime = topology.find_runtime_template(&node.object.runtime_template).map(|it| it.revision);
    let outbound = topology.find_outbound_template(&node.object.outbound_template).map(|it| it.revision);
    let facts = topology.facts(at).1;
    node.revision.max(facts).max(runtime.unwrap_or_default()).max(outbound.unwrap_or_default())
}

/// The groups of a boundary that serve, by id.
pub fn serving_groups(topology: &Topology, template: &AccessTemplate) -> Vec<GroupIx> {
    let mut groups = topology.boundary_groups(template);
    groups.retain(|group| topology.standing(*group).serving == Reason::Ok);
    groups
}
