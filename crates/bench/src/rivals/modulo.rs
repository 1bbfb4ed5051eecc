//! Modulo: the hash of the instance, modulo the number of groups. The way that needs no paper.
//!
//! As even as any hash, and nearly everybody moves when the number of groups changes: with g becoming g + k only
//! the instances whose hash modulo lcm(g, g + k) lies below g stay.

use super::Rival;

/// Places an instance by the remainder of its hash.
#[derive(Debug)]
pub(super) struct Modulo {
    groups: u32,
}

impl Modulo {
    pub(super) fn new(groups: u32) -> Self {
        Modulo { groups }
    }
}

impl Rival for Modulo {
    fn name(&self) -> &'static str {
        "modulo"
    }

    fn groups(&self) -> u32 {
        self.groups
    }

    fn grow(&mut self, joining: u32) {
        self.groups += joining;
    }

    fn place(&self, instances: &[u64], _standing: &[u64]) -> Vec<u32> {
        let groups = u64::from(self.groups);
        instances.iter().map(|instance| (instance % groups) as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::moved;

    #[test]
    fn over_one_cycle_exactly_the_first_thousand_stay() {
        // lcm(1000, 1010) = 101,000: of these hashes only 0..1000 have the same remainder twice.
        let instances: Vec<u64> = (0..101_000).collect();
        let mut modulo = Modulo::new(1000);
        let before = modulo.place(&instances, &[]);
        modulo.grow(10);
        let after = modulo.place(&instances, &[]);
        assert_eq!(moved(&before, &after), 100_000);
        assert_eq!(moved(&before[..1000], &after[..1000]), 0);
    }
}
