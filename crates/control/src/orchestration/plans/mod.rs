//! Plans, made so: created from a snapshot, kept in the database, carried out step by step at a rate.
//!
//! What a plan would do is decided by `domain::orchestration::plan`; the moves go through the allocator like every
//! other decision, so that there is one serial history. A crash in the middle goes on where it was: the state of a
//! plan and of each of its moves is a row.

mod feed;
mod record;
mod runner;
mod service;

use domain::ids::PlanId;

pub(super) use feed::{PlanFeed, Planned};
pub use record::PlanRecord;
pub use runner::PlanRunner;
pub use service::{PlanAsk, PlanError, PlanView, Plans};

/// The actor of what a plan writes and of the decisions that it asks for.
pub(super) fn plan_actor(plan: &PlanId) -> String {
    format!("plan:{plan}")
}
