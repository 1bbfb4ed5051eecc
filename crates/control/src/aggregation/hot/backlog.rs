//! The backlog: sealed generations above the watermarks, merged while nobody commits them.
//!
//! Generations that are being committed no longer change; later ones gather behind them. What was committed stays a
//! moment for readers who read the watermark before. A reader asks for what lies above the watermark it read, and is
//! told when memory cannot say that exactly (I14).

use std::sync::Arc;

use domain::aggregation::SHARD_COUNT;
use domain::time::Micros;

use super::sealed::{GenerationSums, Sealed};

/// Rows of one shard that are merged at most: what one transaction may write, with room for the rest of it.
const ROWS_MERGED_MAX: usize = 400_000;

/// Generations that are merged at most: an hour of one-minute buckets, with as many blobs as one call takes.
const GENERATIONS_MERGED_MAX: usize = 60;

/// What memory can say above a watermark.
pub enum Covered<'a> {
    /// These, and the generations that are cut or open.
    By(Vec<&'a Sealed>),
    /// The watermark lies inside a merged set, or above what memory knows: read it again.
    Not,
}

/// Sealed generations, oldest first.
pub struct Backlog {
    sets: Vec<Arc<Sealed>>,
    /// The first set is being committed.
    is_committing: bool,
    /// What was committed last.
    recent: Option<Arc<Sealed>>,
    /// How far each shard is committed, as far as this process knows.
    pub marks: [u64; SHARD_COUNT as usize],
}

impl Backlog {
    /// An empty one.
    pub fn new(marks: [u64; SHARD_COUNT as usize]) -> Self {
        Self { sets: Vec::new(), is_committing: false, recent: None, marks }
    }

    /// Takes the generation that was sealed last.
    pub fn push(&mut self, sealed: Sealed) {
        let is_free = self.sets.len() > usize::from(self.is_committing);
        if let Some(last) = self.sets.last_mut().filter(|_| is_free)
            && last.generations.len() < GENERATIONS_MERGED_MAX
            && last.rows_max() + sealed.rows_max() <= ROWS_MERGED_MAX
            && let Some(last) = Arc::get_mut(last)
        {
            return last.append(sealed);
        }
        self.sets.push(Arc::new(sealed));
    }

    /// The oldest set, to be committed; it changes no more.
    pub fn begin(&mut self) -> Option<Arc<Sealed>> {
        self.is_committing = !self.sets.is_empty();
        self.sets.first().map(Arc::clone)
    }

    /// A shard of the oldest set is committed.
    pub fn committed(&mut self, shard: usize, to: u64) {
        self.marks[shard] = self.marks[shard].max(to);
    }

    /// All shards of the oldest set are committed.
    pub fn finish(&mut self) {
        if self.is_committing && !self.sets.is_empty() {
            self.recent = Some(self.sets.remove(0));
        }
        self.is_committing = false;
    }

    /// The sets were made from marks that do not hold any more: others take their place.
    pub fn replace(&mut self, sets: Vec<Sealed>, marks: [u64; SHARD_COUNT as usize]) {
        *self = Self::new(marks);
        sets.into_iter().for_each(|sealed| self.push(sealed));
    }

    /// Forgets what was committed: no reader reads for so long.
    pub fn forget_recent(&mut self) {
        self.recent = None;
    }

    /// The sets that wait.
    pub fn sets(&self) -> &[Arc<Sealed>] {
        &self.sets
    }

    /// The smallest mark.
    pub fn smallest(&self) -> u64 {
        self.marks.iter().copied().min().unwrap_or(0)
    }

    /// When the oldest report in it was received.
    pub fn oldest(&self) -> Option<Micros> {
        self.sets.iter().flat_map(|set| set.generations.iter().filter_map(|it| it.since)).min()
    }

    /// Bytes of traffic that wait.
    pub fn pending(&self) -> u64 {
        let due = |it: &GenerationSums| -> u64 {
            let shards = it.shards.iter().zip(&self.marks).filter(|(_, mark)| **mark < it.generation);
            shards.map(|(sums, _)| sums.counted()).sum()
        };
        self.sets.iter().flat_map(|set| &set.generations).map(due).sum()
    }

    /// How many rows wait.
    pub fn rows(&self) -> usize {
        self.sets.iter().map(|set| set.rows()).sum()
    }

    /// The memory that is held, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.sets.iter().chain(&self.recent).map(|set| set.bytes_held()).sum()
    }

    /// The sealed generations above one, whichever shards are committed; `None` when memory does not hold them all.
    pub fn held_above(&self, generation: u64, next: u64) -> Option<Vec<&GenerationSums>> {
        let held = self.recent.iter().chain(&self.sets).flat_map(|set| &set.generations);
        let held: Vec<&GenerationSums> = held.filter(|it| it.generation > generation).collect();
        let expected = next.checked_sub(generation + 1)?;
        (held.len() as u64 == expected).then_some(held)
    }

    /// The sets above a watermark of a shard. `next` is the generation that follows the last sealed one.
    pub fn above(&self, shard: usize, mark: u64, next: u64) -> Covered<'_> {
        let (mut reached, mut found) = (mark, Vec::new());
        for set in self.recent.iter().chain(&self.sets).map(|it| &**it) {
            if set.to <= reached {
                continue;
            }
            if set.after[shard] != reached {
                return Covered::Not;
            }
            found.push(set);
            reached = set.to;
        }
        // Ahead of everything that is sealed: only a mark that others wrote can be there.
        if reached + 1 == next { Covered::By(found) } else { Covered::Not }
    }
}
