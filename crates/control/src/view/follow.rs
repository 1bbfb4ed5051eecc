//! Keeps the view current: loads everything once, then follows changes in commit order.
//!
//! A change id that differs at a known revision, or a head that is smaller than ours, means that the database failed
//! over to another history: then the view is loaded anew, and so it is when changes that it lacks were forgotten. Rows
//! are read as they are now, so a later change may be seen early and is applied again without harm.

use std::sync::Arc;

use domain::ids::Revision;
use domain::orchestration::TopologyError;
use store::{ChangeRow, Store, StoreError};

use super::View;
use crate::orchestration::WorkSet;

/// Changes applied in one step: sixteen chunks of an import are some tens of megabytes of rows.
const CHANGES_PER_STEP: u32 = 16;

/// Instances read at once on loading; a quarter of a second of work.
const INSTANCES_PER_READ: u32 = 50_000;

/// The view could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("the view could not read the store")]
    Store(#[from] StoreError),
    #[error("the store holds a topology that refers to nothing")]
    Topology(#[from] TopologyError),
    #[error("packing rows into the view panicked")]
    Panicked,
}

/// Writes the view. There is one for each process.
pub struct Follower {
    store: Store,
    view: Arc<View>,
    work: Arc<WorkSet>,
    /// The last change that was applied; `None` before loading.
    last: Option<(Revision, i64)>,
}

impl Follower {
    /// A follower that has not loaded yet.
    pub fn new(store: Store, view: Arc<View>, work: Arc<WorkSet>) -> Self {
        Self { store, view, work, last: None }
    }

    /// Loads everything in one snapshot; returns how many instances there are.
    ///
    /// What the view held stays to be read until it is replaced, so a load that fails half way takes nothing away.
    ///
    /// # Errors
    /// [`FollowError`] when the store cannot be read, or holds what cannot be.
    pub async fn load(&mut self) -> Result<usize, FollowError> {
        let is_anew = !self.view.is_empty();
        let mut snapshot = self.store.snapshot().await?;
        let head = snapshot.head();
        let parts = snapshot.topology().await?;
        self.work.look_at_plans();
        self.view.set_topology(parts, head.topology_version)?;
        let mut known = Vec::new();
        let mut rows = snapshot.instances(None, INSTANCES_PER_READ).await?;
        while let Some(after) = rows.last().map(|last| last.id.clone()) {
            if is_anew {
                known.extend(rows.iter().map(|row| row.id.clone()));
            }
            // The next rows are read while these are packed on another core.
            let view = Arc::clone(&self.view);
            let packing = tokio::task::spawn_blocking(move || view.put_instances(&rows));
            let next = snapshot.instances(Some(&after), INSTANCES_PER_READ).await;
            packing.await.map_err(|_| FollowError::Panicked)?;
            rows = next?;
        }
        snapshot.close().await?;
        if is_anew {
            self.view.keep_only(&known);
            self.work.reset();
        }
        self.last = Some((head.revision, head.change));
        self.view.set_head(head.revision);
        self.work.look_at_all();
        Ok(self.view.len())
    }

    /// Applies what has been committed since; returns whether anything was.
    ///
    /// # Errors
    /// [`FollowError`] when the store cannot be read; the view stays as it is and the next call goes on.
    pub async fn step(&mut self) -> Result<bool, FollowError> {
        let Some((revision, change)) = self.last else {
            return self.load().await.map(|_| true);
        };
        // From one before ours: ours must be there, under the same id, or the history is another one.
        let from = Revision(revision.0.saturating_sub(1));
        let changes = self.store.changes_since(from, CHANGES_PER_STEP).await?;
        let is_same_history = match changes.first() {
            Some(first) if revision.0 > 0 => first.revision == revision && first.change == change,
            Some(_) => true,
            None => revision.0 == 0,
        };
        if !is_same_history {
            tracing::warn!(%revision, "the database has another history than the view: loading anew");
            return self.load().await.map(|_| true);
        }
        if changes.windows(2).any(|pair| pair[1].revision.0 != pair[0].revision.0 + 1) {
            // Revisions have no gaps, so the changes between were forgotten; one of them may have deleted something.
            tracing::info!(%revision, "changes after the view were forgotten: loading anew");
            return self.load().await.map(|_| true);
        }
        let new = if revision.0 > 0 { &changes[1..] } else { &changes[..] };
        let Some(last) = new.last() else { return Ok(false) };
        self.apply(new).await?;
        self.last = Some((last.revision, last.change));
        self.view.set_head(last.revision);
        Ok(true)
    }

    async fn apply(&self, changes: &[ChangeRow]) -> Result<(), FollowError> {
        if changes.iter().any(|it| it.touched.has_topology() || it.touched.has_facts()) {
            let mut snapshot = self.store.snapshot().await?;
            let parts = snapshot.topology().await?;
            let version = snapshot.head().topology_version;
            snapshot.close().await?;
            if version != self.view.topology().version {
                // Before it is shown: a book that has turned to what a plan wrote knows what the plan takes away.
                self.work.look_at_plans();
            }
            // The allocator compares the verdicts and looks at everybody only if one can have changed.
            self.view.set_topology(parts, version)?;
        }
        let changed = self.store.rows_of(changes).await?;
        self.view.set_instances(&changed.instances);
        self.work.look_at(changed.instances.iter().map(|row| row.id.clone()));
        if changed.is_plan {
            self.work.look_at_plans();
        }
        Ok(())
    }
}
