//! The only room of this crate that reads a clock. Everyone else is handed what it returns.
//!
//! The time of day stamps what is written; the monotonic reading measures how long something took or lasted.
//! Leases live by neither, but by the clock of the database.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::time::Micros;

/// The time of day, UTC. A clock before 1970 reads as 0.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A reading that never goes back, for measuring how long something took or lasted.
pub fn monotonic() -> Instant {
    Instant::now()
}
