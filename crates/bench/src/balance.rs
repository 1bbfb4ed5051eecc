//! What "balanced" means here, and what is said of a growth: always (moved, residual max/mean, arrivals until balanced).
//!
//! "0 moved" leaves skew and "perfectly even" hides moves, so no part of the triple is published without the others.
//! Balanced looks at both ends: the fullest *and* the emptiest group lie within 1 % of the mean, or within the one
//! instance that cannot be split. (The fullest alone would call ten empty groups among a thousand balanced: their
//! max/mean is 1.01.) Integers decide; quotients are only printed.

use crate::report::{Row, median};

/// How far from the mean a group of a balanced fleet may be.
const TOLERANCE_PERCENT: u64 = 1;

/// The owners that each group has, kept up to date by single arrivals.
#[derive(Debug, Clone)]
pub struct Load {
    owners: Vec<u64>,
    /// How many groups have exactly that many owners: it finds the emptiest in constant time per arrival.
    groups_having: Vec<u32>,
    total: u64,
    fullest: u64,
    emptiest: u64,
}

impl Load {
    /// The load of groups `0..groups` under these ownerships.
    ///
    /// # Panics
    /// If there is no group, or an owner names a group that does not exist.
    pub fn new(groups: u32, ownerships: &[u32]) -> Self {
        assert!(groups > 0, "a load needs a group");
        let mut load =
            Load { owners: vec![0; groups as usize], groups_having: vec![groups], total: 0, fullest: 0, emptiest: 0 };
        for &group in ownerships {
            load.add(group);
        }
        load
    }

    /// Counts one more owner in the group.
    ///
    /// # Panics
    /// If the group does not exist.
    pub fn add(&mut self, group: u32) {
        let owners = &mut self.owners[group as usize];
        let before = *owners as usize;
        *owners += 1;
        self.total += 1;
        self.fullest = self.fullest.max(*owners);
        if self.groups_having.len() == before + 1 {
            self.groups_having.push(0);
        }
        self.groups_having[before] -= 1;
        self.groups_having[before + 1] += 1;
        // The group that left the lowest step stands on the next, so the minimum rises by one at most.
        if before as u64 == self.emptiest && self.groups_having[before] == 0 {
            self.emptiest += 1;
        }
    }

    /// The owners of each group, by number.
    pub fn owners(&self) -> &[u64] {
        &self.owners
    }

    /// The fullest group ÷ the mean; one for a fleet without owners.
    pub fn max_over_mean(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.fullest as f64 * self.owners.len() as f64 / self.total as f64 }
    }

    /// The fullest group less the emptiest, in instances.
    pub fn max_minus_min(&self) -> u64 {
        self.fullest - self.emptiest
    }

    /// Whether every group lies within 1 % of the mean, or within the one instance that cannot be split.
    pub fn is_balanced(&self) -> bool {
        let groups = self.owners.len() as u64;
        let is_full_enough = self.emptiest * groups * 100 >= self.total * (100 - TOLERANCE_PERCENT)
            || self.emptiest >= self.total / groups;
        let is_empty_enough = self.fullest * groups * 100 <= self.total * (100 + TOLERANCE_PERCENT)
            || self.fullest <= self.total.div_ceil(groups);
        is_full_enough && is_empty_enough
    }
}

/// How many instances own another group than before.
///
/// # Panics
/// If the two do not speak of the same instances.
pub fn moved(before: &[u32], after: &[u32]) -> usize {
    assert_eq!(before.len(), after.len(), "moves are counted over the same instances");
    before.iter().zip(after).filter(|(old, new)| old != new).count()
}

/// What a growth did: the triple, with the balance that it started from.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// Instances that moved ÷ all instances.
    pub moved_share: f64,
    /// Before the groups joined.
    pub max_over_mean_before: f64,
    /// After they joined and whoever moves had moved.
    pub max_over_mean_after: f64,
    /// Instances, before.
    pub max_minus_min_before: f64,
    /// Instances, after.
    pub max_minus_min_after: f64,
    /// New instances until [`Load::is_balanced`]; 0 at once, `None` not within the limit of the measurement.
    pub arrivals_until_balanced: Option<f64>,
}

impl Growth {
    /// The median of each figure by itself; "never" is larger than any number.
    ///
    /// # Panics
    /// If there is no sample.
    pub fn median(samples: &[Growth]) -> Growth {
        let of = |figure: fn(&Growth) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
        let arrivals = of(|growth| growth.arrivals_until_balanced.unwrap_or(f64::INFINITY));
        Growth {
            moved_share: of(|growth| growth.moved_share),
            max_over_mean_before: of(|growth| growth.max_over_mean_before),
            max_over_mean_after: of(|growth| growth.max_over_mean_after),
            max_minus_min_before: of(|growth| growth.max_minus_min_before),
            max_minus_min_after: of(|growth| growth.max_minus_min_after),
            arrivals_until_balanced: Some(arrivals).filter(|count| count.is_finite()),
        }
    }
}

/// Somebody who places instances, and what growth did to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// Who it is.
    pub name: String,
    /// What was measured.
    pub growth: Growth,
}

/// The rows of one size: figure by figure, and within a figure contender by contender in the order given.
///
/// `minimum_share` is the share of instances that must move for the new groups to hold their part at once.
pub fn rows(size: usize, minimum_share: f64, contenders: &[Contender]) -> Vec<Row> {
    type Figure = fn(usize, f64, &Contender) -> Row;
    let figures: [Figure; 6] = [
        |size, minimum_share, Contender { name, growth }| {
            Row::new(format!("moved · {name}"), size, growth.moved_share * 100.0, "%")
                .against("minimum to be even", minimum_share * 100.0)
        },
        |size, _, Contender { name, growth }| {
            Row::new(format!("max/mean before · {name}"), size, growth.max_over_mean_before, "x")
        },
        |size, _, Contender { name, growth }| {
            Row::new(format!("max/mean after · {name}"), size, growth.max_over_mean_after, "x")
        },
        |size, _, Contender { name, growth }| {
            Row::new(format!("max-min before · {name}"), size, growth.max_minus_min_before, "instances")
        },
        |size, _, Contender { name, growth }| {
            Row::new(format!("max-min after · {name}"), size, growth.max_minus_min_after, "instances")
        },
        |size, _, Contender { name, growth }| {
            let name = format!("arrivals until balanced · {name}");
            match growth.arrivals_until_balanced {
                Some(arrivals) => Row::new(name, size, arrivals, "arrivals"),
                None => Row::never(name, size, "arrivals"),
            }
        },
    ];
    figures.iter().flat_map(|row| contenders.iter().map(move |contender| row(size, minimum_share, contender))).collect()
}

#[cfg(test)]
mod tests;
