//! What tasks hold while they work: leases by the clock of the database.
//!
//! When a task runs and what it does is decided elsewhere. A lease never makes work safe, it only keeps two from doing
//! it at once (I25).

mod lease;

pub use lease::{LEASE_TTL_MIN_US, Lease, LeaseProof};

pub(crate) use lease::hold_lease;
