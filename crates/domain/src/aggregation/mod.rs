//! Aggregation: what reports become. Facts about nodes, counts, and the account of every byte.
//!
//! Pure rules: whose turn a report is, in which minute and shard it counts, what a running total means, what the store
//! holds of a reporter, to which period a bucket belongs, and who is online. Who heard what, and when, is measured by the
//! shell and handed in; the protocol that keeps counts is model-checked in `sim::counting` with the functions of this room.

mod bucket;
mod conservation;
mod cumulative;
mod health;
mod line_rate;
mod period;
mod presence;
mod register;
mod shard;
mod stamp;
mod traffic;
mod turn;
mod vector;

#[cfg(test)]
mod laws;

pub use bucket::{Hour, Minute};
pub use conservation::Account;
pub use cumulative::{Advance, advance};
pub use health::{NodeReport, SILENCE_GUARD_DENOMINATOR, Watch, load_band, report_facts, silent_nodes, was_healthy};
pub use line_rate::{exceeds_line_rate, line_allowance_bytes};
pub use period::{Period, PeriodError, Periods, Resets, is_zone, period_of};
pub use presence::{DEVICES_MAX, DeviceId, DeviceIdError, PRESENCE_TTL_US, Presence, Seen};
pub use register::{HybridTime, Register};
pub use shard::{SHARD_COUNT, ShardError, ShardIndex, ShardSet};
pub use stamp::{AHEAD_MAX_US, LATENESS_US, Mark, Placed, place};
pub use traffic::{ITEM_MAX, TOTAL_MAX, Traffic, TrafficError, room};
pub use turn::{Position, Turn, turn};
pub use vector::{GenerationIndex, Marks, Vector};
