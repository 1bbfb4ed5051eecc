//! Hot state: the counts of this process that are logged and not yet committed.
//!
//! One writer changes it: it stages, and applies what the log has taken. Generations that are cut no longer change.
//! Readers hold the lock for one look, never across a wait. Nothing in here writes to a disk.

mod backlog;
mod calendar;
mod group;
mod names;
mod open;
mod reporters;
mod sealed;
mod stage;
mod submission;

use std::sync::Arc;

use domain::aggregation::{GenerationIndex, SHARD_COUNT};
use domain::time::Micros;

pub use backlog::{Backlog, Covered};
pub use calendar::{Calendar, period_in_life};
pub use group::{Add, Group, Park, ReportEffects};
pub use names::{NameIx, Names, hash_of, shard_of};
pub use open::{Open, Parked, ShardSums, Slot, Total};
pub use reporters::{Introduction, Reporter, Reporters};
pub use sealed::{GenerationSums, Row, Sealed, ShardPart};
pub use stage::{Stage, Staged, Verdict};
pub use submission::Submission;

/// A generation that was cut and is not sealed yet: its counts stand as they came.
pub struct Cut {
    pub open: Open,
    pub at: Micros,
}

/// The hot state of one process.
pub struct Hot {
    pub names: Names,
    pub open: Open,
    pub reporters: Reporters,
    /// Generations that were cut and are not sealed yet, oldest first.
    pub cut: Vec<Arc<Cut>>,
    pub backlog: Backlog,
    /// Bytes received by each shard, ever.
    pub received: [u64; SHARD_COUNT as usize],
}

impl Hot {
    /// Nothing pending; the open generation comes after `last`.
    pub fn new(
        last: GenerationIndex,
        received: [u64; SHARD_COUNT as usize],
        marks: [u64; SHARD_COUNT as usize],
    ) -> Self {
        Self {
            names: Names::default(),
            open: Open::new(last.0 + 1),
            reporters: Reporters::default(),
            cut: Vec::new(),
            backlog: Backlog::new(marks),
            received,
        }
    }

    /// Closes the open generation for all shards at once.
    pub fn cut(&mut self, at: Micros) {
        let next = Open::new(self.open.generation + 1);
        let open = std::mem::replace(&mut self.open, next);
        self.cut.push(Arc::new(Cut { open, at }));
    }

    /// When the oldest report that is not committed was received.
    pub fn oldest(&self) -> Option<Micros> {
        let cut = self.cut.iter().filter_map(|cut| cut.open.since);
        cut.chain(self.open.since).chain(self.backlog.oldest()).min()
    }

    /// Bytes of traffic in generations that are cut and not committed everywhere.
    pub fn pending_sealed(&self) -> u64 {
        let cut = self.cut.iter().flat_map(|cut| cut.open.sums.iter().map(ShardSums::counted));
        cut.sum::<u64>() + self.backlog.pending()
    }

    /// The memory that is held, in bytes.
    pub fn bytes_held(&self) -> usize {
        let cut: usize = self.cut.iter().map(|cut| cut.open.bytes_held()).sum();
        self.names.bytes_held() + self.open.bytes_held() + cut + self.backlog.bytes_held()
    }

    /// Rows that are pending, about: those of a sealed generation are hours, those of others minutes.
    pub fn rows(&self) -> usize {
        let cut: usize = self.cut.iter().map(|cut| cut.open.slots.len()).sum();
        self.open.slots.len() + cut + self.backlog.rows()
    }
}
