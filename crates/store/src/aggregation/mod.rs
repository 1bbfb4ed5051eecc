//! What is observed of nodes, and which replica each reports to.

mod health;
mod home;

pub use health::FactWrite;
pub(crate) use health::{facts_of_changes, list_facts};
pub use home::{Claim, Home};
