//! Plans: a previewed set of changes, computed as a value. Plain structs in, plan out; nothing here writes.
//!
//! A planner sees every instance once ([`Planner::see`]) and then says what it would do ([`Planner::finish`]). It
//! judges and chooses with the functions that the allocator uses (I8), so what it previews is what will happen. Each
//! move is a compare-and-set on the generation that the planner saw; the allocator validates it again.
//! A valid ownership changes by a plan only where the plan says so, one by one (I2).

mod balance;
mod blast;
mod change;
mod class;
mod delivery;
mod disruption;
mod draft;
mod drain;
mod moves;
mod rebalance;
mod repair;
mod request;
mod run;
mod steps;
mod widen;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod world;

pub use balance::{PPM, max_over_mean_ppm};
pub use blast::TopologyPlanner;
pub use change::{Change, ChangeFault, Deletion, changed, revert};
pub use class::{ClassCounts, ClassKey};
pub use disruption::{Disruption, INVALID_OWNERS_MAX, INVALID_SHARE_PERCENT_MAX, disruptions};
pub use draft::{Draft, GroupFlow, Impact, Move, Planner, ProductImpact, Summary, plan_over};
pub use drain::DrainPlanner;
pub use moves::{MoveFault, MovePlanner};
pub use rebalance::RebalancePlanner;
pub use repair::RepairPlanner;
pub use request::{find_request, leaving_of};
pub use run::{
    Command, DoneMove, IllegalCommand, Kind as PlanKind, MoveState, RATE_PER_SECOND_DEFAULT, RATE_PER_SECOND_MAX,
    State as PlanState, estimate_seconds, reverse_moves,
};
pub use steps::{Expectation, Steps, plan_steps};
