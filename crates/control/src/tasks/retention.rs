//! Forgets changes and batches of decisions that are old and that nothing rests on any more.
//!
//! Walks over both tables in bounded pieces and begins anew at the end. Who has moved on since is not asked: the store
//! looks at what is cited. A view that stands below what was forgotten finds the gap and loads anew.

use domain::ids::Revision;
use domain::time::Micros;
use std::sync::Arc;
use store::{LOOKED_AT_MAX, Store};

use super::driver::{Status, Task, TaskError};
use crate::orchestration::Leadership;

/// Two days: longer than the answer to an idempotent request is kept, which names the change that it made, and longer
/// than any process may be away without loading anew.
const CHANGES_KEPT_S: i64 = 2 * 24 * 3600;

/// A week: decisions on instances that have moved on since can be looked up until those who ask have asked.
const BATCHES_KEPT_S: i64 = 7 * 24 * 3600;

/// Forgets what nothing rests on.
pub struct ForgetHistory {
    store: Store,
    leadership: Arc<Leadership>,
    changes_after: Revision,
    batches_after: u64,
}

impl ForgetHistory {
    /// Begins with the oldest.
    pub fn new(store: Store, leadership: Arc<Leadership>) -> Self {
        Self { store, leadership, changes_after: Revision::default(), batches_after: 0 }
    }
}

impl Task for ForgetHistory {
    fn name(&self) -> &'static str {
        "forget-history"
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if !self.leadership.is_leading() {
            return Ok(Status::idle());
        }
        let before = now.plus_seconds(-BATCHES_KEPT_S);
        let batches = self.store.forget_batches(before, self.batches_after, LOOKED_AT_MAX).await?;
        self.batches_after = batches.next.unwrap_or_default();
        let before = now.plus_seconds(-CHANGES_KEPT_S);
        let changes = self.store.forget_changes(before, self.changes_after, LOOKED_AT_MAX).await?;
        self.changes_after = changes.next.unwrap_or_default();
        let detail = format!("{} changes and {} batches were forgotten", changes.deleted, batches.deleted);
        let is_more = changes.next.is_some() || batches.next.is_some();
        Ok(Status { done: changes.deleted + batches.deleted, is_more, detail, ..Status::idle() })
    }
}
