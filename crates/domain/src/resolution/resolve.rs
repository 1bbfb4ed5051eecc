//! Resolves an instance to the nodes that are delivered to it.
//!
//! Every delivered node is qualified, inside the boundary and inside the jurisdiction, at the stated revision (I3).
//! A node in several groups is delivered once, under its smallest group id that serves.

use super::order::sort_nodes;
use crate::ids::{Jurisdiction, NodeId, Revision};
use crate::master_data::{AccessTemplate, InstanceStatus, Location, Mode};
use crate::orchestration::{
    GroupIx, NodeIx, Ownership, Subject, Topology, Validity, Verdict, is_allowed, node_revision, qualify, validate,
};
use crate::reason::Reason;

/// The first that holds. Only `Deliverable` carries nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Terminated,
    Expired,
    Suspended,
    Unowned,
    Broken,
    Deliverable,
}

impl Status {
    /// The spelling in answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Terminated => "terminated",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::Unowned => "unowned",
            Self::Broken => "broken",
            Self::Deliverable => "deliverable",
        }
    }
}

/// A node that is delivered, and the group under which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    pub node: NodeIx,
    pub group: GroupIx,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Resolution<'a> {
    pub status: Status,
    /// Why the status is what it is; [`Reason::Ok`] when deliverable.
    pub reason: Reason,
    /// The newest among the facts used.
    pub revision: Revision,
    pub template: &'a AccessTemplate,
    /// The ownership row, where one names a group.
    pub ownership: Option<&'a Ownership>,
    /// In the order of the template, cut at its limit.
    pub nodes: Vec<Delivered>,
}

/// Resolves an instance. `near` goes before the instance's own location. `None` when its product is unknown.
pub fn resolve<'a>(topology: &'a Topology, subject: &Subject<'a>, near: Option<Location>) -> Option<Resolution<'a>> {
    let (product, template) = topology.policy(subject.product)?;
    let verdict = validate(topology, subject)?;
    let (status, reason) = status_of(subject, &verdict);
    let mut revision = subject.revision.max(product.revision).max(template.revision);
    let mut nodes = Vec::new();
    if !matches!(status, Status::Terminated | Status::Expired | Status::Suspended | Status::Unowned) {
        revision = revision.max(boundary_revision(topology, &verdict, subject.jurisdiction));
    }
    if status == Status::Deliverable {
        nodes = qualified_in_order(topology, subject, &verdict, near);
    }
    let (status, reason) = match status {
        // `fixed` and `merge` are judged by what they have to deliver.
        Status::Deliverable if nodes.is_empty() => {
            (Status::Broken, emptiness(topology, &template.object, subject.jurisdiction))
        }
        _ => (status, reason),
    };
    nodes.truncate(template.object.limit.map_or(usize::MAX, |limit| limit as usize));
    let ownership = subject.ownership.filter(|ownership| ownership.group().is_some());
    Some(Resolution { status, reason, revision, template: &template.object, ownership, nodes })
}

/// The status by the instance and its ownership alone. A `fixed` or `merge` boundary without a qualified node is
/// found broken only when its nodes are gathered.
pub fn status_of(subject: &Subject<'_>, verdict: &Verdict<'_>) -> (Status, Reason) {
    if subject.status == InstanceStatus::Terminated {
        return (Status::Terminated, Reason::InstanceTerminated);
    }
    if subject.is_expired {
        return (Status::Expired, Reason::InstanceExpired);
    }
    if subject.status == InstanceStatus::Suspended {
        return (Status::Suspended, Reason::InstanceSuspended);
    }
    match verdict.validity {
        Validity::Unowned { why } => (Status::Unowned, why),
        Validity::Broken { why, .. } => (Status::Broken, why),
        Validity::Valid { .. } | Validity::NotApplicable => (Status::Deliverable, Reason::Ok),
    }
}

/// All qualified nodes of the boundary or of the owner, in the order of the template, before its limit.
pub fn qualified_in_order(
    topology: &Topology,
    subject: &Subject<'_>,
    verdict: &Verdict<'_>,
    near: Option<Location>,
) -> Vec<Delivered> {
    let demanded = subject.jurisdiction;
    let mut nodes: Vec<Delivered> = match (&verdict.template.mode, verdict.validity) {
        (Mode::Fixed { nodes }, _) => nodes.iter().filter_map(|node| named_node(topology, node, demanded)).collect(),
        (_, Validity::Valid { group }) => in_group(topology, group).collect(),
        (Mode::Merge { .. }, _) => merged(topology, verdict.template, demanded),
        _ => Vec::new(),
    };
    sort_nodes(topology, verdict.template.order, subject, near, &mut nodes);
    nodes
}

fn in_group(topology: &Topology, group: GroupIx) -> impl Iterator<Item = Delivered> + '_ {
    topology.standing(group).qualified.iter().map(move |node| Delivered { node: *node, group })
}

/// The union of the groups that serve and are allowed; each node once, under its smallest group.
fn merged(topology: &Topology, template: &AccessTemplate, demanded: Option<&Jurisdiction>) -> Vec<Delivered> {
    let mut nodes: Vec<Delivered> = topology
        .boundary_groups(template)
        .into_iter()
        .filter(|group| topology.standing(*group).serving == Reason::Ok && is_allowed(topology, *group, demanded))
        .flat_map(|group| in_group(topology, group))
        .collect();
    nodes.sort_unstable();
    nodes.dedup_by_key(|it| it.node);
    nodes
}

/// A named node under its smallest group that serves it.
fn named_node(topology: &Topology, node: &NodeId, demanded: Option<&Jurisdiction>) -> Option<Delivered> {
    let at = topology.find_node_ix(node)?;
    groups_of(topology, at)
        .filter(|group| is_allowed(topology, *group, demanded))
        .find(|group| qualify(topology, at, *group).is_qualified())
        .map(|group| Delivered { node: at, group })
}

/// Why a `fixed` or `merge` boundary has nothing to deliver.
fn emptiness(topology: &Topology, template: &AccessTemplate, demanded: Option<&Jurisdiction>) -> Reason {
    let groups: Vec<GroupIx> = match &template.mode {
        Mode::Fixed { nodes } => {
            let named = nodes.iter().filter_map(|id| topology.find_node_ix(id));
            named.flat_map(|node| groups_of(topology, node)).collect()
        }
        _ => topology.boundary_groups(template),
    };
    let is_empty = matches!(&template.mode, Mode::Merge { groups } if groups.is_empty());
    if is_empty {
        Reason::EmptyBoundary
    } else if !groups.is_empty() && groups.iter().all(|group| !is_allowed(topology, *group, demanded)) {
        Reason::JurisdictionMismatch
    } else {
        Reason::NoQualifiedNode
    }
}

/// The groups of a node, by id.
fn groups_of(topology: &Topology, node: NodeIx) -> impl Iterator<Item = GroupIx> + '_ {
    topology.node(node).object.groups.iter().filter_map(|group| topology.find_group_ix(group))
}

/// The newest revision among the facts of the boundary that the answer rests on.
fn boundary_revision(topology: &Topology, verdict: &Verdict<'_>, demanded: Option<&Jurisdiction>) -> Revision {
    let around = |group: GroupIx| topology.group(group).revision.max(topology.region_of(group).revision);
    let of_group = |group: GroupIx| topology.standing(group).revision;
    // Of a group in another jurisdiction the answer knows that it lies there, and nothing of its nodes.
    let of_merged =
        |group: GroupIx| if is_allowed(topology, group, demanded) { of_group(group) } else { around(group) };
    let of_named = |at: NodeIx| groups_of(topology, at).map(around).max().max(Some(node_revision(topology, at)));
    let newest = match (&verdict.template.mode, verdict.validity) {
        (Mode::Fixed { nodes }, _) => {
            nodes.iter().filter_map(|id| topology.find_node_ix(id)).filter_map(of_named).max()
        }
        (_, Validity::Valid { group } | Validity::Broken { group: Some(group), .. }) => Some(of_group(group)),
        (Mode::Merge { .. }, _) => topology.boundary_groups(verdict.template).into_iter().map(of_merged).max(),
        _ => None,
    };
    newest.unwrap_or_default()
}
