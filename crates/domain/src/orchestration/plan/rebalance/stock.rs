//! The instances of a group that could move, by the groups that may take them and by weight.
//!
//! Whoever was moved last goes first: the newest decision, then the smaller id. So an instance that is on its way
//! already is preferred to one that would have to be disturbed, and the choice is the same on every machine (I1).

use std::collections::BTreeMap;

use crate::ids::{DecisionId, Generation, InstanceId};

/// An instance that could move.
#[derive(Debug, Clone)]
pub(super) struct Movable {
    pub(super) id: InstanceId,
    pub(super) decision: DecisionId,
    pub(super) generation: Generation,
    /// Where it is now; the plan moves it from here, however often it is thought about.
    pub(super) origin: u32,
    pub(super) product: u32,
}

/// Instances of one kind and one weight in one group.
#[derive(Debug, Default)]
struct Lot {
    /// Positions among all movables; sorted, the next to go last.
    movables: Vec<u32>,
    is_sorted: bool,
}

/// The instances of one group that could move.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// By kind and weight.
    lots: BTreeMap<(u32, u32), Lot>,
}

impl Stock {
    /// Adds one that is there.
    pub(super) fn add(&mut self, kind: u32, weight: u32, movable: u32) {
        self.lots.entry((kind, weight)).or_default().movables.push(movable);
    }

    /// Adds one that has just come: it would go first.
    pub(super) fn come(&mut self, kind: u32, weight: u32, movable: u32, all: &[Movable]) {
        let lot = self.lots.entry((kind, weight)).or_default();
        lot.sort(all);
        lot.movables.push(movable);
    }

    /// Takes the next of a kind and weight.
    pub(super) fn go(&mut self, kind: u32, weight: u32, all: &[Movable]) -> Option<u32> {
        let lot = self.lots.get_mut(&(kind, weight))?;
        lot.sort(all);
        let gone = lot.movables.pop();
        if lot.movables.is_empty() {
            self.lots.remove(&(kind, weight));
        }
        gone
    }

    /// For each kind the weights that are worth a thought, the larger first: the largest that is not more than
    /// `excess`, since it brings the group down in the fewest moves, and the smallest, since it finds room where any
    /// other does.
    pub(super) fn offers(&self, excess: u64) -> Vec<(u32, u32)> {
        let mut offers = Vec::new();
        let mut kinds = self.lots.keys().map(|(kind, _)| *kind).collect::<Vec<_>>();
        kinds.dedup();
        for kind in kinds {
            let up_to = u32::try_from(excess).unwrap_or(u32::MAX);
            let fitting = self.lots.range((kind, 0)..=(kind, up_to)).next_back();
            let smallest = self.lots.range((kind, 0)..).next();
            let pair = [fitting, smallest].map(|it| it.map(|(key, _)| *key));
            offers.extend(pair[0].filter(|_| pair[0] != pair[1]));
            offers.extend(pair[1]);
        }
        offers
    }
}

impl Lot {
    fn sort(&mut self, all: &[Movable]) {
        if !self.is_sorted {
            self.movables.sort_unstable_by(|a, b| {
                let (a, b) = (&all[*a as usize], &all[*b as usize]);
                a.decision.cmp(&b.decision).then_with(|| b.id.cmp(&a.id))
            });
            self.is_sorted = true;
        }
    }
}
