//! Shards: the fixed slices of the hash of the instance id by which counts are flushed.
//!
//! The hash is named (XXH3-64 of the id, modulo 64) and pinned by test vectors: a database outlives the build that
//! wrote it, and an instance that changed its shard would be counted below two watermarks (I12).
//! A set of shards is a word of 64 bits, small enough to stand in every log record.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::ids::InstanceId;

/// Fixed for the life of a database. 64: enough transactions to spread a flush, few enough to advance all at once.
pub const SHARD_COUNT: u8 = 64;

/// A slice of the hash of the instance id; below [`SHARD_COUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ShardIndex(u8);

/// A number that is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a shard is a number below {SHARD_COUNT}, not {found}")]
pub struct ShardError {
    found: u8,
}

impl ShardIndex {
    /// The first shard; what belongs to an id that cannot be read is accounted here.
    pub const ZERO: Self = Self(0);

    /// The shard of an instance.
    pub fn of(instance: &InstanceId) -> Self {
        Self::of_text(instance.as_str())
    }

    /// The shard of the id with this spelling.
    pub fn of_text(instance: &str) -> Self {
        let slice = xxh3_64(instance.as_bytes()) % u64::from(SHARD_COUNT);
        Self(u8::try_from(slice).expect("a rest below 64 fits"))
    }

    /// The shard of this number, if there is one.
    pub fn new(number: u8) -> Option<Self> {
        (number < SHARD_COUNT).then_some(Self(number))
    }

    /// Its number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Its place in an array of [`SHARD_COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All shards, in order.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator {
        (0..SHARD_COUNT).map(Self)
    }
}

impl TryFrom<u8> for ShardIndex {
    type Error = ShardError;
    fn try_from(number: u8) -> Result<Self, ShardError> {
        Self::new(number).ok_or(ShardError { found: number })
    }
}

impl From<ShardIndex> for u8 {
    fn from(shard: ShardIndex) -> u8 {
        shard.0
    }
}

impl std::fmt::Display for ShardIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardSet(u64);

impl ShardSet {
    /// No shard.
    pub const EMPTY: Self = Self(0);
    /// Every shard.
    pub const ALL: Self = Self(u64::MAX);

    /// The set whose bit `s` stands for shard `s`.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bit `s` stands for shard `s`.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Adds a shard.
    pub fn insert(&mut self, shard: ShardIndex) {
        self.0 |= 1 << shard.0;
    }

    /// Whether the shard is in it.
    pub fn contains(self, shard: ShardIndex) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no shard is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many shards are in it.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Its shards, in order.
    pub fn iter(self) -> impl Iterator<Item = ShardIndex> {
        ShardIndex::all().filter(move |shard| self.contains(*shard))
    }
}

impl FromIterator<ShardIndex> for ShardSet {
    fn from_iter<T: IntoIterator<Item = ShardIndex>>(shards: T) -> Self {
        let mut set = Self::EMPTY;
        shards.into_iter().for_each(|shard| set.insert(shard));
        set
    }
}
