//! The line rate: what a node can have carried at most. More than that is parked until an operator looks at it.
//!
//! An incarnation's total may be line rate × (time since it first reported or last went silent + lateness): a node may
//! have gathered for as long as late reports are accepted before its first word got through.
//! A megabit per second is a bit per microsecond, so the product needs no division but the one by eight.

use super::stamp::LATENESS_US;
use super::traffic::Traffic;
use crate::time::Micros;

/// Bits in a byte.
const BYTE_BITS: u128 = 8;

/// The most that an incarnation can have carried, in bytes, rounded down; saturates at `u64::MAX`.
///
/// `since` is when it first reported, or when it last went silent. A clock that was set back behind it adds no time.
pub fn line_allowance_bytes(line_rate_mbps: u64, since: Micros, now: Micros) -> u64 {
    let elapsed_us = i128::from(now.0) - i128::from(since.0);
    let carried_us = elapsed_us.max(0) + i128::from(LATENESS_US);
    let bits = u128::from(line_rate_mbps).saturating_mul(carried_us.unsigned_abs());
    u64::try_from(bits / BYTE_BITS).unwrap_or(u64::MAX)
}

/// Whether an item takes its incarnation beyond what the line can have carried: then the item is parked.
///
/// `total_before` are the bytes that the incarnation was counted for so far, parked ones included.
pub fn exceeds_line_rate(line_rate_mbps: u64, total_before: u64, item: Traffic, since: Micros, now: Micros) -> bool {
    let total = u128::from(total_before) + u128::from(item.up) + u128::from(item.down);
    total > u128::from(line_allowance_bytes(line_rate_mbps, since, now))
}
