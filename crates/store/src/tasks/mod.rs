//! What tasks need of their own: leases by the clock of the database, and forgetting.
//!
//! When a task runs and what it does is decided elsewhere. A lease never makes work safe, it only keeps two from doing
//! it at once (I25).

mod lease;
mod retention;

pub use lease::{LEASE_TTL_MIN_US, Lease, LeaseProof};
pub use retention::{Forgotten, LOOKED_AT_MAX};

pub(crate) use lease::hold_lease;
