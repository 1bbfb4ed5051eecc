//! What tasks hold while they work.

mod lease;

pub use lease::{LEASE_TTL_MIN_US, Lease, LeaseProof};

pub(crate) use lease::hold_lease;
