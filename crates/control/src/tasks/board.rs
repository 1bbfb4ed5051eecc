//! How each task fares: the answer of `tenure tasks`, and the switches of an operator.
//!
//! A row for each task of this process. The driver writes it before and after each run; nobody decides by it but the
//! driver, which asks whether a task is paused.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::time::Micros;
use tokio::sync::Notify;

use super::driver::{Status, TaskError};

/// How a task fares.
#[derive(Debug, Clone, Default)]
pub struct TaskRow {
    pub name: &'static str,
    pub every: Duration,
    /// How many runs there were.
    pub iteration: u64,
    /// What started the last run.
    pub trigger: &'static str,
    pub started: Micros,
    pub duration: Duration,
    /// How much the last run did.
    pub done: u64,
    /// How much all runs did.
    pub done_total: u64,
    pub backlog: u64,
    pub detail: String,
    pub last_error: Option<String>,
    pub is_running: bool,
    pub is_paused: bool,
}

/// How all tasks of this process fare.
#[derive(Default)]
pub struct TaskBoard {
    rows: Mutex<BTreeMap<&'static str, TaskRow>>,
    asked: Mutex<BTreeMap<&'static str, std::sync::Arc<Notify>>>,
}

impl TaskBoard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, TaskRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All tasks, by name.
    pub fn rows(&self) -> Vec<TaskRow> {
        self.lock().values().cloned().collect()
    }

    /// Stops a task from being run; the run it is in goes on. False when there is no such task.
    pub fn pause(&self, name: &str) -> bool {
        self.lock().get_mut(name).map(|row| row.is_paused = true).is_some()
    }

    /// Lets a task run again. False when there is no such task.
    pub fn resume(&self, name: &str) -> bool {
        let is_known = self.lock().get_mut(name).map(|row| row.is_paused = false).is_some();
        is_known && self.run_now(name)
    }

    /// Runs a task without waiting for its period. False when there is no such task.
    pub fn run_now(&self, name: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(name).map(|it| it.notify_one()).is_some()
    }

    pub(super) fn add(&self, name: &'static str, every: Duration) {
        self.lock().insert(name, TaskRow { name, every, ..TaskRow::default() });
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name, std::sync::Arc::default());
    }

    pub(super) fn may_run(&self, name: &str) -> bool {
        self.lock().get(name).is_some_and(|row| !row.is_paused)
    }

    pub(super) async fn asked_for(&self, name: &str) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        match asked {
            Some(asked) => asked.notified().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn begin(&self, name: &str, trigger: &'static str, now: Micros) {
        if let Some(row) = self.lock().get_mut(name) {
            row.iteration += 1;
            row.trigger = trigger;
            row.started = now;
            row.is_running = true;
        }
    }

    pub(super) fn end(&self, name: &str, took: Duration, result: &Result<Status, TaskError>) {
        let mut rows = self.lock();
        let Some(row) = rows.get_mut(name) else { return };
        row.duration = took;
        row.is_running = false;
        match result {
            Ok(status) => {
                row.done = status.done;
                row.done_total += status.done;
                row.backlog = status.backlog;
                row.detail.clone_from(&status.detail);
                row.last_error = None;
            }
            Err(error) => row.last_error = Some(error.to_string()),
        }
    }
}
