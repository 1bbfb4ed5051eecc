//! How low the fullest group can come at all: the level above which a group has to give.
//!
//! Groups that share instances, directly or through others, level out together. Poured into them anew in steps of the
//! largest weight that divides everything, the load stands no higher than the level anywhere; nothing can bring the
//! fullest lower. It depends on sums alone, which moves do not change, so a plan made twice finds the same (I8).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ratio::Ratio;
use crate::orchestration::plan::PPM;

/// Groups that level out together.
#[derive(Debug)]
pub(super) struct Basins {
    /// A group of the same basin, nearer to its root; the root names itself.
    parents: Vec<u32>,
}

impl Basins {
    pub(super) fn new(groups: usize) -> Self {
        Self { parents: (0..u32::try_from(groups).expect("positions are u32")).collect() }
    }

    /// The group that stands for the basin.
    pub(super) fn root(&mut self, group: u32) -> u32 {
        let mut at = group;
        while self.parents[at as usize] != at {
            let grandparent = self.parents[self.parents[at as usize] as usize];
            self.parents[at as usize] = grandparent;
            at = grandparent;
        }
        at
    }

    /// Says that two groups share instances.
    pub(super) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }
}

/// The level of a basin of (load, capacity), with loads in multiples of `unit`; or `to_ppm` of its mean, if higher.
pub(super) fn level(groups: &[(u64, u32)], unit: u64, to_ppm: u64) -> Ratio {
    let unit = unit.max(1);
    let weight: u64 = groups.iter().map(|(load, _)| load).sum();
    let capacity: u64 = groups.iter().map(|(_, capacity)| u64::from(*capacity)).sum();
    let wanted =
        Ratio { weight: u128::from(weight) * u128::from(to_ppm), capacity: u128::from(capacity) * u128::from(PPM) };
    // Each group first takes the whole units that fit below the mean; the few that are left over are poured one by one.
    let below = |size: u32| {
        let share = u128::from(weight) * u128::from(size) / (u128::from(capacity.max(1)) * u128::from(unit));
        u64::try_from(share).expect("a part is smaller than the whole")
    };
    let mut left = (weight / unit).saturating_sub(groups.iter().map(|(_, size)| below(*size)).sum());
    let mut lowest = Ratio::new(0, 1);
    let mut next = BinaryHeap::new();
    for (_, size) in groups {
        let units = below(*size);
        lowest = lowest.max(Ratio::new(units * unit, u64::from(*size)));
        next.push(Reverse((Ratio::new((units + 1) * unit, u64::from(*size)), units + 1, *size)));
    }
    while left > 0 {
        let Some(Reverse((reached, units, size))) = next.pop() else { break };
        lowest = lowest.max(reached);
        next.push(Reverse((Ratio::new((units + 1) * unit, u64::from(size)), units + 1, size)));
        left -= 1;
    }
    lowest.max(wanted)
}

/// The largest number that divides both; the other where one is 0.
pub(super) fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_lowest_that_the_fullest_can_come_to() {
        let even = |groups, load| vec![(load, 1u32); groups];
        assert_eq!(level(&even(4, 25), 1, PPM), Ratio::new(25, 1));
        let mut grown = even(1000, 1000);
        grown.extend(even(10, 0));
        assert_eq!(level(&grown, 1, PPM), Ratio::new(991, 1));
        assert_eq!(level(&[(9, 3), (0, 1)], 1, PPM), Ratio::new(7, 3));
        assert_eq!(level(&[(10, 1), (0, 1)], 10, PPM), Ratio::new(10, 1), "one that cannot be split stays");
        assert_eq!(level(&[(150, 1), (50, 1)], 1, 1_200_000), Ratio::new(120, 1));
        assert_eq!(level(&[], 1, PPM), Ratio::new(0, 1));
    }
}
