//! Forgets generations that are committed for long enough: first in the store, then in the log, and exactly those.
//!
//! Under pressure the log forgets at once. The wait keeps the log able to refill a database that lost its last commits in a failover. Each step can be repeated.

use std::sync::Arc;
use std::time::Duration;

use domain::aggregation::{GenerationIndex, LATENESS_US};
use domain::time::Micros;
use store::Store;

use super::writer::{Counting, chain};
use crate::faults;
use crate::orchestration::Leadership;
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
        // Half full, room for new reports is worth more than the means to refill a database that went back in time.
        let is_pressed = self.counting.log().bytes() > self.counting.bounds.log_bytes_max / 2;
        let retain = if is_pressed { Duration::ZERO } else { self.retain_committed };
        let retain_s = i64::try_from(retain.as_secs()).unwrap_or(i64::MAX);
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

/// Rows that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u32 = 5_000;

/// Ledger rows are kept for thirteen months: longer than any invoice is argued about, and safety never rests on them.
const LEDGER_KEPT_S: i64 = 400 * 24 * 3600;

/// Forgets what no report can ask for any more: old rows of the ledger, and lives of reporters that ended long ago.
pub struct ForgetCounts {
    pub store: Store,
    pub leadership: Arc<Leadership>,
}

impl Task for ForgetCounts {
    fn name(&self) -> &'static str {
        "forget-counts"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if !self.leadership.is_leading() {
            return Ok(Status::idle());
        }
        let pruned = self.store.prune_ledger(now.plus_seconds(-LEDGER_KEPT_S), FORGOTTEN_AT_ONCE).await?;
        // A report may come as late as that, so what judges it is kept for as long.
        let lives = self.store.forget_reporters(Micros(now.0 - 2 * LATENESS_US), FORGOTTEN_AT_ONCE).await?;
        let is_more = pruned.max(lives) >= u64::from(FORGOTTEN_AT_ONCE);
        Ok(Status { done: pruned + lives, is_more, ..Status::idle() })
    }
}
