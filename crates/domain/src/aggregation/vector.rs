//! What the store holds of one (reporter, incarnation): a sequence up to which every shard holds all, and for shards that
//! committed more, how far those are ahead.
//!
//! It is made from the generations of a replica and the watermarks of its shards: a generation names the last sequence
//! of each reporter that it touched, and a shard holds a generation if its watermark has reached it (I12). A replay
//! after a lost disk counts each report in exactly the shards that this vector does not hold it for (I10).
//! One cut closes a generation for all shards (I13); were each shard sealed alone, one sequence could not say this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shard::{SHARD_COUNT, ShardIndex, ShardSet};

/// A generation of a replica: how many cuts it made before. An ownership's generation is [`crate::ids::Generation`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationIndex(pub u64);

impl std::fmt::Display for GenerationIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The watermarks of a replica, one for each shard.
pub type Marks = [GenerationIndex; SHARD_COUNT as usize];

/// How far the shards hold the reports of one (reporter, incarnation).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vector {
    /// Every shard holds every sequence up to this one.
    through: u64,
    /// Shards that hold more, and up to where; each is above `through`.
    ahead: BTreeMap<ShardIndex, u64>,
}

impl Vector {
    /// A vector; what is not above `through` is ahead of nothing and left out.
    pub fn new(through: u64, ahead: impl IntoIterator<Item = (ShardIndex, u64)>) -> Self {
        let mut vector = Self { through, ahead: BTreeMap::new() };
        for (shard, sequence) in ahead {
            vector.raise(shard, sequence);
        }
        vector
    }

    /// The vector of a reporter by the generations that name it and the watermarks of the shards.
    ///
    /// `folded` is the last sequence of generations that were cleaned, all of which lie below every watermark.
    /// `generations` may come in any order.
    pub fn of_generations(
        folded: u64,
        generations: impl IntoIterator<Item = (GenerationIndex, u64)>,
        marks: &Marks,
    ) -> Self {
        let mut vector = Self { through: folded, ahead: BTreeMap::new() };
        let smallest = marks.iter().min().copied().unwrap_or_default();
        for (generation, sequence) in generations {
            if generation <= smallest {
                vector.advance_to(sequence);
                continue;
            }
            let holding = ShardIndex::all().filter(|shard| generation <= marks[shard.index()]);
            holding.for_each(|shard| vector.raise(shard, sequence));
        }
        vector
    }

    /// Every shard holds every sequence up to this one: what `committed_through` says.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// The shards that hold more.
    pub fn ahead(&self) -> &BTreeMap<ShardIndex, u64> {
        &self.ahead
    }

    /// Whether the shard holds what this report says about its instances.
    pub fn holds(&self, shard: ShardIndex, sequence: u64) -> bool {
        sequence <= self.ahead.get(&shard).copied().unwrap_or(self.through)
    }

    /// The shards for which a replay of this report must count nothing.
    pub fn skipped(&self, sequence: u64) -> ShardSet {
        if sequence <= self.through {
            return ShardSet::ALL;
        }
        self.ahead.iter().filter(|(_, held)| sequence <= **held).map(|(shard, _)| *shard).collect()
    }

    /// Every shard holds up to this sequence now; goes never back.
    pub fn advance_to(&mut self, sequence: u64) {
        self.through = self.through.max(sequence);
        let through = self.through;
        self.ahead.retain(|_, held| *held > through);
    }

    /// Takes in all that the other holds. Commutative, associative, idempotent.
    pub fn join(&mut self, other: &Self) {
        self.advance_to(other.through);
        for (shard, sequence) in &other.ahead {
            self.raise(*shard, *sequence);
        }
    }

    fn raise(&mut self, shard: ShardIndex, sequence: u64) {
        if sequence > self.through {
            let held = self.ahead.entry(shard).or_default();
            *held = sequence.max(*held);
        }
    }
}
