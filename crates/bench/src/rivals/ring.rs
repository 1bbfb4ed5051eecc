//! The ring: consistent hashing with virtual nodes (Karger and others, 1997; virtual nodes as in Dynamo, 2007).
//!
//! Every group has a hundred points on a circle; an instance belongs to the first point at or after its own. Growth
//! moves only what the new points cut off, and a hundred points leave the arcs uneven by a third at a thousand groups.

use super::{Rival, mix, seeds};

/// Points of a group: the common default of client libraries.
const POINTS_PER_GROUP: u32 = 100;

/// Places an instance with the next point clockwise.
#[derive(Debug)]
pub(super) struct Ring {
    circle: Circle,
}

/// Points on a circle of 2^64 positions, each of a group.
#[derive(Debug)]
pub(super) struct Circle {
    seed: u64,
    points_per_group: u32,
    groups: u32,
    /// Sorted by position, then group, so that points at one position have an order too.
    points: Vec<(u64, u32)>,
}

impl Circle {
    pub(super) fn new(groups: u32, points_per_group: u32, seed: u64) -> Self {
        let mut circle = Circle { seed, points_per_group, groups: 0, points: Vec::new() };
        circle.grow(groups);
        circle
    }

    pub(super) fn groups(&self) -> u32 {
        self.groups
    }

    pub(super) fn grow(&mut self, joining: u32) {
        for group in self.groups..self.groups + joining {
            let positions = seeds(0..self.points_per_group, mix(u64::from(group), self.seed));
            self.points.extend(positions.map(|position| (position, group)));
        }
        self.groups += joining;
        self.points.sort_unstable();
    }

    /// The groups of the points met clockwise from a position, once around.
    pub(super) fn clockwise(&self, position: u64) -> impl Iterator<Item = u32> {
        let start = self.points.partition_point(|point| point.0 < position);
        let (behind, ahead) = self.points.split_at(start);
        ahead.iter().chain(behind).map(|point| point.1)
    }
}

impl Ring {
    pub(super) fn new(groups: u32, seed: u64) -> Self {
        Ring { circle: Circle::new(groups, POINTS_PER_GROUP, seed) }
    }
}

impl Rival for Ring {
    fn name(&self) -> &'static str {
        "ring of 100 points"
    }

    fn groups(&self) -> u32 {
        self.circle.groups()
    }

    fn grow(&mut self, joining: u32) {
        self.circle.grow(joining);
    }

    fn place(&self, instances: &[u64], _standing: &[u64]) -> Vec<u32> {
        let owner = |instance: &u64| self.circle.clockwise(*instance).next().expect("a ring has a group");
        instances.iter().map(owner).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::instances;
    use crate::rivals::tests::assert_growth_moves_only_to_the_joining;

    #[test]
    fn an_instance_belongs_to_the_nearest_point_clockwise() {
        let ring = Ring::new(8, 4);
        assert_eq!(ring.circle.points.len(), 800);
        for instance in instances(0..2_000, 4).into_iter().chain([0, u64::MAX, ring.circle.points[17].0]) {
            // The definition: the least distance forward, with the circle closing at 2^64.
            let (_, nearest) = ring.circle.points.iter().min_by_key(|point| point.0.wrapping_sub(instance)).unwrap();
            assert_eq!(ring.place(&[instance], &[]), [*nearest]);
        }
    }

    #[test]
    fn growth_moves_only_to_the_joining_groups() {
        assert_growth_moves_only_to_the_joining(&mut Ring::new(50, 3));
    }
}
