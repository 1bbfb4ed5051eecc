//! Resolution: the read-only answer. Ownership, then boundary, then qualified nodes, then order.
//!
//! Nothing here writes, and nobody is moved by being looked at (I7).

mod distance;
pub mod explain;
mod order;
mod resolve;

#[cfg(test)]
mod laws;

pub use distance::{Direction, chord};
pub use order::shuffle_key;
pub use resolve::{Delivered, Resolution, Status, qualified_in_order, resolve, status_of};
