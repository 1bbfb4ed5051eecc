//! The blast radius of a change, in memory: exact over every instance, with the planner that the server runs.
//!
//! The instances are laid out before the clock starts, as the server's view has them; what is timed is seeing each of
//! them once and saying what would happen.

use std::error::Error;
use std::time::Instant;

use domain::master_data::GroupState;
use domain::orchestration::plan::{Change, TopologyPlanner, plan_over};

use crate::fleet::{SHARD_PRODUCT, Shape, group};
use crate::ours::Ours;
use crate::report::{Goal, Row};
use crate::rivals::{GROUPS, JOINING};

/// What it may take at a million instances.
const SECONDS_MAX: f64 = 3.0;

/// Ten groups of a thousand close.
///
/// # Errors
/// When the change is none that a topology could take.
pub fn in_memory_row(size: usize) -> Result<Row, Box<dyn Error>> {
    let mut ours = Ours::new(GROUPS, SHARD_PRODUCT);
    ours.allocate(size);
    let topology = Shape { groups: GROUPS, nodes_per_group: 1 }.topology();
    let puts = (0..JOINING).map(|number| group(number, GroupState::Closed)).collect();
    let change = Change { puts, deletions: Vec::new() };
    let held = ours.held();
    let (frame, state) = ours.books();
    let started = Instant::now();
    let planner = TopologyPlanner::new(&topology, frame, state, &change).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    })?;
    let plan = plan_over(planner, ours.subjects(&held));
    let seconds = started.elapsed().as_secs_f64();
    let touched = ours.load().owners().iter().take(JOINING as usize).sum::<u64>();
    if plan.summary.repair + plan.summary.moves != touched {
        return Err(format!("{touched} owners lie in the closed groups, the plan says {:?}", plan.summary).into());
    }
    let row = Row::new("blast radius in memory, ten groups close", size, seconds, "s");
    Ok(row.goal(Goal::ValueAtMost(SECONDS_MAX)))
}
