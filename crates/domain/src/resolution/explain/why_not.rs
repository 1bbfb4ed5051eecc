//! Why a certain group is not the owner, in numbers.
//!
//! Two questions are kept apart: what the group fails now, as a taker of the instance, and how it lost then, in the
//! table of the decision. For the second the rule of the choice is turned round: the greatest weight, or the smallest
//! capacity, with which it would have been chosen, by the same cross-multiplication in u128 (I4).

use super::Inputs;
use super::checks::{Role, group_checks};
use super::model::{CandidateRow, CandidateVerdict, Needed, WhyNot};
use super::record::DecisionRecord;
use super::today::Today;
use crate::ids::{GroupId, RegionId};
use crate::orchestration::{Ask, Ownership, StickyMode};
use crate::reason::Reason;

/// Answers for one group. `candidates` is the table that the explanation shows.
pub(super) fn why_not(
    inputs: &Inputs<'_>,
    today: Option<&Today>,
    candidates: &[CandidateRow],
    group: &GroupId,
) -> WhyNot {
    let Inputs { topology, subject, .. } = inputs;
    let is_owner = subject.ownership.and_then(Ownership::group) == Some(group);
    let policy = topology.policy(subject.product);
    let is_about_delivery = policy.is_some_and(|(_, template)| !template.object.mode.is_sticky());
    let failing_now: Vec<_> = match policy {
        Some((_, template)) => {
            let role = if is_owner || is_about_delivery { Role::Owner } else { Role::Taker };
            let mut checks = group_checks(topology, template, group, subject.jurisdiction, role);
            checks.retain(|check| !check.pass);
            checks
        }
        None => Vec::new(),
    };
    let then = candidates.iter().find(|row| row.group == *group);
    let first_failing = failing_now.first().map(|check| check.reason);
    let reason = match (then, policy) {
        (_, None) => Reason::ProductUnknown,
        (_, Some(_)) if is_about_delivery => first_failing.unwrap_or(Reason::NotApplicable),
        (Some(row), _) => row.reason,
        (None, _) => first_failing.unwrap_or(if is_owner { Reason::KeptValid } else { Reason::OutsideBoundary }),
    };
    let needed = match (inputs.decision, then) {
        (Some(record), Some(row)) if !is_owner => needed(record, candidates, row),
        _ => None,
    };
    WhyNot {
        group: group.clone(),
        is_owner,
        is_about_delivery,
        reason,
        failing_now,
        then: then.cloned(),
        today: today.and_then(|today| today.find(group)).cloned(),
        needed,
    }
}

/// What would have had to be different at the decision for the row to be the chosen one.
fn needed(record: &DecisionRecord, candidates: &[CandidateRow], row: &CandidateRow) -> Option<Needed> {
    if row.verdict == CandidateVerdict::Refused {
        return Some(Needed::Eligibility);
    }
    let chosen = candidates.iter().find(|it| it.verdict == CandidateVerdict::Chosen)?;
    match row.reason {
        Reason::ChosenByPlan | Reason::PlanNamedAnother | Reason::CountedAnew | Reason::KeptValid => {
            Some(Needed::Naming)
        }
        Reason::RampCapped => Some(needed_arrivals(record, candidates, row, chosen)),
        Reason::RegionNotChosen if is_region_kept(record, chosen) => {
            Some(Needed::OutsideKeptRegion { kept: chosen.region.clone() })
        }
        Reason::RegionNotChosen => Some(needed_region_weight(candidates, row, chosen)),
        _ if row.group == chosen.group => None,
        _ => Some(needed_weight(&Side::of_group(row), &Side::of_group(chosen))),
    }
}

/// Whether a repair stayed in its region rather than compare regions.
fn is_region_kept(record: &DecisionRecord, chosen: &CandidateRow) -> bool {
    let is_regional = record
        .request
        .template
        .is_some_and(|at| matches!(record.frame.templates[at as usize].mode, StickyMode::Regional));
    let held = record.request.held.map(|held| &record.frame.region_of(held.group).id);
    is_regional && matches!(record.request.ask, Ask::Repair) && held == Some(&chosen.region)
}

/// A group or a region as the rule compares it.
#[derive(Debug, Clone)]
struct Side {
    active_weight: u64,
    own_weight: u64,
    capacity: u64,
    same_product: u64,
    /// The id, the last word of the rule.
    id: String,
}

impl Side {
    fn of_group(row: &CandidateRow) -> Self {
        Self {
            active_weight: row.score.active_weight,
            own_weight: u64::from(row.score.own_weight),
            capacity: u64::from(row.score.capacity),
            same_product: row.score.same_product,
            id: row.group.as_str().to_owned(),
        }
    }

    /// A region over its competing groups: those that could take and were not capped.
    fn of_region(candidates: &[CandidateRow], region: &RegionId, own_weight: u32) -> Self {
        let mut side = Self {
            active_weight: 0,
            own_weight: u64::from(own_weight),
            capacity: 0,
            same_product: 0,
            id: region.as_str().to_owned(),
        };
        let is_competing =
            |row: &&CandidateRow| row.is_eligible() && row.reason != Reason::RampCapped && row.region == *region;
        for row in candidates.iter().filter(is_competing) {
            side.active_weight += row.score.active_weight;
            side.capacity += u64::from(row.score.capacity);
            side.same_product += row.score.same_product;
        }
        side
    }

    /// Whether it goes first when both are equally utilised.
    fn wins_ties_against(&self, other: &Self) -> bool {
        (self.same_product, &self.id) < (other.same_product, &other.id)
    }

    /// The greatest active weight with which it is preferred to `other`; `None` when even none is too much.
    fn active_weight_max(&self, other: &Self) -> Option<u64> {
        // (x + own) · other.capacity ≤ (other.active + own) · capacity, or < where it loses ties.
        let budget = u128::from(other.active_weight + other.own_weight) * u128::from(self.capacity);
        let budget = if self.wins_ties_against(other) { budget } else { budget.checked_sub(1)? };
        let weight = budget / u128::from(other.capacity.max(1));
        weight.checked_sub(u128::from(self.own_weight)).map(|weight| u64::try_from(weight).unwrap_or(u64::MAX))
    }

    /// The smallest capacity with which it is preferred to `other`.
    fn capacity_min(&self, other: &Self) -> u64 {
        let load = u128::from(self.active_weight + self.own_weight) * u128::from(other.capacity);
        let per = u128::from(other.active_weight + other.own_weight).max(1);
        let capacity = if self.wins_ties_against(other) { load.div_ceil(per) } else { load / per + 1 };
        u64::try_from(capacity).unwrap_or(u64::MAX)
    }
}

fn needed_weight(row: &Side, chosen: &Side) -> Needed {
    Needed::Weight {
        active_weight: row.active_weight,
        active_weight_max: row.active_weight_max(chosen),
        capacity: u32::try_from(row.capacity).unwrap_or(u32::MAX),
        capacity_min: row.capacity_min(chosen),
    }
}

fn needed_region_weight(candidates: &[CandidateRow], row: &CandidateRow, chosen: &CandidateRow) -> Needed {
    let own_weight = row.score.own_weight;
    let mine = Side::of_region(candidates, &row.region, own_weight);
    let theirs = Side::of_region(candidates, &chosen.region, own_weight);
    Needed::RegionWeight {
        region: row.region.clone(),
        chosen: chosen.region.clone(),
        active_weight: mine.active_weight,
        active_weight_max: mine.active_weight_max(&theirs),
        capacity: mine.capacity,
    }
}

/// The arrivals with which (taken + w)·Σcapacity ≤ 3·capacity·(arrived + w) holds, Σ over the candidates (I5); over
/// those of the region that a repair keeps, if it keeps one.
fn needed_arrivals(
    record: &DecisionRecord,
    candidates: &[CandidateRow],
    row: &CandidateRow,
    chosen: &CandidateRow,
) -> Needed {
    let is_kept = is_region_kept(record, chosen);
    let competes = |it: &&CandidateRow| it.is_eligible() && (!is_kept || it.region == chosen.region);
    let capacity_sum: u128 = candidates.iter().filter(competes).map(|it| u128::from(it.score.capacity)).sum();
    let own = u128::from(row.score.own_weight);
    let share = crate::orchestration::SHARES_WHILE_RAMPING * u128::from(row.score.capacity.max(1));
    let arrived_min = ((u128::from(row.ramp.taken) + own) * capacity_sum).div_ceil(share).saturating_sub(own);
    Needed::Arrivals {
        taken: row.ramp.taken,
        arrived: row.ramp.arrived,
        arrived_min: u64::try_from(arrived_min).unwrap_or(u64::MAX),
    }
}
