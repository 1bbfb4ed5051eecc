//! Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2018).
//!
//! A ring on which no group takes more than its capacity, ⌈(1 + ε) · instances ÷ groups⌉: an instance walks on to
//! the first group with room. Instances are taken in a fixed order, so the outcome depends on who is there and not
//! on how they came; who moves in a growth is measured between the two outcomes. More move than the minimum,
//! because every new group and every smaller capacity changes who found a full group.

use super::Rival;
use super::ring::Circle;

/// ε in percent: the fullest group is at most this much above the mean. A quarter is the usual setting in practice.
const SLACK_PERCENT: u64 = 25;

/// Points of a group: one, as in the paper, whose bound needs no virtual nodes.
const POINTS_PER_GROUP: u32 = 1;

/// Places an instance with the next group clockwise that has room.
#[derive(Debug)]
pub(super) struct BoundedLoads {
    circle: Circle,
}

impl BoundedLoads {
    pub(super) fn new(groups: u32, seed: u64) -> Self {
        BoundedLoads { circle: Circle::new(groups, POINTS_PER_GROUP, seed) }
    }
}

/// The most owners that a group may have.
fn capacity(instances: u64, groups: u32) -> u64 {
    (instances * (100 + SLACK_PERCENT)).div_ceil(100 * u64::from(groups))
}

impl Rival for BoundedLoads {
    fn name(&self) -> &'static str {
        "bounded loads"
    }

    fn groups(&self) -> u32 {
        self.circle.groups()
    }

    fn grow(&mut self, joining: u32) {
        self.circle.grow(joining);
    }

    /// The capacity is that of the moment when the last of these instances is there.
    fn place(&self, instances: &[u64], standing: &[u64]) -> Vec<u32> {
        let mut owners = standing.to_vec();
        let capacity = capacity(owners.iter().sum::<u64>() + instances.len() as u64, self.groups());
        let owner = |instance: &u64| {
            let mut clockwise = self.circle.clockwise(*instance);
            let group = clockwise.find(|group| owners[*group as usize] < capacity);
            let group = group.expect("capacities add up to more than the instances");
            owners[group as usize] += 1;
            group
        };
        instances.iter().map(owner).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Load;
    use crate::rivals::instances;

    #[test]
    fn no_group_exceeds_the_bound_and_some_reach_it() {
        for size in [1_000, 10_000, 33_333] {
            let rival = BoundedLoads::new(100, 2);
            let load = Load::new(100, &rival.place(&instances(0..size, 2), &[0; 100]));
            let fullest = *load.owners().iter().max().unwrap();
            assert_eq!(fullest, (1.25 * size as f64 / 100.0).ceil() as u64, "{size} instances");
        }
    }

    #[test]
    fn an_instance_passes_only_full_groups() {
        let rival = BoundedLoads::new(20, 2);
        let instances = instances(0..1_000, 2);
        let mut owners = vec![0_u64; 20];
        let mut passed = 0;
        for (instance, group) in instances.iter().zip(rival.place(&instances, &[0; 20])) {
            // 1.25 · 1000 ÷ 20 = 62.5, so 63 is full.
            for before in rival.circle.clockwise(*instance).take_while(|other| *other != group) {
                assert_eq!(owners[before as usize], 63);
                passed += 1;
            }
            owners[group as usize] += 1;
        }
        assert!(passed > 0, "nobody was ever forwarded, so nothing was tested");
    }

    #[test]
    fn arrivals_see_who_is_already_there() {
        let rival = BoundedLoads::new(2, 2);
        // Three stand in group 0 and one arrives: the capacity is ⌈1.25 · 4 ÷ 2⌉ = 3, so group 1 it is, from anywhere.
        for instance in instances(0..50, 2) {
            assert_eq!(rival.place(&[instance], &[3, 0]), [1]);
        }
    }
}
