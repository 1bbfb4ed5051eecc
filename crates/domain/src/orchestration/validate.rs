//! Judges an ownership: valid, broken, nobody's, or not applicable; and what the allocator has to do about it.
//!
//! A valid ownership is kept (I2). Brokenness is this verdict and nothing else; looking moves nobody (I7).

use super::batch::Ask;
use super::ownership::{Holder, Ownership};
use super::topology::{GroupIx, Topology};
use crate::ids::{GroupId, InstanceId, Jurisdiction, ProductId, Revision};
use crate::master_data::{AccessTemplate, GroupState, InstanceStatus, Location, OnBroken};
use crate::reason::Reason;

/// An instance as decisions see it. `is_expired` is a written fact, not a reading of the clock.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub id: &'a InstanceId,
    pub product: &'a ProductId,
    pub jurisdiction: Option<&'a Jurisdiction>,
    pub status: InstanceStatus,
    pub is_expired: bool,
    pub weight: u32,
    pub location: Option<Location>,
    pub ownership: Option<&'a Ownership>,
    /// The newest revision of its own rows.
    pub revision: Revision,
}

/// What an ownership is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// The mode owns nobody.
    NotApplicable,
    /// Nobody owns it.
    Unowned { why: Reason },
    /// The owner serves it.
    Valid { group: GroupIx },
    /// The owner does not. `is_health` when health alone failed.
    Broken { group: Option<GroupIx>, why: Reason, is_health: bool },
}

/// A validity with the template that it was judged by.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    pub template: &'a AccessTemplate,
    pub validity: Validity,
}

/// Judges the ownership of an instance. `None` when its product is not known to the topology.
pub fn validate<'a>(topology: &'a Topology, subject: &Subject<'_>) -> Option<Verdict<'a>> {
    let (_, template) = topology.policy(subject.product)?;
    let template = &template.object;
    let validity = validity(topology, template, subject);
    Some(Verdict { template, validity })
}

fn validity(topology: &Topology, template: &AccessTemplate, subject: &Subject<'_>) -> Validity {
    if !template.mode.is_sticky() {
        return Validity::NotApplicable;
    }
    match subject.ownership.map(|ownership| &ownership.holder) {
        None => Validity::Unowned { why: Reason::Pending },
        Some(Holder::Nobody { why }) => Validity::Unowned { why: *why },
        Some(Holder::Group { group, .. }) => owned(topology, template, subject.jurisdiction, group),
    }
}

fn owned(topology: &Topology, template: &AccessTemplate, demanded: Option<&Jurisdiction>, id: &GroupId) -> Validity {
    let Some(at) = topology.find_group_ix(id) else {
        return Validity::Broken { group: None, why: Reason::OutsideBoundary, is_health: false };
    };
    let standing = topology.standing(at);
    let why = if !topology.is_inside(template, &topology.group(at).object) {
        Reason::OutsideBoundary
    } else if !is_allowed(topology, at, demanded) {
        Reason::JurisdictionMismatch
    } else {
        standing.serving
    };
    if why == Reason::Ok {
        return Validity::Valid { group: at };
    }
    let is_health = why == Reason::NoQualifiedNode && standing.is_sound_but_for_health;
    Validity::Broken { group: Some(at), why, is_health }
}

/// Whether a group lies in the jurisdiction that is demanded. Jurisdictions are equal or not.
pub fn is_allowed(topology: &Topology, group: GroupIx, demanded: Option<&Jurisdiction>) -> bool {
    demanded.is_none() || topology.region_of(group).object.jurisdiction.as_ref() == demanded
}

/// Whether a group could take somebody: it serves, and it is active. Jurisdiction is a question of the request.
pub fn standing_for_new(topology: &Topology, group: GroupIx) -> Reason {
    let serving = topology.standing(group).serving;
    let is_open = !matches!(serving, Reason::RegionClosed | Reason::GroupClosed);
    if is_open && topology.group(group).object.state == GroupState::Draining { Reason::GroupDraining } else { serving }
}

/// What the allocator has to do about an instance, found by its state (I6). Positions of a move are not known here.
///
/// A repair is wanted only where the template repairs; whether it is its turn is a question of pace.
pub fn wanted(topology: &Topology, subject: &Subject<'_>) -> Option<Ask> {
    let Verdict { template, validity } = validate(topology, subject)?;
    let held = subject.ownership.map(|ownership| &ownership.holder);
    let is_held = matches!(held, Some(Holder::Group { .. }));
    if subject.status == InstanceStatus::Terminated {
        return is_held.then_some(Ask::Release { why: Reason::InstanceTerminated });
    }
    match validity {
        Validity::NotApplicable => is_held.then_some(Ask::Release { why: Reason::NotApplicable }),
        Validity::Unowned { .. } => Some(Ask::Allocate),
        Validity::Broken { .. } if template.on_broken == OnBroken::Repair => Some(Ask::Repair),
        Validity::Broken { .. } => is_miscounted(topology, subject).then_some(Ask::Recount),
        Validity::Valid { .. } => is_miscounted(topology, subject).then_some(Ask::Recount),
    }
}

/// Whether the counted weight, product or region differs from what holds now.
fn is_miscounted(topology: &Topology, subject: &Subject<'_>) -> bool {
    match subject.ownership.map(|ownership| &ownership.holder) {
        Some(Holder::Group { region, group, weight, product }) => {
            let has_moved = topology.find_group(group).is_some_and(|it| it.object.region != *region);
            *weight != subject.weight || product != subject.product || has_moved
        }
        _ => false,
    }
}
