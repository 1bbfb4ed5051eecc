//! Jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014).
//!
//! The hash of the instance seeds a generator whose jumps name the group counts at which the instance would move;
//! the last jump below the number of groups is its group. No memory, the minimum of moves, groups only at the end.

use super::Rival;

/// Places an instance by its last jump.
#[derive(Debug)]
pub(super) struct Jump {
    groups: u32,
}

impl Jump {
    pub(super) fn new(groups: u32) -> Self {
        Jump { groups }
    }
}

impl Rival for Jump {
    fn name(&self) -> &'static str {
        "jump"
    }

    fn groups(&self) -> u32 {
        self.groups
    }

    fn grow(&mut self, joining: u32) {
        self.groups += joining;
    }

    fn place(&self, instances: &[u64], _standing: &[u64]) -> Vec<u32> {
        instances.iter().map(|&instance| jump(instance, self.groups)).collect()
    }
}

/// The paper's function; its floating point is part of it and exact, since every term is below 2^53.
fn jump(mut key: u64, groups: u32) -> u32 {
    let mut group = 0;
    let mut next = 0.0;
    while next < f64::from(groups) {
        group = next as u32;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let draw = ((key >> 33) + 1) as f64;
        next = ((f64::from(group) + 1.0) * ((1_u64 << 31) as f64 / draw)).floor();
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::assert_growth_moves_only_to_the_joining;

    #[test]
    fn the_published_vectors_hold() {
        // The vectors that Guava publishes and other implementations repeat.
        let first_twenty_of_100: [u32; 20] =
            [0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83];
        for (key, group) in (0..).zip(first_twenty_of_100) {
            assert_eq!(jump(key, 100), group, "key {key}");
        }
        let single = [
            (10_863_919_174_838_991, 11, 6),
            (2_016_238_256_797_177_309, 11, 3),
            (1_673_758_223_894_951_030, 11, 5),
            (2, 100_001, 80_343),
            (2201, 100_001, 22_152),
            (2202, 100_001, 15_018),
            (256, 1024, 520),
        ];
        for (key, groups, group) in single {
            assert_eq!(jump(key, groups), group, "key {key} on {groups}");
        }
    }

    #[test]
    fn growth_moves_only_to_the_joining_groups() {
        assert_growth_moves_only_to_the_joining(&mut Jump::new(50));
    }
}
