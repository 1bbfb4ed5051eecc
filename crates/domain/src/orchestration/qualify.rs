//! Qualification: node active and healthy and runtime template active and outbound template active and group not
//! closed and region active. The whole chain, always.
//!
//! There is no other test of a node in Tenure (I3, I8): who allocates, resolves, repairs, plans or explains asks here.

use super::facts::Health;
use super::topology::{GroupIx, NodeIx, Stamped, Topology};
use crate::ids::Revision;
use crate::master_data::{GroupState, ResourceGroup, Switch};
use crate::reason::Reason;

/// One link of a chain, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the link: `node-active`, `node-healthy` …
    pub code: &'static str,
    pub pass: bool,
    /// [`Reason::Ok`] when it passes.
    pub reason: Reason,
    /// What was seen, for example `disabled`.
    pub observed: String,
    /// What is required, for example `active`.
    pub required: &'static str,
    /// Where it was seen, for example `Node ams-01`.
    pub source: String,
    /// The revision that wrote it.
    pub revision: Revision,
}

/// What the chain says about a node in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The first failing link; [`Reason::Ok`] when qualified.
    pub reason: Reason,
    /// Whether it would qualify if its health were ignored.
    pub is_sound_but_for_health: bool,
}

impl NodeVerdict {
    /// Whether the whole chain holds.
    pub fn is_qualified(self) -> bool {
        self.reason == Reason::Ok
    }
}

/// Applies the chain to a node as a member of a group.
pub fn qualify(topology: &Topology, node: NodeIx, group: GroupIx) -> NodeVerdict {
    let configured = configuration_reason(topology, node, group);
    let health = health_reason(topology.facts(node).0.health);
    let node_is_off = !topology.node(node).object.state.is_active();
    // In chain order: the node's own state comes first, its health second, the rest of the configuration after it.
    let reason = if node_is_off || health == Reason::Ok { configured } else { health };
    NodeVerdict { reason, is_sound_but_for_health: configured == Reason::Ok }
}

fn health_reason(health: Health) -> Reason {
    match health {
        Health::Unknown | Health::Up => Reason::Ok,
        Health::Down => Reason::NodeDown,
        Health::Silent => Reason::NodeSilent,
    }
}

/// The first failing link beside health.
fn configuration_reason(topology: &Topology, node: NodeIx, group: GroupIx) -> Reason {
    let it = &topology.node(node).object;
    let runtime = topology.find_runtime_template(&it.runtime_template);
    let outbound = topology.find_outbound_template(&it.outbound_template);
    let links = [
        (it.state.is_active(), Reason::NodeDisabled),
        (runtime.is_some_and(|it| it.object.state.is_active()), Reason::RuntimeTemplateDisabled),
        (outbound.is_some_and(|it| it.object.state.is_active()), Reason::OutboundTemplateDisabled),
        (topology.group(group).object.state != GroupState::Closed, Reason::GroupClosed),
        (topology.region_of(group).object.state.is_active(), Reason::RegionClosed),
    ];
    links.into_iter().find(|(holds, _)| !holds).map_or(Reason::Ok, |(_, reason)| reason)
}

/// The chain link by link, for explanation. Its first failing link is the reason of [`qualify`].
pub fn qualification_checks(topology: &Topology, node: NodeIx, group: GroupIx) -> Vec<Check> {
    let it = topology.node(node);
    let (facts, facts_revision) = topology.facts(node);
    let runtime = topology.find_runtime_template(&it.object.runtime_template).expect("references were checked");
    let outbound = topology.find_outbound_template(&it.object.outbound_template).expect("references were checked");
    let (group, region) = (topology.group(group), topology.region_of(group));
    let node_source = format!("Node {}", it.object.id);
    let health = facts.health;
    vec![
        switch("node-active", it.object.state, "disabled", Reason::NodeDisabled, node_source.clone(), it.revision),
        Check {
            code: "node-healthy",
            pass: health.is_healthy(),
            reason: health_reason(health),
            observed: health.code().to_owned(),
            required: "up or unknown",
            source: node_source,
            revision: facts_revision,
        },
        switch(
            "runtime-template-active",
            runtime.object.state,
            "disabled",
            Reason::RuntimeTemplateDisabled,
            format!("RuntimeTemplate {}", runtime.object.id),
            runtime.revision,
        ),
        switch(
            "outbound-template-active",
            outbound.object.state,
            "disabled",
            Reason::OutboundTemplateDisabled,
            format!("OutboundTemplate {}", outbound.object.id),
            outbound.revision,
        ),
        group_open(group),
        switch(
            "region-active",
            region.object.state,
            "closed",
            Reason::RegionClosed,
            format!("Region {}", region.object.id),
            region.revision,
        ),
    ]
}

/// A link that is a switch; `off` is the word of the kind for what does not take part.
fn switch(code: &'static str, state: Switch, off: &str, failure: Reason, source: String, revision: Revision) -> Check {
    let pass = state.is_active();
    Check {
        code,
        pass,
        reason: if pass { Reason::Ok } else { failure },
        observed: if pass { "active".to_owned() } else { off.to_owned() },
        required: "active",
        source,
        revision,
    }
}

fn group_open(group: &Stamped<ResourceGroup>) -> Check {
    let pass = group.object.state != GroupState::Closed;
    Check {
        code: "group-open",
        pass,
        reason: if pass { Reason::Ok } else { Reason::GroupClosed },
        observed: group.object.state.code().to_owned(),
        required: "not closed",
        source: format!("ResourceGroup {}", group.object.id),
        revision: group.revision,
    }
}
