//! Chooses the group that will own an instance.
//!
//! Reads a [`Frame`] and a [`State`] and nothing else. The lightest candidate takes (I4): least (active weight + own
//! weight) ÷ capacity, then fewest of the same product, then the smallest id. In `regional` mode the region is chosen
//! first, the same way. A ramping group that has had three times its share is passed over while another is left (I5).
//! A repair keeps the owner if that is a candidate after all (I2), and else its region while that has one.

use std::cmp::Ordering;
use std::ops::Range;

use super::batch::{Ask, Request};
use super::frame::{Frame, StickyMode};
use super::ramp::{Phase, Ramp};
use super::roster::{Open, Roster, member_verdict, refusal};
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

/// The group that takes a request that allocates or repairs. For other asks see [`super::decide`].
///
/// Lays out the whole boundary for one question; for many see [`super::Series`].
pub fn choose(frame: &Frame, state: &State, request: &Request) -> Choice {
    let Some(at) = request.template else {
        return Choice::None(Reason::NotApplicable);
    };
    let template = &frame.templates[at as usize];
    let roster = Roster::of(frame, template, request.jurisdiction.as_ref());
    let counts = Counts { weights: &state.weights(), same_product: &state.owners_of(request.product) };
    let chosen = Contest::open(frame, &roster, counts, &state.ramps[at as usize], request).lightest_of_all();
    chosen.map_or_else(|| Choice::None(refusal(frame, template, request.jurisdiction.as_ref())), Choice::Group)
}

/// Why nobody could take a request, whatever the counters say; `None` when somebody can.
///
/// Says exactly when [`choose`] finds nobody, and costs a look at the first candidate.
pub fn find_refusal(frame: &Frame, request: &Request) -> Option<Reason> {
    let Some(at) = request.template else {
        return Some(Reason::NotApplicable);
    };
    let (template, demanded) = (&frame.templates[at as usize], request.jurisdiction.as_ref());
    let is_open = template.members.iter().any(|member| member_verdict(frame, *member, demanded) == Reason::Ok);
    if is_open { None } else { Some(refusal(frame, template, demanded)) }
}

/// What a group, or a region, is compared by. Lower is better.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preference {
    /// Active weight with the weight of the request.
    pub(super) weight: u64,
    pub(super) capacity: u64,
    /// Of the group or region in the frame, which is the order of ids.
    pub(super) position: u32,
}

impl Preference {
    /// Utilisation by cross-multiplication.
    pub(super) fn compare_utilisation(&self, other: &Self) -> Ordering {
        if self.capacity == other.capacity {
            return self.weight.cmp(&other.weight);
        }
        let product = |weight: u64, capacity: u64| u128::from(weight) * u128::from(capacity);
        product(self.weight, other.capacity).cmp(&product(other.weight, self.capacity))
    }
}

/// The counters that a request is compared by, by position of the group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts<'a> {
    pub(super) weights: &'a [u64],
    /// Owners of the product of the request.
    pub(super) same_product: &'a [u64],
}

/// A region as it competes: with those of its groups that do.
#[derive(Debug, Clone)]
pub(super) struct RegionBid {
    pub(super) preference: Preference,
    /// Its places in the roster.
    pub(super) places: Range<usize>,
}

/// Whom a repair prefers before any weighing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nobody: all candidates compete.
    Nobody,
    /// The owner, which is a candidate after all: a valid ownership is kept (I2).
    Owner(u32),
    /// The region of the owner, which has a candidate.
    Region(u32),
}

impl Kept {
    pub(super) fn of(frame: &Frame, roster: &Roster, request: &Request) -> Self {
        let (Ask::Repair, Some(held)) = (request.ask, request.held) else {
            return Self::Nobody;
        };
        let region = frame.group(held.group).region;
        if roster.open.iter().any(|it| it.group == held.group) {
            Self::Owner(held.group)
        } else if roster.mode == StickyMode::Regional && roster.open.iter().any(|it| it.region == region) {
            Self::Region(region)
        } else {
            Self::Nobody
        }
    }

    /// Whether a candidate may compete.
    pub(super) fn admits(self, candidate: &Open) -> bool {
        match self {
            Self::Nobody => true,
            Self::Owner(owner) => candidate.group == owner,
            Self::Region(region) => candidate.region == region,
        }
    }
}

/// What a candidate is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// A repair keeps the owner or its region, and this is neither.
    Aside,
    /// It ramps and has had three times its share.
    Capped,
    /// It takes the request if it is the lightest.
    Competes,
}

/// One request before the candidates of its boundary.
pub(super) struct Contest<'a> {
    roster: &'a Roster,
    counts: Counts<'a>,
    /// Those of the template.
    ramps: &'a [Ramp],
    weight: u32,
    pub(super) kept: Kept,
    /// Over the candidates; absent where no cap binds, because none ramps or because every one would be capped.
    cap_base: Option<u128>,
}

impl<'a> Contest<'a> {
    /// Seats the candidates of a boundary of which some may ramp.
    pub(super) fn open(
        frame: &Frame,
        roster: &'a Roster,
        counts: Counts<'a>,
        ramps: &'a [Ramp],
        request: &Request,
    ) -> Self {
        let mut contest = Self::open_full(frame, roster, counts, ramps, request);
        if ramps.iter().any(|ramp| ramp.phase == Phase::Ramping) {
            let all = 0..roster.open.len();
            let capacity = |it: Preference| u128::from(it.capacity);
            contest.cap_base = Some(contest.competing(all.clone()).map(capacity).sum());
            if contest.competing(all).next().is_none() {
                contest.cap_base = None;
            }
        }
        contest
    }

    /// Seats the candidates of a boundary of which none ramps.
    pub(super) fn open_full(
        frame: &Frame,
        roster: &'a Roster,
        counts: Counts<'a>,
        ramps: &'a [Ramp],
        request: &Request,
    ) -> Self {
        let kept = Kept::of(frame, roster, request);
        Self { roster, counts, ramps, weight: request.weight, kept, cap_base: None }
    }

    /// The group that takes, by its position in the frame; `None` without a candidate.
    pub(super) fn lightest_of_all(&self) -> Option<u32> {
        let places = match self.roster.mode {
            StickyMode::Shard => 0..self.roster.open.len(),
            StickyMode::Regional => self.lightest_region()?.places,
        };
        self.lightest(places).map(|it| it.position)
    }

    /// What a candidate is to the request.
    pub(super) fn seat(&self, candidate: &Open) -> Seat {
        if !self.kept.admits(candidate) {
            Seat::Aside
        } else if self.is_capped(candidate) {
            Seat::Capped
        } else {
            Seat::Competes
        }
    }

    fn is_capped(&self, candidate: &Open) -> bool {
        let ramp = || &self.ramps[candidate.member as usize];
        self.cap_base.is_some_and(|base| ramp().is_capped(u64::from(self.weight), candidate.capacity, base))
    }

    /// The sum of the counted weights of a group.
    pub(super) fn active_weight(&self, group: u32) -> u64 {
        self.counts.weights[group as usize]
    }

    /// How many instances of the product of the request a group has.
    pub(super) fn same_product(&self, group: u32) -> u64 {
        self.counts.same_product[group as usize]
    }

    /// What a candidate is compared by.
    pub(super) fn preference(&self, candidate: &Open) -> Preference {
        Preference {
            weight: self.active_weight(candidate.group) + u64::from(self.weight),
            capacity: u64::from(candidate.capacity),
            position: candidate.group,
        }
    }

    /// The candidates that compete among some places.
    fn competing(&self, places: Range<usize>) -> impl Iterator<Item = Preference> + '_ {
        let open = self.roster.open[places].iter();
        open.filter(|it| self.seat(it) == Seat::Competes).map(|it| self.preference(it))
    }

    /// The lightest among some places: by utilisation, then the product, then the id. Half of a levelled fleet ties,
    /// so the products are looked up only where utilisation is equal.
    fn lightest(&self, places: Range<usize>) -> Option<Preference> {
        let rest_of_order = |it: &Preference| (self.same_product(it.position), it.position);
        let is_better = |it: &Preference, best: &Preference| match it.compare_utilisation(best) {
            Ordering::Less => true,
            Ordering::Equal => rest_of_order(it) < rest_of_order(best),
            Ordering::Greater => false,
        };
        self.competing(places).reduce(|best, it| if is_better(&it, &best) { it } else { best })
    }

    /// The regions that have a competing group, by id. The weight of the request counts once for each.
    pub(super) fn regions(&self) -> Vec<RegionBid> {
        let bid_of = |places: &Range<usize>| {
            let position = self.roster.open[places.start].region;
            let join = |sum: Preference, it: Preference| Preference {
                weight: sum.weight + it.weight - u64::from(self.weight),
                capacity: sum.capacity + it.capacity,
                position,
            };
            let preference = self.competing(places.clone()).map(|it| Preference { position, ..it }).reduce(join)?;
            Some(RegionBid { preference, places: places.clone() })
        };
        self.roster.regions.iter().filter_map(bid_of).collect()
    }

    /// How many instances of the product of the request the competing groups of a region have.
    pub(super) fn same_product_of_region(&self, region: &RegionBid) -> u64 {
        self.competing(region.places.clone()).map(|it| self.same_product(it.position)).sum()
    }

    /// Regions are compared as groups are, over their competing groups.
    pub(super) fn compare_regions(&self, a: &RegionBid, b: &RegionBid) -> Ordering {
        let utilisation = a.preference.compare_utilisation(&b.preference);
        utilisation
            .then_with(|| self.same_product_of_region(a).cmp(&self.same_product_of_region(b)))
            .then_with(|| a.preference.position.cmp(&b.preference.position))
    }

    fn lightest_region(&self) -> Option<RegionBid> {
        self.regions().into_iter().min_by(|a, b| self.compare_regions(a, b))
    }
}
