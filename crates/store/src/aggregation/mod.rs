//! What is observed of nodes, and which replica each reports to.
//!
//! Facts are revisioned rows that a view follows; homes stand outside the revisions. Nothing here judges: whether a
//! node is silent is decided by its home, which writes it down (I7).

mod health;
mod home;

pub use health::FactWrite;
pub(crate) use health::{facts_of_changes, list_facts};
pub use home::{Claim, Home};
