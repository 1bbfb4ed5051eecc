//! A set of groups that the same instances may own, from which the lightest is taken quickly.
//!
//! Groups of one capacity stand in the order of their load, so the lightest for any weight is the first of one of the
//! capacities, and a fleet has few different ones. Ties fall to the smaller id, which is the smaller position (I1).

use std::collections::{BTreeMap, BTreeSet};

use super::ratio::Ratio;

/// Groups that the same instances may own.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// By capacity, the load and the position of each group.
    lots: BTreeMap<u32, BTreeSet<(u64, u32)>>,
    /// The sum of the loads.
    weight: u64,
    /// The sum of the capacities.
    capacity: u64,
}

impl Shelf {
    pub(super) fn put(&mut self, group: u32, capacity: u32, load: u64) {
        self.lots.entry(capacity).or_default().insert((load, group));
        self.weight += load;
        self.capacity += u64::from(capacity);
    }

    /// Notes that the load of a group is another.
    pub(super) fn change(&mut self, group: u32, capacity: u32, from: u64, to: u64) {
        let lot = self.lots.entry(capacity).or_default();
        lot.remove(&(from, group));
        lot.insert((to, group));
        self.weight = self.weight - from + to;
    }

    /// The lightest group after it had taken `weight`, other than `except`.
    pub(super) fn lightest(&self, weight: u64, except: u32) -> Option<(Ratio, u32)> {
        let of_lot = |(capacity, lot): (&u32, &BTreeSet<(u64, u32)>)| {
            let (load, group) = lot.iter().find(|(_, group)| *group != except)?;
            Some((Ratio::new(load + weight, u64::from(*capacity)), *group))
        };
        self.lots.iter().filter_map(of_lot).min()
    }

    /// The utilisation of all together, with `weight` more.
    pub(super) fn utilisation(&self, weight: u64) -> Ratio {
        Ratio::new(self.weight + weight, self.capacity)
    }
}
