//! The protocol of counting as a model: every order of steps, crashes, lost replies and lost disks within a small scope.
//!
//! It drives the functions of the domain that are shipped (turn, advance, vector) over a database of transactions and two
//! replicas. The shipped protocol must hold in every state; each known defect is a switch that must be found
//! (`docs/guide/counting.md` has the table, `docs/proof/counting.md` what the model does not say).

mod database;
mod model;
mod process;
mod settle;
mod state;
mod step;
mod switch;
mod table;

#[cfg(test)]
mod tests;

pub use model::{Broken, Counting};
pub use settle::{Quiet, Unsettled, settle};
pub use state::State;
pub use step::Action;
pub use switch::{Defect, Scope};
pub use table::{Finding, Trace, explore, scope_of, shipped_scopes, table};
