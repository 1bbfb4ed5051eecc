//! Tenure's own decision code as a contender: the allocator's rules in memory, without the store around them.
//!
//! The same `Frame`, `State` and `decide` that a leader runs, on one `shard` boundary of all groups. After the growth
//! either nobody is moved and the ramp lets arrivals even it out, or `plan rebalance` does; both are shown, because
//! "0 moved" leaves skew. Nothing here is drawn at random, so one run says it all.

use std::collections::BTreeSet;
use std::time::Instant;

use domain::ids::{DecisionId, Generation, InstanceId};
use domain::master_data::InstanceStatus;
use domain::orchestration::plan::{Draft, PPM, RebalancePlanner, plan_over};
use domain::orchestration::{Ask, Frame, Holder, Outcome, Ownership, Request, State, Subject, decide_all};
use domain::time::Micros;

use crate::balance::{Contender, Growth, Load};
use crate::fleet::{SHARD_PRODUCT, Shape, instance_id};
use crate::report::{Goal, Row};
use crate::rivals::{GROUPS, JOINING};

/// Arrivals are followed until the fleet has doubled, as for the rivals.
const ARRIVALS_PER_INSTANCE_MAX: usize = 1;

/// The plan may make so many times the fewest moves.
const REBALANCE_MOVES_MAX: f64 = 1.05;

/// Decisions that the allocator takes and commits together.
const BATCH: usize = 5_000;

/// Arrivals that are followed at a time, as for the rivals.
const ARRIVALS_CHUNK: usize = 1_000;

/// How fast decisions are taken in memory.
const DECISIONS_MIN_PER_S: f64 = 100_000.0;

/// A fleet under Tenure's rules: who owns what, and the counters.
pub struct Ours {
    frame: Frame,
    state: State,
    product: u32,
    template: Option<u32>,
    /// The owner of each instance, by position of the group in the frame.
    owners: Vec<u32>,
}

impl Ours {
    /// Groups without owners, and a product whose boundary is all of them.
    pub fn new(groups: u32, product: &str) -> Self {
        let frame = frame_of(groups);
        let state = State::from_rows(&frame, &[], &[]);
        let at = frame.products.iter().position(|(id, _)| id.as_str() == product).expect("a product of the fleet");
        let template = frame.products[at].1;
        let product = u32::try_from(at).expect("two products");
        Self { frame, state, product, template, owners: Vec::new() }
    }

    /// The request of an instance that has no owner.
    fn request(&self, number: usize) -> Request {
        Request {
            instance: instance_id(number),
            product: self.product,
            template: self.template,
            jurisdiction: None,
            weight: 1,
            ask: Ask::Allocate,
            held: None,
        }
    }

    /// Allocates so many more instances, batch by batch as the allocator does; says to which groups.
    pub fn allocate(&mut self, instances: usize) -> &[u32] {
        let (begin, end) = (self.owners.len(), self.owners.len() + instances);
        for first in (begin..end).step_by(BATCH) {
            let requests = (first..end.min(first + BATCH)).map(|number| self.request(number)).collect();
            let decided = decide_all(&self.frame, &mut self.state, requests);
            self.owners.extend(decided.iter().map(|it| match it.outcome {
                Outcome::Owned { group } => group,
                _ => unreachable!("a group of the boundary is open"),
            }));
        }
        &self.owners[begin..]
    }

    /// Makes the moves of a plan.
    fn make(&mut self, plan: &Draft) {
        for it in &plan.moves {
            let number: usize = it.instance.as_str()["svc-".len()..].parse().expect("an instance of the fleet");
            let to = self.frame.find_group(&it.to).expect("a group of the fleet");
            let from = std::mem::replace(&mut self.owners[number], to);
            self.state.loads[from as usize].remove(self.product, 1);
            self.state.loads[to as usize].add(self.product, 1, 1);
        }
    }

    /// Lets groups join; their ids come after the others, so positions stay.
    pub fn grow(&mut self, joining: u32) {
        let groups = u32::try_from(self.frame.groups.len()).expect("thousands of groups") + joining;
        let frame = frame_of(groups);
        self.state = self.state.carry_over(&self.frame, &frame);
        self.frame = frame;
    }

    /// The owners of each group.
    pub fn load(&self) -> Load {
        Load::new(u32::try_from(self.frame.groups.len()).expect("thousands of groups"), &self.owners)
    }

    /// What `plan rebalance` would do.
    pub fn rebalance(&self) -> Draft {
        let held = self.held();
        plan_over(RebalancePlanner::new(&self.frame, &self.state, PPM), self.subjects(&held))
    }

    /// What decisions are taken by.
    pub fn books(&self) -> (&Frame, &State) {
        (&self.frame, &self.state)
    }

    /// The ownership rows of all instances.
    pub fn held(&self) -> Vec<(InstanceId, Ownership)> {
        let product = &self.frame.products[self.product as usize].0;
        let held = self.owners.iter().enumerate().map(|(number, group)| {
            let holder = Holder::Group {
                region: self.frame.region_of(*group).id.clone(),
                group: self.frame.group(*group).id.clone(),
                weight: 1,
                product: product.clone(),
            };
            let decision = DecisionId { batch: 1, ordinal: 0 };
            let owner = Ownership { holder, generation: Generation(1), version: 1, decision, since: Micros(0) };
            (instance_id(number), owner)
        });
        held.collect()
    }

    /// All instances as planners see them.
    pub fn subjects<'a>(&'a self, held: &'a [(InstanceId, Ownership)]) -> impl Iterator<Item = Subject<'a>> {
        let product = &self.frame.products[self.product as usize].0;
        held.iter().map(move |(id, owner)| Subject {
            id,
            product,
            jurisdiction: None,
            status: InstanceStatus::Active,
            is_expired: false,
            weight: 1,
            location: None,
            ownership: Some(owner),
            revision: self.frame.revision,
        })
    }
}

fn frame_of(groups: u32) -> Frame {
    Frame::build(&Shape { groups, nodes_per_group: 1 }.topology(), &BTreeSet::new())
}

/// Tenure beside the rivals: without a plan, and with `plan rebalance` after the growth.
pub struct Measured {
    /// Both ways, for the rows that all contenders share.
    pub contenders: [Contender; 2],
    /// What only Tenure is asked for.
    pub rows: Vec<Row>,
}

/// Fills the groups, lets some join, and follows the arrivals after it.
pub fn measure(size: usize) -> Measured {
    let mut ours = Ours::new(GROUPS, SHARD_PRODUCT);
    let started = Instant::now();
    ours.allocate(size);
    let seconds = started.elapsed().as_secs_f64();
    let before = ours.load();
    let filled = ours.owners.clone();
    ours.grow(JOINING);
    let after = ours.load();
    let moved = crate::balance::moved(&filled, &ours.owners) as f64 / size as f64;
    let growth = |after: &Load, moved_share, arrivals| Growth {
        moved_share,
        max_over_mean_before: before.max_over_mean(),
        max_over_mean_after: after.max_over_mean(),
        max_minus_min_before: before.max_minus_min() as f64,
        max_minus_min_after: after.max_minus_min() as f64,
        arrivals_until_balanced: arrivals,
    };
    let plan = ours.rebalance();
    let mut planned = Ours { frame: ours.frame.clone(), state: ours.state.clone(), owners: filled, ..ours };
    planned.make(&plan);
    let even = planned.load();
    let mut rows = vec![
        Row::new("fill: max-min · Tenure", size, before.max_minus_min() as f64, "instances")
            .goal(Goal::ValueAtMost(1.0)),
        Row::new("growth: moved · Tenure", size, moved * 100.0, "%").goal(Goal::ValueAtMost(0.0)),
    ];
    rows.extend(rebalance_rows(size, &after, &even, plan.moves.len()));
    rows.push(decisions_row("shard", size, size as f64 / seconds));
    let unplanned = growth(&after, moved, arrivals_until_balanced(&mut ours, after.clone(), size));
    let moved = plan.moves.len() as f64 / size as f64;
    let replanned = growth(&even, moved, arrivals_until_balanced(&mut planned, even.clone(), size));
    let contenders = [
        Contender { name: "Tenure, no plan".to_owned(), growth: unplanned },
        Contender { name: "Tenure, plan rebalance".to_owned(), growth: replanned },
    ];
    Measured { contenders, rows }
}

/// The fullest group cannot come below the mean rounded up, so whoever stands above it gives the difference; and no
/// group is to stay below 80 % of the mean, so whoever stands below takes it. One move can do both. Where a single
/// instance is more than that, exchanging places helps nobody: the mean rounded down is enough.
fn fewest_moves(owners: &[u64]) -> u64 {
    let (total, groups) = (owners.iter().sum::<u64>(), owners.len() as u64);
    let level = total.div_ceil(groups);
    let floor = (total * 4).div_ceil(groups * 5).min(total / groups);
    let excess: u64 = owners.iter().map(|owners| owners.saturating_sub(level)).sum();
    let lack: u64 = owners.iter().map(|owners| floor.saturating_sub(*owners)).sum();
    excess.max(lack)
}

fn rebalance_rows(size: usize, before: &Load, after: &Load, moves: usize) -> Vec<Row> {
    let level = (size as u64).div_ceil(before.owners().len() as u64);
    let fullest = after.owners().iter().copied().max().unwrap_or_default();
    let moves = Row::new("rebalance: moves", size, moves as f64, "instances")
        .against("the fewest that suffice", fewest_moves(before.owners()) as f64)
        .goal(Goal::RatioAtMost(REBALANCE_MOVES_MAX));
    let level = Row::new("rebalance: fullest group", size, fullest as f64, "instances")
        .against("the mean, rounded up", level as f64)
        .goal(Goal::RatioAtMost(1.0));
    vec![moves, level]
}

fn decisions_row(mode: &str, size: usize, per_s: f64) -> Row {
    Row::new(format!("decisions in memory, {mode}, {GROUPS} groups"), size, per_s, "decisions/s")
        .goal(Goal::ValueAtLeast(DECISIONS_MIN_PER_S))
}

/// Decisions per second in `regional` mode: the region first, then the group.
pub fn regional_row(size: usize) -> Row {
    let mut ours = Ours::new(GROUPS, crate::fleet::REGIONAL_PRODUCT);
    let started = Instant::now();
    ours.allocate(size);
    decisions_row("regional", size, size as f64 / started.elapsed().as_secs_f64())
}

fn arrivals_until_balanced(ours: &mut Ours, mut load: Load, size: usize) -> Option<f64> {
    let mut arrived = 0_u32;
    while !load.is_balanced() {
        if arrived as usize >= size * ARRIVALS_PER_INSTANCE_MAX {
            return None;
        }
        for group in ours.allocate(ARRIVALS_CHUNK) {
            load.add(*group);
            arrived += 1;
            if load.is_balanced() {
                break;
            }
        }
    }
    Some(f64::from(arrived))
}

#[cfg(test)]
mod tests;
