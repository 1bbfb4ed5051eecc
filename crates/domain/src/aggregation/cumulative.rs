//! Cumulative reports: a running total of an incarnation becomes what was newly counted.
//!
//! A life starts at zero, so its first total counts in full. A total that falls, either way, counts nothing and becomes
//! the new baseline: the meter was set back, and what it lost cannot be known.
//! The baseline is as durable as the count: it is written in the transaction that writes the usage (I10).

use super::traffic::Traffic;

/// What a total means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Newly counted.
    pub delta: Traffic,
    /// What the next total is compared with: the total itself.
    pub baseline: Traffic,
    /// The total fell: named to the reporter as `rewind`.
    pub is_rewind: bool,
}

/// Compares a total with the last one of the same (reporter, incarnation, instance); `None` before the first.
pub fn advance(baseline: Option<Traffic>, total: Traffic) -> Advance {
    let delta = total.checked_sub(baseline.unwrap_or(Traffic::ZERO));
    Advance { delta: delta.unwrap_or(Traffic::ZERO), baseline: total, is_rewind: delta.is_none() }
}
