//! Tasks: bounded pieces of work without input, run again and again by one driver.
//!
//! A task is `run_once(now) -> Status`, idempotent and periodic, with an activator. The driver knows no task; the
//! board knows how each fares, which is what `tenure tasks` prints.

mod board;
mod driver;
mod retention;
mod upkeep;

pub use board::{TaskBoard, TaskRow};
pub use driver::{Driver, Schedule, Status, Task, TaskError};
pub use retention::ForgetHistory;
pub use upkeep::{AppendAudit, Expire, Follow, ForgetAnswers, KeepLease, Recount, Wake};
