//! A report on its way to the writer, counted and hashed where it was parsed.
//!
//! What was received is summed here, from the items as they were sent and before anything is judged: the one figure
//! against which all others are held (I11). A refused item counts in the shard of its instance, or in the first.

use domain::aggregation::{SHARD_COUNT, ShardIndex};
use domain::time::Micros;
use wire::report::{ReadReport, ReportKind};

use super::names::{hash_of, shard_of};
use super::reporters::Introduction;

/// A report on its way to the writer, with what was counted and hashed outside of it.
#[derive(Debug)]
pub struct Submission {
    pub report: ReadReport,
    pub received_at: Micros,
    /// What the store knows of the reporter, once it was asked.
    pub introduction: Option<Introduction>,
    pub(super) hashes: Vec<u64>,
    /// Bytes as sent, by shard, refused items too; of a cumulative report nothing yet.
    pub(super) received: Box<[u64; SHARD_COUNT as usize]>,
    pub(super) refused: Vec<(u8, u64)>,
}

impl Submission {
    /// Counts and hashes what was parsed.
    pub fn new(report: ReadReport, received_at: Micros) -> Self {
        let hashes: Vec<u64> = report.traffic().map(|item| hash_of(item.instance)).collect();
        let mut received = Box::new([0u64; SHARD_COUNT as usize]);
        let mut refused = Vec::new();
        // A refused total says nothing about what was added, so nothing of it was received.
        if report.kind == ReportKind::Delta {
            for (item, hash) in report.traffic().zip(&hashes) {
                let sum = &mut received[usize::from(shard_of(*hash))];
                *sum = sum.saturating_add(item.up).saturating_add(item.down);
            }
            for item in report.rejected.iter().filter(|it| it.up + it.down > 0) {
                let shard = item.instance.as_ref().map_or(ShardIndex::ZERO, ShardIndex::of).get();
                let sum = &mut received[usize::from(shard)];
                *sum = sum.saturating_add(item.up + item.down);
                refused.push((shard, item.up + item.down));
            }
        }
        Self { report, received_at, introduction: None, hashes, received, refused }
    }

    /// What it holds in memory, for the bound of the queue.
    pub fn bytes(&self) -> usize {
        self.report.memory_bytes() + self.hashes.len() * 8 + 1024
    }
}
