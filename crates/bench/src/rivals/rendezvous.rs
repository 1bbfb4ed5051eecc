//! Rendezvous, or highest random weight (Thaler and Ravishankar, 1998).
//!
//! Every group bids a hash of (instance, group) and the highest bid wins; the smaller number wins a tie. The minimum
//! of moves for any change, at the price of one hash for each group: a billion for a million instances on a thousand,
//! which is why the bid is a single multiplication over two words hashed beforehand.

use super::{Rival, mix, seeds};

/// Places an instance with the highest bidder.
#[derive(Debug)]
pub(super) struct Rendezvous {
    seed: u64,
    bidders: Vec<u64>,
}

impl Rendezvous {
    pub(super) fn new(groups: u32, seed: u64) -> Self {
        Rendezvous { seed, bidders: seeds(0..groups, seed).collect() }
    }

    fn winner(&self, instance: u64) -> u32 {
        let mut highest = 0;
        let mut winner = 0;
        for (group, &bidder) in (0..).zip(&self.bidders) {
            let bid = mix(instance, bidder);
            if bid > highest {
                highest = bid;
                winner = group;
            }
        }
        winner
    }
}

impl Rival for Rendezvous {
    fn name(&self) -> &'static str {
        "rendezvous"
    }

    fn groups(&self) -> u32 {
        self.bidders.len() as u32
    }

    fn grow(&mut self, joining: u32) {
        let groups = self.groups();
        self.bidders.extend(seeds(groups..groups + joining, self.seed));
    }

    fn place(&self, instances: &[u64], _standing: &[u64]) -> Vec<u32> {
        instances.iter().map(|&instance| self.winner(instance)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::instances;
    use crate::rivals::tests::assert_growth_moves_only_to_the_joining;

    #[test]
    fn growth_moves_only_to_the_joining_groups() {
        assert_growth_moves_only_to_the_joining(&mut Rendezvous::new(50, 3));
    }

    #[test]
    fn a_group_that_leaves_moves_only_its_own_and_spreads_them() {
        // The paper's minimal disruption: the others' bids do not change, so their winners stay.
        let whole = Rendezvous::new(20, 3);
        let mut without_last = Rendezvous::new(20, 3);
        without_last.bidders.pop();
        let instances = instances(0..20_000, 3);
        let (before, after) = (whole.place(&instances, &[]), without_last.place(&instances, &[]));
        let mut inherited = [0_u32; 19];
        for (old, new) in before.iter().zip(&after) {
            if *old == 19 {
                inherited[*new as usize] += 1;
            } else {
                assert_eq!(old, new);
            }
        }
        // About 1000 instances over 19 heirs: 53 each, and a fair draw leaves 25..90 about once in 100,000 heirs.
        assert!(inherited.iter().all(|count| (25..90).contains(count)), "{inherited:?}");
    }
}
