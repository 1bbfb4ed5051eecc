//! What a plan says before anything is done: its moves, what it leaves alone, what it cannot help, and the balance.
//!
//! Every instance that is not terminated is counted in exactly one of stay, move, repair and blocked, so the four
//! always add up to the fleet. A draft is a value; the shell stores it and applies it at a rate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::steps::Steps;
use crate::ids::{Generation, GroupId, InstanceId, ProductId};
use crate::master_data::Kind;
use crate::orchestration::Subject;
use crate::reason::Reason;

/// One planned move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub instance: InstanceId,
    /// The owner that the planner saw; absent when it had none.
    pub from: Option<GroupId>,
    /// The generation that the planner saw; the move is a compare-and-set on it.
    pub from_generation: Generation,
    pub to: GroupId,
}

/// What becomes of the instances. Terminated ones are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Left as they are, broken ones that are not the business of this plan among them.
    pub stay: u64,
    /// Valid owners that change.
    pub moves: u64,
    /// Broken owners that are replaced.
    pub repair: u64,
    /// Should change and cannot, or have no owner and no candidate: [`Draft::blocked`] says why.
    pub blocked: u64,
}

/// What the moves do to one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFlow {
    pub group: GroupId,
    /// Instances that come.
    pub arriving: u64,
    /// Instances that go.
    pub leaving: u64,
}

/// What a change of the topology does to the instances of one product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductImpact {
    /// Instances whose owner becomes another, or first comes to be, by the change.
    pub ownership_changed: u64,
    /// Instances that are delivered another set of nodes.
    pub instances: u64,
    /// (instance, node) pairs that are delivered after and not before.
    pub nodes_added: u64,
    /// (instance, node) pairs that are delivered before and not after.
    pub nodes_removed: u64,
}

impl ProductImpact {
    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.ownership_changed += other.ownership_changed;
        self.instances += other.instances;
        self.nodes_added += other.nodes_added;
        self.nodes_removed += other.nodes_removed;
    }
}

/// The blast radius of a change of the topology, exact over every instance, after the plan has run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    pub total: ProductImpact,
    /// Only products that are touched.
    pub by_product: BTreeMap<ProductId, ProductImpact>,
    /// Instances without an owner to which the change gives one: the allocator does, not a move of the plan.
    pub allocated: u64,
    /// Broken instances that the change lets the allocator repair; no moves of the plan either.
    pub repaired: u64,
}

/// A plan before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// In the order in which they should be made.
    pub moves: Vec<Move>,
    pub summary: Summary,
    /// How many instances are blocked for which reason.
    pub blocked: BTreeMap<Reason, u64>,
    /// The fullest candidate ÷ the mean of its boundary, in millionths, over all boundaries the largest.
    pub before_ppm: u64,
    /// The same after the plan.
    pub after_ppm: u64,
    /// Groups that somebody comes to or goes from, by id.
    pub groups: Vec<GroupFlow>,
    /// Only of `topology`.
    pub impact: Option<Impact>,
    /// What is written before and after the moves; nothing for `repair`, `rebalance` and `move`.
    pub steps: Steps,
    /// What puts the written objects back as they were: the steps of an undo.
    pub revert: Change,
    /// Only of `undo`: objects that somebody has edited after the plan that is taken back; they stay as they are.
    #[serde(default)]
    pub left_alone: Vec<(Kind, String)>,
}

impl Draft {
    /// Counts an instance that should change and cannot.
    pub(super) fn block(&mut self, why: Reason) {
        self.block_many(why, 1);
    }

    /// Counts instances that should change and cannot.
    pub(super) fn block_many(&mut self, why: Reason, instances: u64) {
        self.summary.blocked += instances;
        *self.blocked.entry(why).or_default() += instances;
    }

    /// Works out the flows of the groups from the moves.
    pub(super) fn sum_up_groups(&mut self) {
        let mut flows: BTreeMap<&GroupId, (u64, u64)> = BTreeMap::new();
        for it in &self.moves {
            flows.entry(&it.to).or_default().0 += 1;
            if let Some(from) = &it.from {
                flows.entry(from).or_default().1 += 1;
            }
        }
        let flow = |(group, (arriving, leaving)): (&GroupId, (u64, u64))| GroupFlow {
            group: group.clone(),
            arriving,
            leaving,
        };
        self.groups = flows.into_iter().map(flow).collect();
    }
}

/// Works out one kind of plan.
pub trait Planner {
    /// Looks at an instance. Every instance is shown once, in any order; the draft is the same.
    fn see(&mut self, subject: &Subject<'_>);

    /// Says what the plan would do.
    fn finish(self) -> Draft;
}

/// Shows all instances to a planner.
pub fn plan_over<'a>(mut planner: impl Planner, subjects: impl IntoIterator<Item = Subject<'a>>) -> Draft {
    for subject in subjects {
        planner.see(&subject);
    }
    planner.finish()
}
