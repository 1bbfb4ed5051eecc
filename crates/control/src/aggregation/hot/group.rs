//! What a group of reports does: judged, not yet logged, not yet counted.
//!
//! The writer stages many reports into one group, logs the group as one record, and applies it. Until it is applied
//! nobody sees any of it; a group that cannot be logged is taken back whole.

use std::ops::Range;

use domain::aggregation::{Minute, SHARD_COUNT, Traffic};
use domain::ids::NodeId;
use domain::time::Micros;
use store::ReporterTotals;

use super::names::NameIx;

/// An addition to a slot.
#[derive(Debug, Clone, Copy)]
pub struct Add {
    pub slot: u32,
    pub shard: u8,
    /// A running total stands for it in the list of totals.
    pub has_total: bool,
    pub up: u64,
    pub down: u64,
}

/// An item kept aside.
#[derive(Debug, Clone, Copy)]
pub struct Park {
    pub name: NameIx,
    pub total: Option<Traffic>,
    pub up: u64,
    pub down: u64,
}

/// What one report does.
#[derive(Debug, Clone)]
pub struct ReportEffects {
    pub reporter: NodeId,
    /// Where the reporter stands among those that this process knows.
    pub reporter_at: u32,
    pub incarnation: u64,
    pub sequence: u64,
    pub received_at: Micros,
    /// The minute in which all its items count.
    pub minute: Minute,
    pub totals: ReporterTotals,
    /// Refused bytes, by shard.
    pub rejected: Vec<(u8, u64)>,
    /// Its additions, among those of the group.
    pub adds: Range<usize>,
    pub parks: Range<usize>,
    pub stated: Range<usize>,
}

/// What a group of reports does.
pub struct Group {
    pub reports: Vec<ReportEffects>,
    pub adds: Vec<Add>,
    pub parks: Vec<Park>,
    /// Running totals, in the order of the additions that have one.
    pub stated: Vec<Traffic>,
    /// Bytes received at the parser, by shard.
    pub received: Box<[u64; SHARD_COUNT as usize]>,
    /// Slots and ids that were there before it.
    pub slots_before: usize,
    pub names_before: usize,
}

impl Group {
    /// An empty group over an open generation with so many slots and ids.
    pub fn new(slots_before: usize, names_before: usize) -> Self {
        Self {
            reports: Vec::new(),
            adds: Vec::new(),
            parks: Vec::new(),
            stated: Vec::new(),
            received: Box::new([0; SHARD_COUNT as usize]),
            slots_before,
            names_before,
        }
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }
}
