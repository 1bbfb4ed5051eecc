//! Ownership as it is kept: owners, counters, ramps, batches of decisions and plans.
//!
//! Only the allocator leader writes owners and counters, through [`crate::Store::commit_batch`] alone (I6).

mod batch;
mod load;
mod ownership;
mod plan;
mod plan_move;
mod ramp;
mod record;

pub use batch::{BATCH_MAX, BatchCommit, BatchCommitted, Seen};
pub use load::{Books, LoadDifference, Recount};
pub use ownership::HISTORY_KEPT_MAX;
pub use plan::PlanRow;
pub use plan_move::{MOVES_PER_CALL_MAX, MoveCounts, MoveState, PlanMove, PlanMoveOf};
pub use record::{BASE_BATCHES_MAX, BASE_REQUESTS_MAX, Base, BatchRow, Rebuilt};
