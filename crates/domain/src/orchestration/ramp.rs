//! The ramp of a boundary (I5): a group that is new, or has returned, takes no more than three times its share of the
//! arrivals until it carries 80 % of the mean. Without it every arrival would herd onto the empty group.
//!
//! All sums run over the candidates of the boundary; all comparisons cross-multiply in u128.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, FrameTemplate};
use super::state::GroupLoad;
use crate::reason::Reason;

/// Where a group stands in the ramp of a boundary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It is no candidate.
    #[default]
    Out,
    /// It takes at most three times its share.
    Ramping,
    /// It competes freely.
    Full,
}

impl Phase {
    /// The spelling in tables and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Ramping => "ramping",
            Self::Full => "full",
        }
    }
}

/// The ramp of one group in one boundary. Weights, both 0 on entering.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    pub phase: Phase,
    /// The weight it took while ramping.
    pub taken: u64,
    /// The weight that arrived while it was ramping and could have taken it.
    pub arrived: u64,
}

/// With fewer owners than this for each candidate there is no herd to hold back, and the first fill must not ramp.
pub const OWNERS_PER_CANDIDATE_MIN: u64 = 8;

/// Three times its share: a new group fills in a third of the time that catching up by itself would take at most.
pub const SHARES_WHILE_RAMPING: u128 = 3;

/// What a boundary carries, over its candidates.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    candidates: u64,
    owners: u64,
    weight: u128,
    capacity: u128,
}

impl Sums {
    fn of(frame: &Frame, template: &FrameTemplate, loads: &[GroupLoad]) -> Self {
        let mut sums = Self::default();
        for member in template.members.iter().filter(|member| member.verdict == Reason::Ok) {
            let load = &loads[member.group as usize];
            sums.candidates += 1;
            sums.owners += load.owners;
            sums.weight += u128::from(load.weight);
            sums.capacity += u128::from(frame.group(member.group).capacity);
        }
        sums
    }

    /// Whether a group carries less than 80 % of the mean.
    fn is_below(&self, load: &GroupLoad, capacity: u32) -> bool {
        5 * u128::from(load.weight) * self.capacity < 4 * u128::from(capacity) * self.weight
    }
}

/// Brings the ramps of a boundary up to a new frame.
pub(super) fn enter(frame: &Frame, template: &FrameTemplate, loads: &[GroupLoad], ramps: &mut [Ramp]) {
    let sums = Sums::of(frame, template, loads);
    let is_crowded = sums.owners >= OWNERS_PER_CANDIDATE_MIN * sums.candidates;
    for (member, ramp) in template.members.iter().zip(ramps) {
        if member.verdict != Reason::Ok {
            *ramp = Ramp::default();
        } else if ramp.phase == Phase::Out {
            let is_below = sums.is_below(&loads[member.group as usize], frame.group(member.group).capacity);
            let phase = if is_crowded && is_below { Phase::Ramping } else { Phase::Full };
            *ramp = Ramp { phase, taken: 0, arrived: 0 };
        }
    }
}

/// Groups that have reached 80 % of the mean leave the ramp. Costs one pass while a group ramps and nothing otherwise.
pub(super) fn leave(frame: &Frame, template: &FrameTemplate, loads: &[GroupLoad], ramps: &mut [Ramp]) {
    if ramps.iter().all(|ramp| ramp.phase != Phase::Ramping) {
        return;
    }
    let sums = Sums::of(frame, template, loads);
    for (member, ramp) in template.members.iter().zip(ramps) {
        let capacity = frame.group(member.group).capacity;
        if ramp.phase == Phase::Ramping && !sums.is_below(&loads[member.group as usize], capacity) {
            *ramp = Ramp { phase: Phase::Full, taken: 0, arrived: 0 };
        }
    }
}

impl Ramp {
    /// Whether it may not take `weight` more while an uncapped candidate is left. `capacity_sum` runs over the
    /// candidates of the request.
    pub fn is_capped(&self, weight: u64, capacity: u32, capacity_sum: u128) -> bool {
        self.phase == Phase::Ramping
            && u128::from(self.taken + weight) * capacity_sum
                > SHARES_WHILE_RAMPING * u128::from(capacity) * u128::from(self.arrived + weight)
    }
}
