//! The verdict of today, check by check, in chain order.
//!
//! The verdict itself is [`resolve`]'s. The checks show what it saw: the instance's own links first, then its owner's,
//! then each node's. A law holds the two together: the first failing link of the instance gives the reason.

use std::collections::BTreeMap;

use super::model::{CheckRow, VerdictNow};
use crate::ids::{GroupId, Jurisdiction, Revision};
use crate::master_data::{AccessTemplate, GroupState, InstanceStatus, Mode};
use crate::orchestration::{
    GroupIx, Holder, NodeIx, Stamped, Subject, Topology, is_allowed, qualification_checks, qualify, validate,
};
use crate::reason::Reason;
use crate::resolution::{Delivered, qualified_in_order, resolve};

/// Every check with what it asks, in chain order.
pub const CHECK_CODES: &[(&str, &str)] = &[
    ("product-known", "the product of the instance exists"),
    ("instance-not-terminated", "the instance is not terminated"),
    ("instance-not-expired", "its time has not run out"),
    ("instance-not-suspended", "the operator has not suspended it"),
    ("owned", "one group owns it, where the mode owns at all"),
    ("group-inside-boundary", "the group is inside the boundary of the access template"),
    ("group-in-jurisdiction", "its region lies in the jurisdiction that the instance demands"),
    ("group-region-active", "its region is active"),
    ("group-open", "the group is not closed; to take somebody it must also not be draining"),
    ("group-qualified-nodes", "at least one node of the group passes the whole chain"),
    ("boundary-delivers", "fixed and merge: at least one node of the boundary is qualified and allowed"),
    ("group-serves", "merge: the group serves and is allowed, so that its nodes are delivered"),
    ("node-reachable", "fixed: the node is in a group of an allowed jurisdiction"),
    ("node-active", "the node is active"),
    ("node-healthy", "the node is up, or never reported"),
    ("runtime-template-active", "the runtime template of the node is active"),
    ("outbound-template-active", "the outbound template of the node is active"),
    ("group-not-closed", "the group of the node is not closed"),
    ("region-active", "the region of that group is active"),
    ("node-within-limit", "the node is among the first that the access template delivers"),
];

/// The place of each qualified node in the order of delivery, from 1.
type Places = BTreeMap<Delivered, u32>;

/// What a check needs to know of the one that it is about.
struct Around<'a> {
    topology: &'a Topology,
    template: &'a Stamped<AccessTemplate>,
    demanded: Option<&'a Jurisdiction>,
}

/// The verdict of today with its checks.
pub(super) fn verdict_now(topology: &Topology, subject: &Subject<'_>) -> VerdictNow {
    let (Some(resolution), Some((_, template))) = (resolve(topology, subject, None), topology.policy(subject.product))
    else {
        let checks = vec![product_check(topology, subject)];
        return VerdictNow { status: None, reason: Reason::ProductUnknown, delivered: 0, checks };
    };
    let around = Around { topology, template, demanded: subject.jurisdiction };
    let verdict = validate(topology, subject).expect("its product was found a line above");
    let places: Places = qualified_in_order(topology, subject, &verdict, None).into_iter().zip(1..).collect();
    let mut checks = vec![product_check(topology, subject)];
    checks.extend(instance_checks(subject));
    checks.push(owned_check(&around, subject));
    let owner = subject.ownership.and_then(|ownership| ownership.group());
    match (&template.object.mode, owner) {
        (Mode::Shard { .. } | Mode::Regional { .. }, Some(group)) => {
            let mut of_owner = group_checks(topology, template, group, subject.jurisdiction, Role::Owner);
            of_owner.iter_mut().for_each(|check| check.group = None);
            checks.extend(of_owner);
            checks.extend(owner_node_checks(&around, group, &places));
        }
        (Mode::Shard { .. } | Mode::Regional { .. }, None) => {}
        (Mode::Merge { .. }, _) => {
            checks.push(boundary_check(&around, subject, places.len()));
            checks.extend(merge_checks(&around, &places));
        }
        (Mode::Fixed { nodes }, _) => {
            checks.push(boundary_check(&around, subject, places.len()));
            let named = nodes.iter().filter_map(|id| topology.find_node_ix(id));
            checks.extend(named.flat_map(|node| fixed_node_checks(&around, node, &places)));
        }
    }
    VerdictNow {
        status: Some(resolution.status),
        reason: resolution.reason,
        delivered: u32::try_from(resolution.nodes.len()).unwrap_or(u32::MAX),
        checks,
    }
}

/// A check that is about neither a group nor a node.
fn check(code: &'static str, failure: Reason, observed: impl Into<String>, required: impl Into<String>) -> CheckRow {
    CheckRow {
        code,
        pass: failure == Reason::Ok,
        reason: failure,
        observed: observed.into(),
        required: required.into(),
        source: String::new(),
        revision: Revision::default(),
        group: None,
        node: None,
    }
}

/// The failure, unless it holds.
fn unless(holds: bool, failure: Reason) -> Reason {
    if holds { Reason::Ok } else { failure }
}

fn product_check(topology: &Topology, subject: &Subject<'_>) -> CheckRow {
    let product = topology.find_product(subject.product);
    let failure = unless(product.is_some(), Reason::ProductUnknown);
    let observed = if product.is_some() { "known" } else { "unknown" };
    let revision = product.map(|product| product.revision).unwrap_or_default();
    CheckRow {
        source: format!("Product {}", subject.product),
        revision,
        ..check("product-known", failure, observed, "known")
    }
}

/// What the operator and the clock say of the instance, in the order of the statuses.
fn instance_checks(subject: &Subject<'_>) -> [CheckRow; 3] {
    let status = subject.status.code();
    let expiry = if subject.is_expired { "expired" } else { "not expired" };
    let lives = unless(subject.status != InstanceStatus::Terminated, Reason::InstanceTerminated);
    let lasts = unless(!subject.is_expired, Reason::InstanceExpired);
    let runs = unless(subject.status != InstanceStatus::Suspended, Reason::InstanceSuspended);
    [
        check("instance-not-terminated", lives, status, "not terminated"),
        check("instance-not-expired", lasts, expiry, "not expired"),
        check("instance-not-suspended", runs, status, "not suspended"),
    ]
    .map(|check| CheckRow { source: format!("Instance {}", subject.id), revision: subject.revision, ..check })
}

fn owned_check(around: &Around<'_>, subject: &Subject<'_>) -> CheckRow {
    let mode = &around.template.object.mode;
    let source = format!("Instance {}", subject.id);
    let row = if !mode.is_sticky() {
        check("owned", Reason::Ok, format!("mode {} owns nobody", mode.code()), "nothing")
    } else {
        match subject.ownership.map(|ownership| &ownership.holder) {
            Some(Holder::Group { group, .. }) => check("owned", Reason::Ok, format!("group {group}"), "one group"),
            Some(Holder::Nobody { why }) => check("owned", *why, format!("nobody ({why})"), "one group"),
            None => check("owned", Reason::Pending, "nobody yet", "one group"),
        }
    };
    CheckRow { source, revision: subject.revision, ..row }
}

/// As what a group is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It owns the instance: draining does not matter.
    Owner,
    /// It would have to take the instance.
    Taker,
}

/// The links of a group, from the boundary down to its nodes. A group that does not exist fails the first and has no others.
pub(super) fn group_checks(
    topology: &Topology,
    template: &Stamped<AccessTemplate>,
    id: &GroupId,
    demanded: Option<&Jurisdiction>,
    role: Role,
) -> Vec<CheckRow> {
    let of_group = |row: CheckRow, source: String, revision: Revision| CheckRow {
        source,
        revision,
        group: Some(id.clone()),
        ..row
    };
    let boundary = format!("the {} of the template", boundary_word(&template.object.mode));
    let template_source = format!("AccessTemplate {}", template.object.id);
    let Some(at) = topology.find_group_ix(id) else {
        let row = check("group-inside-boundary", Reason::OutsideBoundary, "no such group", boundary);
        return vec![of_group(row, template_source, template.revision)];
    };
    let (group, region) = (topology.group(at), topology.region_of(at));
    let is_inside = match &template.object.mode {
        // Its boundary is nodes; a group is asked about for the sake of those.
        Mode::Fixed { nodes } => {
            topology.group_nodes(at).iter().any(|it| nodes.contains(&topology.node(*it).object.id))
        }
        _ => topology.is_inside(&template.object, &group.object),
    };
    let inside = unless(is_inside, Reason::OutsideBoundary);
    let jurisdiction = region.object.jurisdiction.as_ref().map_or("none", Jurisdiction::as_str);
    let allowed = unless(is_allowed(topology, at, demanded), Reason::JurisdictionMismatch);
    let region_word = if region.object.state.is_active() { "active" } else { "closed" };
    let region_on = unless(region.object.state.is_active(), Reason::RegionClosed);
    let (open, required) = match (group.object.state, role) {
        (GroupState::Closed, _) => (Reason::GroupClosed, "not closed"),
        (GroupState::Draining, Role::Taker) => (Reason::GroupDraining, "active"),
        _ => (Reason::Ok, if role == Role::Taker { "active" } else { "not closed" }),
    };
    let qualified = check(
        "group-qualified-nodes",
        node_reason(topology, at),
        format!("{} of {} nodes qualified", qualified_count(topology, at), topology.group_nodes(at).len()),
        "at least one",
    );
    let region_source = format!("Region {}", region.object.id);
    let group_source = format!("ResourceGroup {id}");
    let inside_word = if is_inside { "inside" } else { "outside" };
    let demanded_word = demanded.map_or("any", Jurisdiction::as_str);
    vec![
        of_group(check("group-inside-boundary", inside, inside_word, boundary), template_source, template.revision),
        of_group(
            check("group-in-jurisdiction", allowed, jurisdiction, demanded_word),
            region_source.clone(),
            region.revision,
        ),
        of_group(check("group-region-active", region_on, region_word, "active"), region_source, region.revision),
        of_group(check("group-open", open, group.object.state.code(), required), group_source.clone(), group.revision),
        of_group(qualified, group_source, topology.standing(at).revision),
    ]
}

fn boundary_word(mode: &Mode) -> &'static str {
    match mode {
        Mode::Fixed { .. } => "nodes",
        Mode::Merge { .. } | Mode::Shard { .. } => "groups",
        Mode::Regional { .. } => "regions",
    }
}

/// How many nodes of a group pass the chain.
fn qualified_count(topology: &Topology, at: GroupIx) -> usize {
    topology.standing(at).qualified.len()
}

fn node_reason(topology: &Topology, at: GroupIx) -> Reason {
    if topology.group_nodes(at).is_empty() {
        Reason::NoNode
    } else {
        unless(qualified_count(topology, at) > 0, Reason::NoQualifiedNode)
    }
}

/// The chain of every node of the owner, and its place in the order where the template cuts.
fn owner_node_checks(around: &Around<'_>, group: &GroupId, places: &Places) -> Vec<CheckRow> {
    let Some(at) = around.topology.find_group_ix(group) else { return Vec::new() };
    let nodes = around.topology.group_nodes(at).iter();
    nodes
        .flat_map(|node| {
            let mut rows = chain(around.topology, *node, at);
            rows.extend(limit_check(around, *node, at, places));
            rows
        })
        .collect()
}

/// The qualification chain of a node as a member of a group.
fn chain(topology: &Topology, node: NodeIx, group: GroupIx) -> Vec<CheckRow> {
    let (node_id, group_id) = (&topology.node(node).object.id, &topology.group(group).object.id);
    let rows = qualification_checks(topology, node, group).into_iter();
    rows.map(|row| CheckRow::of_node(row, node_id, group_id)).map(told_apart).collect()
}

/// The owner's own link `group-open` speaks of taking and serving; a node's speaks of its group being closed.
fn told_apart(row: CheckRow) -> CheckRow {
    if row.code == "group-open" { CheckRow { code: "group-not-closed", ..row } } else { row }
}

/// Where a qualified node stands in the order of delivery; nothing for a template without a limit.
fn limit_check(around: &Around<'_>, node: NodeIx, group: GroupIx, places: &Places) -> Option<CheckRow> {
    let limit = around.template.object.limit?;
    let place = *places.get(&Delivered { node, group })?;
    let reason = if place <= limit { Reason::WithinLimit } else { Reason::BeyondLimit };
    let row = check("node-within-limit", reason, format!("place {place}"), format!("place {limit} or before"));
    Some(CheckRow {
        pass: place <= limit,
        source: format!("AccessTemplate {}", around.template.object.id),
        revision: around.template.revision,
        group: Some(around.topology.group(group).object.id.clone()),
        node: Some(around.topology.node(node).object.id.clone()),
        ..row
    })
}

/// Whether a `fixed` or `merge` boundary has anything to deliver.
///
/// Asked as if nothing stood against the instance itself: those links come before this one.
fn boundary_check(around: &Around<'_>, subject: &Subject<'_>, qualified: usize) -> CheckRow {
    let unhindered = Subject { status: InstanceStatus::Active, is_expired: false, ..*subject };
    let failure = resolve(around.topology, &unhindered, None).map_or(Reason::NoQualifiedNode, |it| it.reason);
    let row = check("boundary-delivers", failure, format!("{qualified} qualified nodes"), "at least one");
    CheckRow {
        source: format!("AccessTemplate {}", around.template.object.id),
        revision: around.template.revision,
        ..row
    }
}

/// Each group of a `merge` boundary, then its nodes: the delivered at their place, the others with their chain.
///
/// A node that is delivered under a smaller group is told there.
fn merge_checks(around: &Around<'_>, places: &Places) -> Vec<CheckRow> {
    let topology = around.topology;
    let mut rows = Vec::new();
    for at in topology.boundary_groups(&around.template.object) {
        let group = topology.group(at);
        let standing = topology.standing(at);
        let failure =
            if is_allowed(topology, at, around.demanded) { standing.serving } else { Reason::JurisdictionMismatch };
        let observed = format!(
            "{}, jurisdiction {}, {} of {} nodes qualified",
            group.object.state.code(),
            topology.region_of(at).object.jurisdiction.as_ref().map_or("none", Jurisdiction::as_str),
            standing.qualified.len(),
            topology.group_nodes(at).len()
        );
        let required = format!("serving, jurisdiction {}", around.demanded.map_or("any", Jurisdiction::as_str));
        rows.push(CheckRow {
            source: format!("ResourceGroup {}", group.object.id),
            revision: standing.revision,
            group: Some(group.object.id.clone()),
            ..check("group-serves", failure, observed, required)
        });
        for node in topology.group_nodes(at) {
            if !qualify(topology, *node, at).is_qualified() {
                rows.extend(chain(topology, *node, at).into_iter().filter(|row| !row.pass));
            } else if places.contains_key(&Delivered { node: *node, group: at }) {
                rows.extend(limit_check(around, *node, at, places));
            }
        }
    }
    rows
}

/// A named node: its chain in the group under which it is delivered, else in the first that is allowed.
fn fixed_node_checks(around: &Around<'_>, node: NodeIx, places: &Places) -> Vec<CheckRow> {
    let topology = around.topology;
    let object = &topology.node(node).object;
    let delivered = places.keys().find(|it| it.node == node).map(|it| it.group);
    let groups = object.groups.iter().filter_map(|group| topology.find_group_ix(group));
    let group = delivered.or_else(|| groups.into_iter().find(|group| is_allowed(topology, *group, around.demanded)));
    let failure = unless(group.is_some(), Reason::NodeUnknown);
    let observed = match group {
        Some(at) => format!("in group {}", topology.group(at).object.id),
        None => "in no group of that jurisdiction".to_owned(),
    };
    let required = format!("in a group of jurisdiction {}", around.demanded.map_or("any", Jurisdiction::as_str));
    let mut rows = vec![CheckRow {
        source: format!("Node {}", object.id),
        revision: topology.node(node).revision,
        group: group.map(|at| topology.group(at).object.id.clone()),
        node: Some(object.id.clone()),
        ..check("node-reachable", failure, observed, required)
    }];
    if let Some(at) = group {
        rows.extend(chain(topology, node, at));
        rows.extend(limit_check(around, node, at, places));
    }
    rows
}
