//! The bodies of `/v1/tasks`: what runs by itself.
//!
//! A task takes no input; what it may be told is to pause, to go on and to run now.

use domain::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant;

/// One task of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    pub name: String,
    /// How often it has run since the process started.
    pub iteration: u64,
    /// What made it run last, for example `period` or `wake`.
    pub trigger: String,
    /// When it last began; absent before the first time.
    #[serde(with = "instant::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started: Option<Micros>,
    pub duration_ms: u64,
    /// How much all runs did, in the task's own unit.
    pub done: u64,
    /// How much it left for its next run.
    pub backlog: u64,
    /// For people; empty when there is nothing to say.
    pub detail: String,
    /// Who holds its lease; absent for a task that every process runs.
    pub holder: Option<String>,
    /// Which holding of the lease.
    pub term: Option<i64>,
    pub last_error: Option<String>,
    pub is_running: bool,
    pub is_paused: bool,
}

/// All tasks, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    pub tasks: Vec<Task>,
}
