//! Chooses the group that will own an instance.
//!
//! Reads a [`Frame`] and a [`State`] and nothing else. The lightest candidate takes (I4): least (active weight + own
//! weight) ÷ capacity, then fewest of the same product, then the smallest id. In `regional` mode the region is chosen
//! first, the same way. A ramping group that has had three times its share is passed over while another is left (I5).
//! A repair keeps the owner if that is a candidate after all (I2), and else its region while that has one.

use std::cmp::Ordering;
use std::ops::Range;

use super::batch::{Ask, Request};
use super::frame::{Frame, FrameTemplate, Member, StickyMode};
use super::ramp::{Phase, Ramp};
use super::state::{GroupLoad, State};
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
pub fn choose(frame: &Frame, state: &State, request: &Request) -> Choice {
    let Some(at) = request.template else {
        return Choice::None(Reason::NotApplicable);
    };
    let template = &frame.templates[at as usize];
    Contest::open(frame, template, state.loads.as_slice(), &state.ramps[at as usize], request).choice()
}

/// Why no group can take a request, whatever the counters; `None` when one can. Far cheaper than to choose.
pub fn find_refusal(frame: &Frame, request: &Request) -> Option<Reason> {
    let Some(at) = request.template else {
        return Some(Reason::NotApplicable);
    };
    let template = &frame.templates[at as usize];
    let is_open = template.members.iter().any(|member| member_verdict(frame, *member, request) == Reason::Ok);
    (!is_open).then(|| refusal(frame, template, request))
}

/// The counters that a contest reads.
pub(super) trait Loads {
    /// The sum of the counted weights of a group.
    fn weight_of(&self, group: u32) -> u64;

    /// How many instances of a product a group has.
    fn owners_of(&self, group: u32, product: u32) -> u64;
}

impl Loads for [GroupLoad] {
    fn weight_of(&self, group: u32) -> u64 {
        self[group as usize].weight
    }

    fn owners_of(&self, group: u32, product: u32) -> u64 {
        self[group as usize].owners_of(product)
    }
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

/// A region as it competes: with those of its groups that do.
#[derive(Debug, Clone)]
pub(super) struct RegionBid {
    pub(super) preference: Preference,
    /// Its members; those of a regional boundary lie region by region.
    pub(super) members: Range<usize>,
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
    pub(super) fn of(frame: &Frame, template: &FrameTemplate, request: &Request) -> Self {
        Self::among(frame, template, request, |at| member_verdict(frame, template.members[at], request))
    }

    /// The same where the verdict on each member is known.
    fn among(frame: &Frame, template: &FrameTemplate, request: &Request, verdict: impl Fn(usize) -> Reason) -> Self {
        let (Ask::Repair, Some(held)) = (request.ask, request.held) else {
            return Self::Nobody;
        };
        let region = frame.group(held.group).region;
        let members = || template.members.iter().enumerate();
        let mut open = members().filter(|(at, _)| verdict(*at) == Reason::Ok).map(|(_, member)| member.group);
        let is_owner_open = members().any(|(at, it)| it.group == held.group && verdict(at) == Reason::Ok);
        if is_owner_open {
            Self::Owner(held.group)
        } else if template.mode == StickyMode::Regional && open.any(|it| frame.group(it).region == region) {
            Self::Region(region)
        } else {
            Self::Nobody
        }
    }

    /// Whether a group may compete.
    pub(super) fn admits(self, frame: &Frame, group: u32) -> bool {
        match self {
            Self::Nobody => true,
            Self::Owner(owner) => group == owner,
            Self::Region(region) => frame.group(group).region == region,
        }
    }
}

/// What a member of the boundary is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// No candidate, and why.
    Closed(Reason),
    /// A candidate, but a repair keeps the owner or its region.
    Aside,
    /// A candidate that ramps and has had three times its share.
    Capped,
    /// Takes the request if it is the lightest.
    Competes,
}

/// One request before the members of its boundary.
pub(super) struct Contest<'a, L: Loads + ?Sized = [GroupLoad]> {
    frame: &'a Frame,
    template: &'a FrameTemplate,
    loads: &'a L,
    ramps: &'a [Ramp],
    request: &'a Request,
    /// What [`member_verdict`] says of each member, where somebody has asked before.
    verdicts: Option<&'a [Reason]>,
    pub(super) kept: Kept,
    /// Over the candidates; absent where no cap binds, because none ramps or because every one would be capped.
    cap_base: Option<u128>,
}

impl<'a, L: Loads + ?Sized> Contest<'a, L> {
    /// Seats the members. `ramps` are those of the template.
    pub(super) fn open(
        frame: &'a Frame,
        template: &'a FrameTemplate,
        loads: &'a L,
        ramps: &'a [Ramp],
        request: &'a Request,
    ) -> Self {
        Self::open_with(frame, template, loads, ramps, request, None)
    }

    /// The same where the verdicts of the members are known.
    pub(super) fn open_with(
        frame: &'a Frame,
        template: &'a FrameTemplate,
        loads: &'a L,
        ramps: &'a [Ramp],
        request: &'a Request,
        verdicts: Option<&'a [Reason]>,
    ) -> Self {
        let kept = Kept::Nobody;
        let mut contest = Self { frame, template, loads, ramps, request, verdicts, kept, cap_base: None };
        contest.kept = Kept::among(frame, template, request, |at| contest.verdict(at));
        if ramps.iter().any(|ramp| ramp.phase == Phase::Ramping) {
            let capacity = |it: Preference| u128::from(it.capacity);
            contest.cap_base = Some(contest.competing(0..ramps.len()).map(capacity).sum());
            if contest.competing(0..ramps.len()).next().is_none() {
                contest.cap_base = None;
            }
        }
        contest
    }

    /// The group that takes the request.
    pub(super) fn choice(&self) -> Choice {
        let lightest = match self.template.mode {
            StickyMode::Shard => self.lightest(0..self.template.members.len()),
            StickyMode::Regional => self.lightest_region().and_then(|region| self.lightest(region.members)),
        };
        let none = || Choice::None(refusal(self.frame, self.template, self.request));
        lightest.map_or_else(none, |it| Choice::Group(it.position))
    }

    fn verdict(&self, at: usize) -> Reason {
        match self.verdicts {
            Some(known) => known[at],
            None => member_verdict(self.frame, self.template.members[at], self.request),
        }
    }

    /// What a member is to the request.
    pub(super) fn seat(&self, at: usize) -> Seat {
        let member = self.template.members[at];
        match self.verdict(at) {
            Reason::Ok if !self.kept.admits(self.frame, member.group) => Seat::Aside,
            Reason::Ok if self.is_capped(at, member) => Seat::Capped,
            Reason::Ok => Seat::Competes,
            why => Seat::Closed(why),
        }
    }

    fn is_capped(&self, at: usize, member: Member) -> bool {
        let capacity = self.frame.group(member.group).capacity;
        self.cap_base.is_some_and(|base| self.ramps[at].is_capped(u64::from(self.request.weight), capacity, base))
    }

    /// The sum of the counted weights of a group.
    pub(super) fn active_weight(&self, group: u32) -> u64 {
        self.loads.weight_of(group)
    }

    /// What a group is compared by.
    pub(super) fn preference(&self, group: u32) -> Preference {
        Preference {
            weight: self.active_weight(group) + u64::from(self.request.weight),
            capacity: u64::from(self.frame.group(group).capacity),
            position: group,
        }
    }

    /// How many instances of the product of the request a group has.
    pub(super) fn same_product(&self, group: u32) -> u64 {
        self.loads.owners_of(group, self.request.product)
    }

    /// The groups that compete among some members.
    fn competing(&self, members: Range<usize>) -> impl Iterator<Item = Preference> + '_ {
        members.filter(|at| self.seat(*at) == Seat::Competes).map(|at| self.preference(self.template.members[at].group))
    }

    /// The lightest among some members: by utilisation, then the product, then the id. Half of a levelled fleet ties,
    /// so the count of the product is looked up once for the best, and once for each that ties with it.
    fn lightest(&self, members: Range<usize>) -> Option<Preference> {
        let mut competing = self.competing(members);
        let mut best = competing.next()?;
        let mut best_product = None;
        for it in competing {
            let utilisation = it.compare_utilisation(&best);
            if utilisation == Ordering::Greater {
                continue;
            }
            let mut own_product = None;
            if utilisation == Ordering::Equal {
                let least = *best_product.get_or_insert_with(|| self.same_product(best.position));
                let own = self.same_product(it.position);
                if (own, it.position) > (least, best.position) {
                    continue;
                }
                own_product = Some(own);
            }
            (best, best_product) = (it, own_product);
        }
        Some(best)
    }

    /// The regions that have a competing group, by id. The weight of the request counts once for each.
    pub(super) fn regions(&self) -> Vec<RegionBid> {
        let region_of = |member: &Member| self.frame.group(member.group).region;
        let mut bids = Vec::new();
        let mut begin = 0;
        for members in self.template.members.chunk_by(|a, b| region_of(a) == region_of(b)) {
            let range = begin..begin + members.len();
            begin = range.end;
            let position = region_of(&members[0]);
            let join = |sum: Preference, it: Preference| Preference {
                weight: sum.weight + it.weight - u64::from(self.request.weight),
                capacity: sum.capacity + it.capacity,
                position,
            };
            let bid = self.competing(range.clone()).map(|it| Preference { position, ..it }).reduce(join);
            bids.extend(bid.map(|preference| RegionBid { preference, members: range }));
        }
        bids
    }

    /// How many instances of the product of the request the competing groups of a region have.
    pub(super) fn same_product_of_region(&self, region: &RegionBid) -> u64 {
        self.competing(region.members.clone()).map(|it| self.same_product(it.position)).sum()
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

/// Why a member cannot take the request; [`Reason::Ok`] when it can.
pub(super) fn member_verdict(frame: &Frame, member: Member, request: &Request) -> Reason {
    if member.verdict == Reason::Ok && is_elsewhere(frame, member, request) {
        return Reason::JurisdictionMismatch;
    }
    member.verdict
}

/// Whether the request demands another jurisdiction.
fn is_elsewhere(frame: &Frame, member: Member, request: &Request) -> bool {
    request.jurisdiction.is_some() && frame.region_of(member.group).jurisdiction != request.jurisdiction
}

/// Why nobody can take the request.
fn refusal(frame: &Frame, template: &FrameTemplate, request: &Request) -> Reason {
    if template.members.is_empty() {
        Reason::EmptyBoundary
    } else if template.members.iter().all(|member| is_elsewhere(frame, *member, request)) {
        Reason::JurisdictionMismatch
    } else {
        Reason::NoCandidate
    }
}
