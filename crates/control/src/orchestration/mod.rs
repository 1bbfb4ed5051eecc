//! Who owns what, made so: the leader's lease, the allocator and the execution of plans.
//!
//! Only the process that holds the lease decides, and every commit proves it (I6). What is to be done is found in the
//! state of the view, never remembered from an event: a new leader looks at everything once.

mod ahead;
mod allocator;
mod book;
mod gather;
mod leader;
mod pace;
mod plans;
mod today;
mod work;

pub use allocator::Allocator;
pub use leader::{ALLOCATOR_LEASE, Leadership};
pub use plans::{PlanAsk, PlanError, PlanRecord, PlanRunner, PlanView, Plans};
pub use today::{Today, TodaysCounters};
pub use work::WorkSet;
