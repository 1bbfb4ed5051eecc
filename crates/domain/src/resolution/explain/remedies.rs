//! What an operator can do about the answer: acts with their command, the easiest first.
//!
//! Worked out from the failing checks of today, so an act that is listed answers a check that fails. Where nothing
//! fails, the acts are those that end or change a valid ownership: a plan, a drain, a termination.

use std::collections::BTreeSet;

use super::Inputs;
use super::checks::{Role, group_checks};
use super::model::{Action, CheckRow, Remedy, VerdictNow, WhyNotMoved};
use crate::ids::{GroupId, NodeId};
use crate::master_data::{AccessTemplate, Kind, Mode, OnBroken};
use crate::orchestration::{GroupIx, Ownership, Stamped, Topology, Validity, qualification_checks, validate};
use crate::reason::Reason;
use crate::resolution::Status;

/// More acts than this are no advice. The easiest are kept; the candidate table names what every group lacks.
pub const REMEDIES_MAX: usize = 24;

/// The acts, and whether some were cut.
pub(super) fn remedies(inputs: &Inputs<'_>, verdict: &VerdictNow, stay: Option<&WhyNotMoved>) -> (Vec<Remedy>, bool) {
    let Inputs { topology, subject, .. } = inputs;
    let instance = subject.id.as_str();
    let set = |value| Action::Set { kind: Kind::Instance, id: instance.to_owned(), field: "status", value };
    let Some((_, template)) = topology.policy(subject.product) else {
        return (
            vec![remedy(Reason::ProductUnknown, Action::WriteProduct { product: subject.product.clone() })],
            false,
        );
    };
    let mut list = match verdict.status {
        None => Vec::new(),
        Some(Status::Terminated) => vec![remedy(Reason::InstanceTerminated, set("active"))],
        Some(Status::Expired) => {
            vec![remedy(Reason::InstanceExpired, Action::Prolong { instance: subject.id.clone() })]
        }
        Some(Status::Suspended) => vec![remedy(Reason::InstanceSuspended, set("active"))],
        Some(Status::Unowned) => for_unowned(inputs, template, verdict.reason),
        Some(Status::Broken) => for_broken(inputs, template, verdict),
        Some(Status::Deliverable) => for_deliverable(inputs, template, verdict, stay),
    };
    if let Some(group) = inputs.why_not.filter(|_| template.object.mode.is_sticky()) {
        list.extend(for_asked(inputs, template, group, verdict));
    }
    let mut seen = BTreeSet::new();
    list.retain(|it| seen.insert(it.action.clone()));
    let is_cut = list.len() > REMEDIES_MAX;
    list.truncate(REMEDIES_MAX);
    (list, is_cut)
}

fn remedy(reason: Reason, action: Action) -> Remedy {
    Remedy { reason, group: None, action }
}

/// Somebody has to become a candidate; or the allocator has not been there yet.
fn for_unowned(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, reason: Reason) -> Vec<Remedy> {
    let mends = for_boundary(inputs, template);
    if mends.is_empty() || reason == Reason::Pending && has_candidate(inputs, template) {
        return vec![remedy(Reason::Pending, Action::AwaitAllocator)];
    }
    mends
}

/// Whether any group of the boundary could take the instance now.
fn has_candidate(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>) -> bool {
    let Inputs { topology, .. } = *inputs;
    let groups = topology.boundary_groups(&template.object);
    groups.into_iter().any(|at| lacks_of(inputs, template, &topology.group(at).object.id).is_empty())
}

/// The owner has to be mended, or the instance repaired, or somebody else to become a candidate.
fn for_broken(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, verdict: &VerdictNow) -> Vec<Remedy> {
    let Inputs { topology, subject, .. } = *inputs;
    if !template.object.mode.is_sticky() {
        return for_delivery(inputs, template, verdict);
    }
    let owner = subject.ownership.and_then(Ownership::group);
    let mut list = Vec::new();
    let is_health =
        validate(topology, &subject).is_some_and(|it| matches!(it.validity, Validity::Broken { is_health: true, .. }));
    if template.object.on_broken == OnBroken::Hold {
        list.push(remedy(Reason::HeldByTemplate, Action::PlanRepair));
    } else if is_health {
        list.push(remedy(Reason::HeldByPace, Action::PlanRepair));
    }
    let is_stuck = !has_candidate(inputs, template);
    if list.is_empty() && !is_stuck {
        list.push(remedy(Reason::Pending, Action::AwaitAllocator));
    }
    if let Some(owner) = owner {
        list.extend(mends(inputs, template, owner, Role::Owner));
    }
    if is_stuck {
        list.extend(for_boundary(inputs, template));
    }
    list
}

/// What each group of the boundary lacks to take the instance; groups that lack least come first.
fn for_boundary(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>) -> Vec<Remedy> {
    let Inputs { topology, .. } = *inputs;
    let groups = topology.boundary_groups(&template.object);
    if groups.is_empty() {
        let action = Action::WidenBoundary { template: template.object.id.clone(), group: None };
        return vec![remedy(Reason::EmptyBoundary, action)];
    }
    let of_group = |at: GroupIx| mends(inputs, template, &topology.group(at).object.id, Role::Taker);
    let mut by_group: Vec<Vec<Remedy>> = groups.into_iter().map(of_group).collect();
    by_group.sort_by_key(Vec::len);
    by_group.into_iter().flatten().collect()
}

/// The failing checks of a group as a taker, with the plan that takes it away.
fn lacks_of(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, group: &GroupId) -> Vec<Reason> {
    let Inputs { topology, subject, frame, .. } = *inputs;
    let checks = group_checks(topology, template, group, subject.jurisdiction, Role::Taker);
    let mut lacks: Vec<Reason> = checks.iter().filter(|check| !check.pass).map(|check| check.reason).collect();
    let members = frame.find_template(&template.object.id).map(|at| &frame.templates[at as usize].members);
    let position = frame.find_group(group);
    let is_leaving = members
        .into_iter()
        .flatten()
        .any(|member| Some(member.group) == position && member.verdict == Reason::LeavingByPlan);
    lacks.extend(is_leaving.then_some(Reason::LeavingByPlan));
    lacks
}

/// The acts that make a group serve its owner, or take the instance.
fn mends(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, id: &GroupId, role: Role) -> Vec<Remedy> {
    let Inputs { topology, subject, .. } = *inputs;
    let lacks: Vec<Reason> = match role {
        Role::Taker => lacks_of(inputs, template, id),
        Role::Owner => {
            let checks = group_checks(topology, template, id, subject.jurisdiction, role);
            checks.iter().filter(|check: &&CheckRow| !check.pass).map(|check| check.reason).collect()
        }
    };
    // Where it lies nothing else can be mended.
    let is_elsewhere = lacks.contains(&Reason::JurisdictionMismatch);
    let mut list = Vec::new();
    for reason in lacks.into_iter().filter(|reason| !is_elsewhere || *reason == Reason::JurisdictionMismatch) {
        let actions = match (reason, topology.find_group_ix(id)) {
            (Reason::NoQualifiedNode, Some(at)) => nearest_node_mends(topology, at),
            (Reason::OutsideBoundary, None) => Vec::new(),
            (reason, _) => mend(inputs, template, id, reason).map(|action| (reason, action)).into_iter().collect(),
        };
        list.extend(actions.into_iter().map(|(reason, action)| Remedy { reason, group: Some(id.clone()), action }));
    }
    list
}

/// The act that answers one failing check of a group.
fn mend(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, id: &GroupId, reason: Reason) -> Option<Action> {
    let Inputs { topology, subject, .. } = *inputs;
    let template_id = || template.object.id.clone();
    let region = || topology.find_group(id).map(|group| group.object.region.to_string());
    let activate = |kind, id| Action::Set { kind, id, field: "state", value: "active" };
    match reason {
        Reason::OutsideBoundary => Some(Action::WidenBoundary { template: template_id(), group: Some(id.clone()) }),
        Reason::JurisdictionMismatch => {
            let jurisdiction = subject.jurisdiction?.clone();
            Some(Action::OfferJurisdiction { template: template_id(), jurisdiction })
        }
        Reason::RegionClosed => Some(activate(Kind::Region, region()?)),
        Reason::GroupClosed | Reason::GroupDraining => Some(activate(Kind::ResourceGroup, id.to_string())),
        Reason::NoNode => Some(Action::AddNode { group: id.clone() }),
        Reason::LeavingByPlan => Some(Action::AbortPlan { group: id.clone() }),
        _ => None,
    }
}

/// The acts that qualify the node of a group that lacks least. Its group and region have checks of their own.
fn nearest_node_mends(topology: &Topology, group: GroupIx) -> Vec<(Reason, Action)> {
    let failing = |node| {
        let checks = qualification_checks(topology, node, group).into_iter();
        let own = checks.filter(|check| !check.pass);
        own.filter_map(|check| Some((check.reason, node_mend(topology, &topology.node(node).object.id, check.reason)?)))
            .collect::<Vec<_>>()
    };
    let nodes = topology.group_nodes(group).iter();
    nodes.map(|node| failing(*node)).min_by_key(Vec::len).unwrap_or_default()
}

/// The act that answers one failing link of a node.
fn node_mend(topology: &Topology, id: &NodeId, reason: Reason) -> Option<Action> {
    let node = &topology.find_node(id)?.object;
    let activate = |kind, id: String| Action::Set { kind, id, field: "state", value: "active" };
    match reason {
        Reason::NodeDisabled => Some(activate(Kind::Node, id.to_string())),
        Reason::NodeDown | Reason::NodeSilent => Some(Action::MendNode { node: id.clone() }),
        Reason::RuntimeTemplateDisabled => Some(activate(Kind::RuntimeTemplate, node.runtime_template.to_string())),
        Reason::OutboundTemplateDisabled => Some(activate(Kind::OutboundTemplate, node.outbound_template.to_string())),
        _ => None,
    }
}

/// `fixed` and `merge` with nothing to deliver, or with nodes that are not delivered: mend what the checks name.
fn for_delivery(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, verdict: &VerdictNow) -> Vec<Remedy> {
    let Inputs { topology, .. } = *inputs;
    let mut list = Vec::new();
    for check in verdict.checks.iter().filter(|check| !check.pass) {
        let action = match (&check.node, &check.group) {
            (Some(node), group) => node_mend(topology, node, check.reason)
                .or_else(|| group.as_ref().and_then(|group| mend(inputs, template, group, check.reason)))
                .or_else(|| of_boundary(inputs, template, check.reason)),
            (None, Some(group)) => mend(inputs, template, group, check.reason),
            (None, None) => None,
        };
        list.extend(action.map(|action| Remedy { reason: check.reason, group: check.group.clone(), action }));
    }
    let is_empty = match &template.object.mode {
        Mode::Fixed { nodes } => nodes.is_empty(),
        _ => topology.boundary_groups(&template.object).is_empty(),
    };
    if is_empty {
        let action = Action::WidenBoundary { template: template.object.id.clone(), group: None };
        list.push(remedy(Reason::EmptyBoundary, action));
    }
    list
}

/// The act that answers a check by writing the access template.
fn of_boundary(inputs: &Inputs<'_>, template: &Stamped<AccessTemplate>, reason: Reason) -> Option<Action> {
    let template = template.object.id.clone();
    match reason {
        Reason::BeyondLimit => Some(Action::RaiseLimit { template }),
        Reason::NodeUnknown => {
            Some(Action::OfferJurisdiction { template, jurisdiction: inputs.subject.jurisdiction?.clone() })
        }
        _ => None,
    }
}

/// A valid answer changes by a plan, by draining its owner or by ending; or more of it is delivered.
fn for_deliverable(
    inputs: &Inputs<'_>,
    template: &Stamped<AccessTemplate>,
    verdict: &VerdictNow,
    stay: Option<&WhyNotMoved>,
) -> Vec<Remedy> {
    let Inputs { subject, .. } = inputs;
    let mut list = Vec::new();
    if let Some(mover) = stay.and_then(|stay| stay.mover.clone()) {
        list.push(remedy(Reason::KeptValid, mover));
    }
    if let Some(owner) = subject.ownership.and_then(Ownership::group).filter(|_| template.object.mode.is_sticky()) {
        let action = Action::PlanDrain { group: owner.clone() };
        list.push(Remedy { reason: Reason::GroupDraining, group: Some(owner.clone()), action });
    }
    let delivery = for_delivery(inputs, template, verdict);
    list.push(remedy(Reason::InstanceTerminated, Action::Terminate { instance: subject.id.clone() }));
    list.extend(delivery);
    list
}

/// What has to be done so that the group that was asked for becomes the owner.
fn for_asked(
    inputs: &Inputs<'_>,
    template: &Stamped<AccessTemplate>,
    group: &GroupId,
    verdict: &VerdictNow,
) -> Vec<Remedy> {
    let Inputs { topology, subject, .. } = inputs;
    let owner = subject.ownership.and_then(Ownership::group);
    if owner == Some(group) || topology.find_group_ix(group).is_none() {
        return Vec::new();
    }
    let mut list = mends(inputs, template, group, Role::Taker);
    if owner.is_some() && verdict.status != Some(Status::Terminated) {
        let action = Action::PlanMove { instance: subject.id.clone(), to: group.clone() };
        list.push(Remedy { reason: Reason::ChosenByPlan, group: Some(group.clone()), action });
    }
    list
}
