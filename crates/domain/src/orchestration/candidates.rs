//! The candidate table: what the choice looked like for every group of the boundary, with scores, ranks and reasons.
//!
//! Rebuilt from the same functions that chose (I8, I9); never stored, never sampled. Its first row is the choice.

use std::cmp::Ordering;

use super::batch::{Request, settle};
use super::choose::{
    Open, Preference, keep_region, member_verdict, open_members, preference, region_preferences, uncapped,
};
use super::frame::{Frame, StickyMode};
use super::ramp::{Phase, Ramp};
use super::state::State;
use crate::ids::{GroupId, RegionId};
use crate::reason::Reason;

/// What a group was compared by: (active weight + own weight) ÷ capacity, then the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Active weight before the decision.
    pub active_weight: u64,
    /// The weight of the request.
    pub own_weight: u32,
    pub capacity: u32,
    /// Instances of the same product.
    pub same_product: u64,
}

impl Score {
    /// (active + own) ÷ capacity, in millionths, rounded down; for people, never compared.
    pub fn utilisation_ppm(&self) -> u64 {
        let weight = u128::from(self.active_weight) + u128::from(self.own_weight);
        let ppm = weight.saturating_mul(1_000_000) / u128::from(self.capacity.max(1));
        u64::try_from(ppm).unwrap_or(u64::MAX)
    }
}

/// A group of the boundary in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub group: GroupId,
    pub region: RegionId,
    /// Whether it could have taken the instance.
    pub is_eligible: bool,
    pub is_chosen: bool,
    /// Why it was chosen, or why not.
    pub reason: Reason,
    pub score: Score,
    pub ramp: Ramp,
    /// From 1 among the eligible, in the order in which they would have been chosen; absent for the others.
    pub rank: Option<u32>,
    /// Utilisation above that of the chosen group, in millionths; may be negative where another rule came first.
    pub margin_ppm: i64,
}

/// The table of one decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateTable {
    /// The eligible by rank, then the others by id.
    pub candidates: Vec<Candidate>,
    /// Which rule separated the first from the second; [`Reason::Ok`] when nothing had to.
    pub tie_break: Reason,
}

/// The table of a request at a state. The state is the one *before* the decision.
pub fn candidate_table(frame: &Frame, state: &State, request: &Request) -> CandidateTable {
    let mut state = state.clone();
    settle(frame, &mut state, request);
    let state = &state;
    let Some(at) = request.template else {
        return CandidateTable { candidates: Vec::new(), tie_break: Reason::Ok };
    };
    let template = &frame.templates[at as usize];
    let ramps = &state.ramps[at as usize];
    let open: Vec<Open<'_>> = open_members(frame, template, ramps, request).collect();
    let kept = keep_region(frame, template, request, open.clone());
    let free = uncapped(&kept, request.weight);
    let ranked = Ranked::new(state, request, template.mode, &open, &kept, &free);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (rank, place) in (1u32..).zip(&ranked.places) {
        candidates.push(Candidate {
            is_eligible: true,
            is_chosen: rank == 1,
            reason: if rank == 1 { ranked.tie_break() } else { place.reason },
            rank: Some(rank),
            margin_ppm: ranked.margin_ppm(place),
            ..blank(frame, state, request, place.preference.position, place.ramp)
        });
    }
    for (member, ramp) in template.members.iter().zip(ramps) {
        let reason = member_verdict(frame, *member, request);
        if reason != Reason::Ok {
            candidates.push(Candidate { reason, ..blank(frame, state, request, member.group, *ramp) });
        }
    }
    CandidateTable { candidates, tie_break: ranked.tie_break() }
}

/// A row without verdict, rank and margin.
fn blank(frame: &Frame, state: &State, request: &Request, group: u32, ramp: Ramp) -> Candidate {
    let load = &state.loads[group as usize];
    Candidate {
        group: frame.group(group).id.clone(),
        region: frame.region_of(group).id.clone(),
        is_eligible: false,
        is_chosen: false,
        reason: Reason::Ok,
        score: Score {
            active_weight: load.weight,
            own_weight: request.weight,
            capacity: frame.group(group).capacity,
            same_product: load.owners_of(request.product),
        },
        ramp,
        rank: None,
        margin_ppm: 0,
    }
}

/// A group at its place, with the tier that put it there.
struct Place {
    preference: Preference,
    /// 0 competed to the end, 1 in another region, 2 capped, 3 outside the region that a repair keeps.
    tier: u8,
    reason: Reason,
    ramp: Ramp,
}

/// The eligible in the order in which they would have been chosen.
struct Ranked {
    places: Vec<Place>,
    /// Regional: what separated the chosen region from the next; used when the chosen group was alone in its region.
    region_rule: Option<Reason>,
}

impl Ranked {
    fn new(
        state: &State,
        request: &Request,
        mode: StickyMode,
        open: &[Open<'_>],
        kept: &[Open<'_>],
        free: &[Open<'_>],
    ) -> Self {
        let mut regions = match mode {
            StickyMode::Shard => Vec::new(),
            StickyMode::Regional => region_preferences(state, request, free),
        };
        regions.sort_by(Preference::compare);
        let region_rule = match regions.as_slice() {
            [first, second, ..] => Some(rule_between(first, second)),
            _ => None,
        };
        let region_rank = |region: u32| regions.iter().position(|it| it.position == region).unwrap_or(usize::MAX);
        let is_in = |list: &[Open<'_>], group: u32| list.iter().any(|it| it.group == group);
        let mut keyed: Vec<(usize, Place)> = open
            .iter()
            .map(|candidate| {
                let rank = if mode == StickyMode::Regional { region_rank(candidate.region) } else { 0 };
                let (tier, reason) = if !is_in(kept, candidate.group) {
                    (3, Reason::RegionNotChosen)
                } else if !is_in(free, candidate.group) {
                    (2, Reason::RampCapped)
                } else if rank > 0 {
                    (1, Reason::RegionNotChosen)
                } else {
                    (0, Reason::Ok)
                };
                (rank, Place { preference: preference(state, request, candidate), tier, reason, ramp: *candidate.ramp })
            })
            .collect();
        keyed.sort_by(|(a_rank, a), (b_rank, b)| {
            a.tier.cmp(&b.tier).then(a_rank.cmp(b_rank)).then(a.preference.compare(&b.preference))
        });
        let mut places: Vec<Place> = keyed.into_iter().map(|(_, place)| place).collect();
        if let Some((first, rest)) = places.split_first_mut() {
            for place in rest.iter_mut().filter(|place| place.tier == 0) {
                place.reason = loss_against(&first.preference, &place.preference);
            }
        }
        Self { places, region_rule }
    }

    /// Which rule separated the first from the next that competed with it.
    fn tie_break(&self) -> Reason {
        match self.places.as_slice() {
            [first, second, ..] if second.tier == 0 => rule_between(&first.preference, &second.preference),
            [_, ..] => self.region_rule.unwrap_or(Reason::LeastUtilised),
            [] => Reason::Ok,
        }
    }

    fn margin_ppm(&self, place: &Place) -> i64 {
        let ppm = |it: &Preference| i64::try_from(it.weight * 1_000_000 / it.capacity.max(1)).unwrap_or(i64::MAX);
        self.places.first().map_or(0, |first| ppm(&place.preference).saturating_sub(ppm(&first.preference)))
    }
}

/// The rule by which the better of two won.
fn rule_between(better: &Preference, worse: &Preference) -> Reason {
    if better.compare_utilisation(worse) != Ordering::Equal {
        Reason::LeastUtilised
    } else if better.same_product != worse.same_product {
        Reason::FewestOfProduct
    } else {
        Reason::SmallestId
    }
}

/// The rule by which the worse of two lost.
fn loss_against(better: &Preference, worse: &Preference) -> Reason {
    match rule_between(better, worse) {
        Reason::LeastUtilised => Reason::MoreUtilised,
        Reason::FewestOfProduct => Reason::MoreOfProduct,
        _ => Reason::LargerId,
    }
}

impl Candidate {
    /// Whether it was ramping at the decision.
    pub fn is_ramping(&self) -> bool {
        self.ramp.phase == Phase::Ramping
    }
}
