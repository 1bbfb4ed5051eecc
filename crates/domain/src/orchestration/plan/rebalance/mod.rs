//! The plan that evens out: as few moves as bring the fullest group of each boundary as low as it can come.
//!
//! A group gives while it stands above the level ([`level`]), the fullest first, and only to a group that is less
//! utilised with the instance than the giver was before (in `regional` mode the region too). Each such move lowers the
//! fuller of the two, so it ends; where none is left, a second plan proposes nothing (I8). Unless a mark is given, a
//! group below 80 % of the mean is filled up to there as well: no group stays empty. Which group takes is the rule of
//! the allocator: in `regional` mode the lightest region, then the lightest group, then the smaller id. Instances keep
//! their jurisdiction and their boundary; broken and draining ones are the business of other plans.

mod level;
mod ratio;
mod shelf;
mod stock;

use std::collections::{BTreeMap, BinaryHeap};

use self::level::{Basins, common_divisor, level};
use self::ratio::Ratio;
use self::shelf::Shelf;
use self::stock::{Movable, Stock};
use super::balance::{PPM, max_over_mean_ppm};
use super::class::{Census, Owner};
use super::draft::{Draft, Move, Planner, Summary};
use crate::ids::Jurisdiction;
use crate::master_data::InstanceStatus;
use crate::orchestration::{Frame, Holder, State, StickyMode, Subject};
use crate::reason::Reason;

/// Rounds over all groups until nothing moves. Each but the last lowers a group; three were enough for every fleet we
/// made up, and what is left after a thousand is left to the next plan.
const ROUNDS_MAX: u32 = 1_000;

/// Works out the plan that evens out.
pub struct RebalancePlanner<'a> {
    frame: &'a Frame,
    state: &'a State,
    to_ppm: u64,
    census: Census<'a>,
    /// The kind of each class, for classes that could move; parallel to the classes of the census.
    kinds_of: Vec<Option<u32>>,
    /// By template and jurisdiction.
    index: BTreeMap<(u32, Option<Jurisdiction>), u32>,
    kinds: Vec<Kind>,
    movables: Vec<Movable>,
    stocks: Vec<Stock>,
    /// The largest number that divides the weight of every movable.
    unit: u64,
}

/// Instances that the same groups may own.
#[derive(Debug)]
struct Kind {
    mode: StickyMode,
    /// Region by region in `regional` mode, all at once in `shard` mode; each by position.
    sets: Vec<Vec<u32>>,
}

impl<'a> RebalancePlanner<'a> {
    /// A planner over one moment. It stops where max/mean is `to_ppm` millionths; less than [`PPM`] counts as that.
    pub fn new(frame: &'a Frame, state: &'a State, to_ppm: u64) -> Self {
        Self {
            frame,
            state,
            to_ppm: to_ppm.max(PPM),
            census: Census::new(frame),
            kinds_of: Vec::new(),
            index: BTreeMap::new(),
            kinds: Vec::new(),
            movables: Vec::new(),
            stocks: frame.groups.iter().map(|_| Stock::default()).collect(),
            unit: 0,
        }
    }

    /// The kind of a class; `None` when its instances cannot be moved by this plan.
    fn kind_of(&mut self, class: usize) -> Option<u32> {
        if class < self.kinds_of.len() {
            return self.kinds_of[class];
        }
        let it = &self.census.classes[class];
        let kind = match (&it.owner, self.frame.products[it.product as usize].1) {
            (Owner::Group(group), Some(template)) => {
                let (group, key) = (*group, (template, it.jurisdiction.clone()));
                let next = u32::try_from(self.kinds.len()).expect("there are fewer kinds than instances");
                let at = *self.index.entry(key.clone()).or_insert(next);
                if at == next {
                    self.kinds.push(Kind::of(self.frame, key.0, key.1.as_ref()));
                }
                // Who is held by a group that takes nobody stays: it drains, or it is broken.
                self.kinds[at as usize].sets.iter().flatten().any(|open| *open == group).then_some(at)
            }
            _ => None,
        };
        self.kinds_of.push(kind);
        kind
    }
}

impl Kind {
    fn of(frame: &Frame, template: u32, demanded: Option<&Jurisdiction>) -> Self {
        let template = &frame.templates[template as usize];
        let is_open = |group: u32| demanded.is_none() || frame.region_of(group).jurisdiction.as_ref() == demanded;
        let open = template.members.iter().filter(|it| it.verdict == Reason::Ok).map(|it| it.group);
        let open: Vec<u32> = open.filter(|group| is_open(*group)).collect();
        let sets = match template.mode {
            StickyMode::Shard => vec![open],
            // Members of a regional boundary lie region by region.
            StickyMode::Regional => {
                open.chunk_by(|a, b| frame.group(*a).region == frame.group(*b).region).map(<[u32]>::to_vec).collect()
            }
        };
        Self { mode: template.mode, sets }
    }
}

impl Planner for RebalancePlanner<'_> {
    fn see(&mut self, subject: &Subject<'_>) {
        let Some(class) = self.census.see(subject) else { return };
        let Some(kind) = self.kind_of(class) else { return };
        let Some(ownership) = subject.ownership.filter(|_| subject.status != InstanceStatus::Terminated) else {
            return;
        };
        let (Owner::Group(group), Holder::Group { region, weight, product, .. }) =
            (&self.census.classes[class].owner, &ownership.holder)
        else {
            return;
        };
        let (group, at) = (*group, self.census.classes[class].product);
        // One that is to be counted anew first is left alone: the load that it would take with it is not its own.
        let is_counted = *weight == subject.weight && product == subject.product;
        if !is_counted || *region != self.frame.region_of(group).id {
            return;
        }
        let next = u32::try_from(self.movables.len()).expect("a u32 holds every instance");
        self.unit = common_divisor(self.unit, u64::from(subject.weight));
        self.stocks[group as usize].add(kind, subject.weight, next);
        self.movables.push(Movable {
            id: subject.id.clone(),
            decision: ownership.decision,
            generation: ownership.generation,
            origin: group,
            product: at,
        });
    }

    fn finish(self) -> Draft {
        let before = self.census.state(&self.state.ramps);
        let live: u64 = self.census.classes.iter().map(|class| class.instances).sum();
        let mut draft = Draft { before_ppm: max_over_mean_ppm(self.frame, &before), ..Draft::default() };
        let mut scales = Scales::new(self.frame, &before, &self.kinds, self.stocks, self.movables);
        scales.set_marks(&self.kinds, self.unit, self.to_ppm);
        scales.even_out(&self.kinds);
        let mut after = before;
        for (at, to, weight) in scales.moved() {
            let movable = &scales.movables[at as usize];
            after.loads[movable.origin as usize].remove(movable.product, u64::from(weight));
            after.loads[to as usize].add(movable.product, 1, u64::from(weight));
            draft.moves.push(Move {
                instance: movable.id.clone(),
                from: Some(self.frame.group(movable.origin).id.clone()),
                from_generation: movable.generation,
                to: self.frame.group(to).id.clone(),
            });
        }
        let moves = draft.moves.len() as u64;
        draft.summary = Summary { stay: live - moves, moves, ..Summary::default() };
        draft.after_ppm = max_over_mean_ppm(self.frame, &after);
        draft.sum_up_groups();
        draft
    }
}

/// What a group is measured by.
#[derive(Debug, Clone, Copy)]
struct Marks {
    /// Above this a group gives.
    level: Ratio,
    /// Below this a group is starved: it may take from whoever is more utilised. The ramp ends at the same 80 % (I5).
    floor: Ratio,
}

/// The loads while they are evened out.
struct Scales<'a> {
    frame: &'a Frame,
    loads: Vec<u64>,
    stocks: Vec<Stock>,
    movables: Vec<Movable>,
    shelves: Vec<Shelf>,
    /// For each kind, the shelf of each of its sets.
    shelves_of_kinds: Vec<Vec<usize>>,
    /// For each group, the shelves it stands on.
    shelves_of_groups: Vec<Vec<usize>>,
    /// For each group, what it is measured by; none for groups that nobody could move to or from.
    marks: Vec<Option<Marks>>,
    /// Where a movable is now and its weight, for those that were moved; in the order in which they first were.
    moved: BTreeMap<u32, (u32, u32)>,
    order: Vec<u32>,
}

impl<'a> Scales<'a> {
    fn new(frame: &'a Frame, state: &State, kinds: &[Kind], stocks: Vec<Stock>, movables: Vec<Movable>) -> Self {
        let loads: Vec<u64> = state.loads.iter().map(|load| load.weight).collect();
        let mut scales = Self {
            frame,
            stocks,
            movables,
            shelves: Vec::new(),
            shelves_of_kinds: Vec::new(),
            shelves_of_groups: vec![Vec::new(); loads.len()],
            marks: vec![None; loads.len()],
            moved: BTreeMap::new(),
            order: Vec::new(),
            loads,
        };
        // Kinds that may own the same groups share a shelf.
        let mut known: BTreeMap<&[u32], usize> = BTreeMap::new();
        for kind in kinds {
            let shelves = kind.sets.iter().map(|set| {
                *known.entry(set).or_insert_with(|| {
                    scales.add_shelf(set);
                    scales.shelves.len() - 1
                })
            });
            let shelves: Vec<usize> = shelves.collect();
            scales.shelves_of_kinds.push(shelves);
        }
        scales
    }

    fn add_shelf(&mut self, groups: &[u32]) {
        let mut shelf = Shelf::default();
        for group in groups {
            shelf.put(*group, self.frame.group(*group).capacity, self.loads[*group as usize]);
            self.shelves_of_groups[*group as usize].push(self.shelves.len());
        }
        self.shelves.push(shelf);
    }

    fn set_marks(&mut self, kinds: &[Kind], unit: u64, to_ppm: u64) {
        let mut basins = Basins::new(self.loads.len());
        for kind in kinds {
            let mut groups = kind.sets.iter().flatten();
            if let Some(first) = groups.next() {
                groups.for_each(|group| basins.join(*first, *group));
            }
        }
        let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for group in kinds.iter().flat_map(|kind| kind.sets.iter().flatten()) {
            members.entry(basins.root(*group)).or_default().push(*group);
        }
        for groups in members.values_mut() {
            groups.sort_unstable();
            groups.dedup();
            let pairs: Vec<(u64, u32)> =
                groups.iter().map(|at| (self.loads[*at as usize], self.frame.group(*at).capacity)).collect();
            let unit = pairs.iter().fold(unit, |unit, (load, _)| common_divisor(unit, *load));
            let level = level(&pairs, unit, to_ppm);
            let sum = |of: fn(&(u64, u32)) -> u64| pairs.iter().map(of).sum::<u64>();
            let (weight, capacity) = (sum(|pair| pair.0), sum(|pair| u64::from(pair.1)));
            // Who names a mark for the fullest is content with it.
            let floor = if to_ppm > PPM { Ratio::new(0, 1) } else { Ratio::new(4 * weight, 5 * capacity) };
            groups.iter().for_each(|group| self.marks[*group as usize] = Some(Marks { level, floor }));
        }
    }

    fn utilisation(&self, group: u32) -> Ratio {
        Ratio::new(self.loads[group as usize], u64::from(self.frame.group(group).capacity))
    }

    fn is_above_level(&self, group: u32) -> bool {
        self.marks[group as usize].is_some_and(|marks| self.utilisation(group) > marks.level)
    }

    fn is_starved(&self, group: u32) -> bool {
        self.marks[group as usize].is_some_and(|marks| self.utilisation(group) < marks.floor)
    }

    /// The groups that give: those above their level, and all of them while one is starved.
    fn givers(&self) -> BinaryHeap<(Ratio, u32)> {
        let groups = || (0u32..).take(self.loads.len());
        let is_one_starved = groups().any(|group| self.is_starved(group));
        let is_giver = |group: &u32| is_one_starved || self.is_above_level(*group);
        groups().filter(is_giver).map(|group| (self.utilisation(group), group)).collect()
    }

    /// Moves until nobody gives. A group that finds no taker is looked at again in the next round, since another may
    /// have made room.
    fn even_out(&mut self, kinds: &[Kind]) {
        for _ in 0..ROUNDS_MAX {
            let mut givers = self.givers();
            let mut has_moved = false;
            while let Some((utilisation, giver)) = givers.pop() {
                let now = self.utilisation(giver);
                if now < utilisation {
                    // It has given since: it stands further down.
                    givers.push((now, giver));
                }
                // One that has taken since is looked at in the next round.
                if now != utilisation {
                    continue;
                }
                if let Some(offer) = self.find_move(kinds, giver) {
                    self.make(giver, offer);
                    has_moved = true;
                    givers.push((self.utilisation(giver), giver));
                }
            }
            if !has_moved {
                return;
            }
        }
    }

    /// The best move out of a group: of each kind the first weight that finds a taker, of all kinds the one whose taker
    /// is the lightest with it, then the smaller kind.
    fn find_move(&self, kinds: &[Kind], giver: u32) -> Option<Offer> {
        let offers = self.stocks[giver as usize].offers(self.excess(giver));
        let best_of_kind = |offers: &[(u32, u32)]| {
            offers.iter().find_map(|(kind, weight)| {
                let (after, taker) = self.find_taker(kinds, *kind, *weight, giver)?;
                Some((after, *kind, Offer { kind: *kind, weight: *weight, taker }))
            })
        };
        let best = offers.chunk_by(|a, b| a.0 == b.0).filter_map(best_of_kind);
        best.min_by_key(|(after, kind, _)| (*after, *kind)).map(|(_, _, offer)| offer)
    }

    /// By how much a group stands above its level, rounded up.
    fn excess(&self, group: u32) -> u64 {
        let Some(Marks { level, .. }) = self.marks[group as usize] else { return 0 };
        let below = level.weight * u128::from(self.frame.group(group).capacity) / level.capacity.max(1);
        self.loads[group as usize].saturating_sub(u64::try_from(below).unwrap_or(u64::MAX))
    }

    /// The group that the allocator would prefer among those that become less utilised than the giver is.
    fn find_taker(&self, kinds: &[Kind], kind: u32, weight: u32, giver: u32) -> Option<(Ratio, u32)> {
        let weight = u64::from(weight);
        let (limit, is_above) = (self.utilisation(giver), self.is_above_level(giver));
        let suits = |it: &(Ratio, u32)| it.0 < limit && (is_above || self.is_starved(it.1));
        let sets = &kinds[kind as usize].sets;
        let shelves = &self.shelves_of_kinds[kind as usize];
        let home = sets.iter().position(|set| set.binary_search(&giver).is_ok())?;
        if kinds[kind as usize].mode == StickyMode::Regional {
            let own = self.shelves[shelves[home]].utilisation(0);
            let mut regions: Vec<(Ratio, usize)> = (0..sets.len())
                .filter(|at| *at != home)
                .map(|at| (self.shelves[shelves[at]].utilisation(weight), at))
                .filter(|(utilisation, _)| *utilisation < own)
                .collect();
            regions.sort_unstable();
            let lightest = |(_, at): (Ratio, usize)| self.shelves[shelves[at]].lightest(weight, giver);
            if let Some(found) = regions.into_iter().filter_map(lightest).find(suits) {
                return Some(found);
            }
        }
        self.shelves[shelves[home]].lightest(weight, giver).filter(suits)
    }

    fn make(&mut self, giver: u32, offer: Offer) {
        let Offer { kind, weight, taker } = offer;
        let movable = self.stocks[giver as usize].go(kind, weight, &self.movables).expect("it was offered");
        self.stocks[taker as usize].come(kind, weight, movable, &self.movables);
        let load = |group: u32| self.loads[group as usize];
        let (from, to) = (load(giver) - u64::from(weight), load(taker) + u64::from(weight));
        self.set_load(giver, from);
        self.set_load(taker, to);
        if self.moved.insert(movable, (taker, weight)).is_none() {
            self.order.push(movable);
        }
    }

    fn set_load(&mut self, group: u32, to: u64) {
        let from = std::mem::replace(&mut self.loads[group as usize], to);
        let capacity = self.frame.group(group).capacity;
        for shelf in &self.shelves_of_groups[group as usize] {
            self.shelves[*shelf].change(group, capacity, from, to);
        }
    }

    /// The movables that come to another group than they are in, with that group and their weight.
    fn moved(&self) -> Vec<(u32, u32, u32)> {
        let end = |at: &u32| self.moved.get(at).map(|(group, weight)| (*at, *group, *weight));
        let ends = self.order.iter().filter_map(end);
        ends.filter(|(at, group, _)| self.movables[*at as usize].origin != *group).collect()
    }
}

/// A move that lowers the fuller of two groups.
#[derive(Debug, Clone, Copy)]
struct Offer {
    kind: u32,
    weight: u32,
    taker: u32,
}
