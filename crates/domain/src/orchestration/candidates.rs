//! The candidate table: what the choice looked like for every group of the boundary, with scores, ranks and reasons.
//!
//! Rebuilt from the same functions that chose (I8, I9); never stored, never sampled. Where a group took or kept the
//! instance its row is the first; where a plan, and not the weight, named it, every eligible row says so.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::batch::{Ask, Request};
use super::choose::{Contest, Counts, Kept, Preference, Seat};
use super::frame::{Frame, StickyMode};
use super::ramp::{self, Phase, Ramp};
use super::roster::{Roster, member_verdict};
use super::series::move_verdict;
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
    /// The chosen, then the eligible by rank, then the others by id (regional: by region, then group).
    pub candidates: Vec<Candidate>,
    /// Which rule separated the first from the second; [`Reason::Ok`] when nothing had to.
    pub tie_break: Reason,
}

/// The table of a request at a state. The state is the one *before* the decision. A release weighs nothing: no rows.
pub fn candidate_table(frame: &Frame, state: &State, request: &Request) -> CandidateTable {
    let (Some(at), false) = (request.template, matches!(request.ask, Ask::Release { .. })) else {
        return CandidateTable { candidates: Vec::new(), tie_break: Reason::Ok };
    };
    let template = &frame.templates[at as usize];
    let mut ramps = state.ramps[at as usize].clone();
    ramp::leave(frame, template, &state.loads, &mut ramps);
    let roster = Roster::of(frame, template, request.jurisdiction.as_ref());
    let counts = Counts { weights: &state.weights(), same_product: &state.owners_of(request.product) };
    let contest = Contest::open(frame, &roster, counts, &ramps, request);
    let ranked = Ranked::new(&roster, &contest);
    let ruling = Ruling::of(frame, request, &contest, &ranked);
    let blank = |group: u32, ramp: Ramp| blank(frame, &contest, request, group, ramp);
    let chosen = ruling.group.map(|group| Preference {
        weight: contest.active_weight(group) + u64::from(request.weight),
        capacity: u64::from(frame.group(group).capacity),
        position: group,
    });
    let mut candidates: Vec<Candidate> = Vec::new();
    for (rank, place) in (1u32..).zip(&ranked.places) {
        let is_chosen = ruling.group == Some(place.preference.position);
        candidates.push(Candidate {
            is_eligible: true,
            is_chosen,
            reason: if is_chosen { ruling.reason } else { ruling.others.unwrap_or(place.reason) },
            rank: Some(rank),
            margin_ppm: chosen.map_or(0, |chosen| margin_ppm(&chosen, &place.preference)),
            ..blank(place.preference.position, ramps[place.member])
        });
    }
    for (at, member) in template.members.iter().enumerate() {
        let reason = member_verdict(frame, *member, request.jurisdiction.as_ref());
        if reason != Reason::Ok {
            let is_chosen = ruling.group == Some(member.group);
            let reason = if is_chosen { ruling.reason } else { reason };
            candidates.push(Candidate { is_chosen, reason, ..blank(member.group, ramps[at]) });
        }
    }
    candidates.sort_by_key(|it| !it.is_chosen);
    CandidateTable { candidates, tie_break: if ruling.others.is_none() { ranked.tie_break() } else { ruling.reason } }
}

/// A row without verdict, rank and margin.
fn blank(frame: &Frame, contest: &Contest<'_>, request: &Request, group: u32, ramp: Ramp) -> Candidate {
    Candidate {
        group: frame.group(group).id.clone(),
        region: frame.region_of(group).id.clone(),
        is_eligible: false,
        is_chosen: false,
        reason: Reason::Ok,
        score: Score {
            active_weight: contest.active_weight(group),
            own_weight: request.weight,
            capacity: frame.group(group).capacity,
            same_product: contest.same_product(group),
        },
        ramp,
        rank: None,
        margin_ppm: 0,
    }
}

/// Utilisation above that of the chosen group, in millionths.
fn margin_ppm(chosen: &Preference, other: &Preference) -> i64 {
    let ppm = |it: &Preference| {
        let ppm = u128::from(it.weight) * 1_000_000 / u128::from(it.capacity.max(1));
        i64::try_from(ppm).unwrap_or(i64::MAX)
    };
    ppm(other).saturating_sub(ppm(chosen))
}

/// Which group the request ended at, and by what.
struct Ruling {
    group: Option<u32>,
    /// Stands on the row of the group.
    reason: Reason,
    /// Stands on the other eligible rows; absent where the weight decided and each lost in its own way.
    others: Option<Reason>,
}

impl Ruling {
    fn of(frame: &Frame, request: &Request, contest: &Contest<'_>, ranked: &Ranked) -> Self {
        let held = request.held.map(|held| held.group);
        let first = ranked.places.first().map(|place| place.preference.position);
        match (request.ask, contest.kept) {
            (Ask::Move { to }, _) => {
                let is_allowed = move_verdict(frame, request, to) == Reason::Ok;
                let group = is_allowed.then_some(to);
                Self { group, reason: Reason::ChosenByPlan, others: Some(Reason::PlanNamedAnother) }
            }
            (Ask::Recount, _) => Self::stays(held, Reason::CountedAnew),
            (_, Kept::Owner(owner)) => Self::stays(Some(owner), Reason::KeptValid),
            _ => {
                let reason = if ranked.tie_break() == Reason::Ok { Reason::LeastUtilised } else { ranked.tie_break() };
                Self { group: first, reason, others: None }
            }
        }
    }

    fn stays(group: Option<u32>, reason: Reason) -> Self {
        Self { group, reason, others: Some(reason) }
    }
}

/// A group at its place, with the tier that put it there.
struct Place {
    preference: Preference,
    same_product: u64,
    /// Of the template's members.
    member: usize,
    /// 0 competed to the end, 1 in another region, 2 capped, 3 outside what a repair keeps.
    tier: u8,
    reason: Reason,
}

/// The eligible in the order in which they would have been chosen.
struct Ranked {
    places: Vec<Place>,
    /// Regional: what separated the chosen region from the next; used when the chosen group was alone in its region.
    region_rule: Option<Reason>,
}

impl Ranked {
    fn new(roster: &Roster, contest: &Contest<'_>) -> Self {
        let mut regions = contest.regions();
        regions.sort_by(|a, b| contest.compare_regions(a, b));
        let region_rule = match regions.as_slice() {
            [first, second, ..] => {
                let products = contest.same_product_of_region(first) != contest.same_product_of_region(second);
                Some(rule_between(&first.preference, &second.preference, products))
            }
            _ => None,
        };
        let rank_of: BTreeMap<u32, usize> =
            regions.iter().enumerate().map(|(rank, it)| (it.preference.position, rank)).collect();
        let mut keyed: Vec<(usize, Place)> = Vec::new();
        for candidate in &roster.open {
            let rank = match roster.mode {
                StickyMode::Shard => 0,
                StickyMode::Regional => rank_of.get(&candidate.region).copied().unwrap_or(usize::MAX),
            };
            let (tier, reason) = match contest.seat(candidate) {
                Seat::Aside => (3, Reason::RegionNotChosen),
                Seat::Capped => (2, Reason::RampCapped),
                Seat::Competes if rank > 0 => (1, Reason::RegionNotChosen),
                Seat::Competes => (0, Reason::Ok),
            };
            let preference = contest.preference(candidate);
            let same_product = contest.same_product(candidate.group);
            keyed.push((rank, Place { preference, same_product, member: candidate.member as usize, tier, reason }));
        }
        keyed.sort_by(|(a_rank, a), (b_rank, b)| {
            a.tier.cmp(&b.tier).then(a_rank.cmp(b_rank)).then_with(|| a.compare(b))
        });
        let mut places: Vec<Place> = keyed.into_iter().map(|(_, place)| place).collect();
        if let Some((first, rest)) = places.split_first_mut() {
            for place in rest.iter_mut().filter(|place| place.tier == 0) {
                place.reason = match first.rule_over(place) {
                    Reason::LeastUtilised => Reason::MoreUtilised,
                    Reason::FewestOfProduct => Reason::MoreOfProduct,
                    _ => Reason::LargerId,
                };
            }
        }
        Self { places, region_rule }
    }

    /// Which rule separated the first from the next that competed with it; [`Reason::Ok`] if nobody did.
    fn tie_break(&self) -> Reason {
        match self.places.as_slice() {
            [first, second, ..] if second.tier == 0 => first.rule_over(second),
            [_, ..] => self.region_rule.unwrap_or(Reason::Ok),
            [] => Reason::Ok,
        }
    }
}

impl Place {
    fn compare(&self, other: &Self) -> Ordering {
        let utilisation = self.preference.compare_utilisation(&other.preference);
        let products = self.same_product.cmp(&other.same_product);
        utilisation.then(products).then(self.preference.position.cmp(&other.preference.position))
    }

    /// The rule by which it won against one that lost.
    fn rule_over(&self, worse: &Self) -> Reason {
        rule_between(&self.preference, &worse.preference, self.same_product != worse.same_product)
    }
}

/// The rule by which the better of two won.
fn rule_between(better: &Preference, worse: &Preference, is_product_different: bool) -> Reason {
    if better.compare_utilisation(worse) != Ordering::Equal {
        Reason::LeastUtilised
    } else if is_product_different {
        Reason::FewestOfProduct
    } else {
        Reason::SmallestId
    }
}

impl Candidate {
    /// Whether it was ramping at the decision.
    pub fn is_ramping(&self) -> bool {
        self.ramp.phase == Phase::Ramping
    }
}
