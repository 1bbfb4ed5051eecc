//! Stamps: in which minute a report counts. Nothing is refused for its time.
//!
//! More than five minutes ahead of the receiver: the open minute, marked skewed. Within 35 days: its own minute, through
//! a later generation if that minute's was sealed (I13). Older: the open minute, marked late.
//! The place is decided once, at intake, and written to the log: replay never judges a stamp again.

use serde::{Deserialize, Serialize};

use super::bucket::Minute;
use crate::time::Micros;

/// How far a stamp may be ahead of the receiver: five minutes, twice what an unsynchronised clock gains in a month.
pub const AHEAD_MAX_US: i64 = 5 * 60 * 1_000_000;

/// How far back a stamp counts in its own minute: 35 days, a month and a long weekend to repair a site.
pub const LATENESS_US: i64 = 35 * 24 * 3600 * 1_000_000;

/// Whether a report counts where it says it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// In its own minute, or it named none.
    OnTime,
    /// Too far ahead: in the open minute.
    Skewed,
    /// Too old: in the open minute.
    Late,
}

/// Where a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Placed {
    pub minute: Minute,
    pub mark: Mark,
}

/// Places a report; without a stamp the receiver's time counts.
pub fn place(observed_at: Option<Micros>, received_at: Micros) -> Placed {
    let observed = observed_at.unwrap_or(received_at);
    let (at, mark) = match observed.since_us(received_at) {
        ahead_us if ahead_us > AHEAD_MAX_US => (received_at, Mark::Skewed),
        ahead_us if ahead_us < -LATENESS_US => (received_at, Mark::Late),
        _ => (observed, Mark::OnTime),
    };
    Placed { minute: Minute::of(at), mark }
}
