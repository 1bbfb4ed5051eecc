//! Chooses the group that will own an instance.
//!
//! Reads a [`Frame`] and a [`State`] and nothing else. The lightest candidate takes (I4): least (active weight + own
//! weight) ÷ capacity, then fewest of the same product, then the smallest id. In `regional` mode the region is chosen
//! first, the same way. A ramping group that has had three times its share is passed over while another is left (I5).

use std::cmp::Ordering;

use super::batch::{Ask, Request};
use super::frame::{Frame, FrameTemplate, Member, StickyMode};
use super::ramp::Ramp;
use super::state::State;
use crate::reason::Reason;

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A group, by its position in the frame.
    Group(u32),
    /// None, and why.
    None(Reason),
}

/// What a group, or a region, would be compared by. Lower is better; the last word is the position, which is id order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preference {
    /// Active weight with the weight of the request.
    pub(super) weight: u128,
    pub(super) capacity: u128,
    pub(super) same_product: u64,
    pub(super) position: u32,
}

impl Preference {
    /// Utilisation by cross-multiplication, then the product, then the id.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.compare_utilisation(other)
            .then(self.same_product.cmp(&other.same_product))
            .then(self.position.cmp(&other.position))
    }

    /// Utilisation alone.
    pub(super) fn compare_utilisation(&self, other: &Self) -> Ordering {
        (self.weight * other.capacity).cmp(&(other.weight * self.capacity))
    }
}

/// A candidate of a request: a member of the boundary that can take it, with its ramp.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open<'a> {
    pub(super) group: u32,
    pub(super) region: u32,
    pub(super) capacity: u32,
    pub(super) ramp: &'a Ramp,
}

/// Why a member cannot take the request; [`Reason::Ok`] when it can.
pub(super) fn member_verdict(frame: &Frame, member: Member, request: &Request) -> Reason {
    if member.verdict != Reason::Ok {
        return member.verdict;
    }
    match &request.jurisdiction {
        Some(demanded) if frame.region_of(member.group).jurisdiction.as_ref() != Some(demanded) => {
            Reason::JurisdictionMismatch
        }
        _ => Reason::Ok,
    }
}

/// The candidates of a request, in the order of the members.
pub(super) fn open_members<'a>(
    frame: &'a Frame,
    template: &'a FrameTemplate,
    ramps: &'a [Ramp],
    request: &'a Request,
) -> impl Iterator<Item = Open<'a>> + Clone {
    template
        .members
        .iter()
        .zip(ramps)
        .filter(move |(member, _)| member_verdict(frame, **member, request) == Reason::Ok)
        .map(move |(member, ramp)| {
            let group = frame.group(member.group);
            Open { group: member.group, region: group.region, capacity: group.capacity, ramp }
        })
}

/// The group that takes a request that allocates or repairs. For other asks see [`super::decide`].
///
/// A regional repair keeps the region while it has a candidate.
pub fn choose(frame: &Frame, state: &State, request: &Request) -> Choice {
    let Some(at) = request.template else {
        return Choice::None(Reason::NotApplicable);
    };
    let template = &frame.templates[at as usize];
    let open: Vec<Open<'_>> = open_members(frame, template, &state.ramps[at as usize], request).collect();
    if open.is_empty() {
        return Choice::None(refusal(frame, template, request));
    }
    let open = keep_region(frame, template, request, open);
    let free = uncapped(&open, request.weight);
    let in_region = match template.mode {
        StickyMode::Shard => free,
        StickyMode::Regional => lightest_region(state, request, &free),
    };
    let best = in_region
        .iter()
        .map(|candidate| preference(state, request, candidate))
        .min_by(Preference::compare)
        .expect("a region is chosen among those that have a candidate");
    Choice::Group(best.position)
}

/// Why nobody can take the request.
fn refusal(frame: &Frame, template: &FrameTemplate, request: &Request) -> Reason {
    if template.members.is_empty() {
        return Reason::EmptyBoundary;
    }
    let is_mismatch = |member: &Member| member_verdict(frame, *member, request) == Reason::JurisdictionMismatch;
    let is_elsewhere = |member: &Member| match &request.jurisdiction {
        Some(demanded) => frame.region_of(member.group).jurisdiction.as_ref() != Some(demanded),
        None => false,
    };
    let is_all_elsewhere = template.members.iter().all(|member| is_mismatch(member) || is_elsewhere(member));
    if is_all_elsewhere { Reason::JurisdictionMismatch } else { Reason::NoCandidate }
}

/// A regional repair stays in its region while that has a candidate.
pub(super) fn keep_region<'a>(
    frame: &Frame,
    template: &FrameTemplate,
    request: &Request,
    open: Vec<Open<'a>>,
) -> Vec<Open<'a>> {
    let held_region = match (&request.ask, &request.held, template.mode) {
        (Ask::Repair, Some(held), StickyMode::Regional) => frame.group(held.group).region,
        _ => return open,
    };
    let inside: Vec<Open<'a>> = open.iter().copied().filter(|candidate| candidate.region == held_region).collect();
    if inside.is_empty() { open } else { inside }
}

/// The candidates that are not capped; all of them when every one is.
pub(super) fn uncapped<'a>(open: &[Open<'a>], weight: u32) -> Vec<Open<'a>> {
    let capacity_sum: u128 = open.iter().map(|candidate| u128::from(candidate.capacity)).sum();
    let is_capped = |it: &Open<'_>| it.ramp.is_capped(u64::from(weight), it.capacity, capacity_sum);
    let free: Vec<Open<'a>> = open.iter().copied().filter(|candidate| !is_capped(candidate)).collect();
    if free.is_empty() { open.to_vec() } else { free }
}

/// What a candidate is compared by.
pub(super) fn preference(state: &State, request: &Request, candidate: &Open<'_>) -> Preference {
    let load = &state.loads[candidate.group as usize];
    Preference {
        weight: u128::from(load.weight) + u128::from(request.weight),
        capacity: u128::from(candidate.capacity),
        same_product: load.owners_of(request.product),
        position: candidate.group,
    }
}

/// What each region is compared by, over its competing groups; ordered by region, that is by id.
pub(super) fn region_preferences(state: &State, request: &Request, open: &[Open<'_>]) -> Vec<Preference> {
    let mut regions: Vec<Preference> = Vec::new();
    for candidate in open {
        let one = preference(state, request, candidate);
        match regions.last_mut() {
            Some(last) if last.position == candidate.region => {
                // The weight of the request counts once for a region.
                last.weight += one.weight - u128::from(request.weight);
                last.capacity += one.capacity;
                last.same_product += one.same_product;
            }
            _ => regions.push(Preference { position: candidate.region, ..one }),
        }
    }
    regions
}

/// The candidates of the region that is chosen. Members of a regional boundary lie region by region.
fn lightest_region<'a>(state: &State, request: &Request, open: &[Open<'a>]) -> Vec<Open<'a>> {
    let lightest = region_preferences(state, request, open).into_iter().min_by(Preference::compare);
    let region = lightest.map(|it| it.position);
    open.iter().copied().filter(|candidate| Some(candidate.region) == region).collect()
}
