//! Forgets generations that are committed for long enough: first in the store, then in the log, and exactly those.
//!
//! The wait keeps the log able to refill a database that lost its last commits in a failover. Each step can be repeated.

use std::sync::Arc;
use std::time::Duration;

use domain::aggregation::GenerationIndex;
use domain::time::Micros;
use store::Store;

use super::writer::{Counting, chain};
use crate::faults;
use crate::tasks::{Status, Task, TaskError};

/// The task that cleans up.
pub struct Cleanup {
    pub store: Store,
    pub counting: Arc<Counting>,
    /// How long a committed generation stays in the log.
    pub retain_committed: Duration,
    /// What the log dropped last.
    pub dropped: GenerationIndex,
}

impl Task for Cleanup {
    fn name(&self) -> &'static str {
        "cleanup"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if self.counting.is_closed() {
            return Ok(Status { detail: "the replica is closed".to_owned(), ..Status::idle() });
        }
        let found = |error: &dyn std::error::Error| TaskError::Found { what: chain(error) };
        let through = GenerationIndex(self.counting.hot().backlog.smallest());
        if through <= self.dropped {
            return Ok(Status::idle());
        }
        faults::pass("before-cleanup").await.map_err(|error| found(&error))?;
        let retain_s = i64::try_from(self.retain_committed.as_secs()).unwrap_or(i64::MAX);
        let before = now.plus_seconds(-retain_s);
        let folded = self.store.fold_generations(&self.counting.replica, through, before).await?;
        faults::pass("after-store-cleanup").await.map_err(|error| found(&error))?;
        let last = folded.folded.min(through);
        if last > self.dropped {
            let counting = Arc::clone(&self.counting);
            // Piece by piece: the writer waits for one piece at most.
            let removing = tokio::task::spawn_blocking(move || {
                while counting.log().remove_through(last)? {}
                Ok::<(), super::log::LogError>(())
            });
            let removed = removing.await.map_err(|_| TaskError::Found { what: "removing panicked".to_owned() })?;
            removed.map_err(|error| found(&error))?;
            self.dropped = last;
        }
        faults::pass("after-log-cleanup").await.map_err(|error| found(&error))?;
        let done = folded.generations.len() as u64;
        Ok(Status { done, is_more: done > 0, ..Status::idle() })
    }
}
