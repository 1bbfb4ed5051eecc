//! The roster: the candidates of a boundary for one jurisdiction, side by side, as a decision runs over them.
//!
//! A decision looks at every candidate, so what it looks at lies in a row: a thousand candidates are sixteen
//! kilobytes. A roster follows from the frame alone and can be kept for as long as that stands.

use std::ops::Range;

use super::frame::{Frame, FrameTemplate, Member, StickyMode};
use crate::ids::Jurisdiction;
use crate::reason::Reason;

/// A member of the boundary that can take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// Its place among the members of the template, and therefore among the ramps.
    pub(super) member: u32,
    /// Positions in the frame.
    pub(super) group: u32,
    pub(super) region: u32,
    pub(super) capacity: u32,
}

/// The candidates, in the order of the members.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) mode: StickyMode,
    pub(super) open: Vec<Open>,
    /// In `regional` mode the candidates lie region by region; these are the places of each.
    pub(super) regions: Vec<Range<usize>>,
}

impl Roster {
    pub(super) fn of(frame: &Frame, template: &FrameTemplate, demanded: Option<&Jurisdiction>) -> Self {
        let takes = |member: &Member| member_verdict(frame, *member, demanded) == Reason::Ok;
        let open: Vec<Open> = (0u32..)
            .zip(&template.members)
            .filter(|(_, member)| takes(member))
            .map(|(at, member)| {
                let group = frame.group(member.group);
                Open { member: at, group: member.group, region: group.region, capacity: group.capacity }
            })
            .collect();
        let mut regions = Vec::new();
        if template.mode == StickyMode::Regional {
            let mut begin = 0;
            for region in open.chunk_by(|a, b| a.region == b.region) {
                regions.push(begin..begin + region.len());
                begin += region.len();
            }
        }
        Self { mode: template.mode, open, regions }
    }
}

/// Why a member cannot take; [`Reason::Ok`] when it can.
pub(super) fn member_verdict(frame: &Frame, member: Member, demanded: Option<&Jurisdiction>) -> Reason {
    if member.verdict == Reason::Ok && is_elsewhere(frame, member, demanded) {
        return Reason::JurisdictionMismatch;
    }
    member.verdict
}

/// Whether another jurisdiction is demanded.
fn is_elsewhere(frame: &Frame, member: Member, demanded: Option<&Jurisdiction>) -> bool {
    demanded.is_some() && frame.region_of(member.group).jurisdiction.as_ref() != demanded
}

/// Why a boundary has no candidate.
pub(super) fn refusal(frame: &Frame, template: &FrameTemplate, demanded: Option<&Jurisdiction>) -> Reason {
    if template.members.is_empty() {
        Reason::EmptyBoundary
    } else if template.members.iter().all(|member| is_elsewhere(frame, *member, demanded)) {
        Reason::JurisdictionMismatch
    } else {
        Reason::NoCandidate
    }
}
