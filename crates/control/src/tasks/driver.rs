//! Runs a task periodically, and at once when its activator says so; backs off after an error; never two runs at once.
//!
//! Only this file and the follower of an edge own timers.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::time::Micros;
use futures::FutureExt;
use tokio::sync::watch;

use super::board::TaskBoard;
use crate::clock;
use crate::view::FollowError;

/// After an error a task waits this long, then twice as long, up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(50);

/// A database that comes back is noticed within so long.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How a run went.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// How much was done, in the task's own unit.
    pub done: u64,
    /// How much is known to be left.
    pub backlog: u64,
    /// Whether to run again at once.
    pub is_more: bool,
    pub detail: String,
}

impl Status {
    /// There was nothing to do.
    pub fn idle() -> Self {
        Self::default()
    }
}

/// A run failed; the next one begins from the state as it is.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("the store did not take part")]
    Store(#[from] store::StoreError),
    #[error("the view could not follow")]
    Follow(#[from] FollowError),
    #[error("{what}")]
    Found { what: String },
}

/// A bounded piece of work without input.
pub trait Task: Send {
    /// Its name, as in `tenure tasks`.
    fn name(&self) -> &'static str;

    /// Does one bounded piece.
    fn run_once(&mut self, now: Micros) -> impl Future<Output = Result<Status, TaskError>> + Send;

    /// Waits until there may be something to do before the period ends.
    fn activated(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// When a task runs.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// At the latest so long after the last run.
    pub every: Duration,
}

/// Runs tasks until it is stopped.
pub struct Driver {
    board: Arc<TaskBoard>,
    stop: watch::Receiver<bool>,
    running: tokio::task::JoinSet<()>,
}

impl Driver {
    /// A driver that stops when `stop` becomes true.
    pub fn new(board: Arc<TaskBoard>, stop: watch::Receiver<bool>) -> Self {
        Self { board, stop, running: tokio::task::JoinSet::new() }
    }

    /// Starts a task.
    pub fn start(&mut self, task: impl Task + 'static, schedule: Schedule) {
        self.board.add(task.name(), schedule.every);
        self.running.spawn(drive(task, schedule, Arc::clone(&self.board), self.stop.clone()));
    }

    /// Waits until all tasks have finished the run they were in.
    pub async fn finished(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

async fn drive(mut task: impl Task, schedule: Schedule, board: Arc<TaskBoard>, mut stop: watch::Receiver<bool>) {
    let name = task.name();
    let mut backoff = BACKOFF_MIN;
    let mut trigger = "start";
    while !*stop.borrow() {
        let mut pause = schedule.every;
        if board.may_run(name) {
            let (now, started) = (clock::now(), clock::monotonic());
            board.begin(name, trigger, now);
            let run = AssertUnwindSafe(task.run_once(now)).catch_unwind().await;
            // A task that is gone would be missed by nobody while its lease is still renewed: it is run again.
            let result = run.unwrap_or_else(|_| Err(TaskError::Found { what: format!("{name} panicked") }));
            board.end(name, started.elapsed(), &result);
            match result {
                Ok(status) => {
                    backoff = BACKOFF_MIN;
                    if status.is_more {
                        trigger = "backlog";
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
                Err(error) => {
                    log_failure(name, &error);
                    pause = backoff;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    // An activator must not shorten the pause after an error.
                    tokio::select! { () = tokio::time::sleep(pause) => {}, _ = stop.changed() => {} }
                    trigger = "retry";
                    continue;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => trigger = "period",
            () = task.activated() => trigger = "activated",
            () = board.asked_for(name) => trigger = "operator",
            _ = stop.changed() => {}
        }
    }
}

/// Logs an error once, with its chain.
fn log_failure(name: &str, error: &TaskError) {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    tracing::warn!(task = name, error = chain, "a task failed and will be run again");
}
