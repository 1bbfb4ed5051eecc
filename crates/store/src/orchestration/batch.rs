//! The allocator's commit: a batch of decisions becomes owners, counters, ramps and a record, all or nothing.
//!
//! It locks the topology, then the lease, both shared, and the revision last; the lease is judged by the clock of the
//! database, so a leader that slept through its lease writes nothing. An owner is written by compare-and-set on the
//! instance and on the former owner; a request that was not taken is void, and the next batch begins from new start
//! values. Counters move by the difference between the start and what was taken.

use std::collections::BTreeSet;

use domain::ids::{Generation, InstanceId, Revision};
use domain::orchestration::{Decided, Frame, Outcome, State, replay_state};
use domain::time::Micros;

use super::ownership::{OwnerWrite, write_owners};
use super::plan_move::{PlanMoveOf, settle_moves};
use super::record::{Base, Record};
use super::{load, ramp};
use crate::change::{Intent, RETRIES_MAX, Touched};
use crate::engine::Store;
use crate::error::{Result, StoreError};
use crate::tasks::{LeaseProof, hold_lease};

/// Five thousand decisions: some 60 ms, so that a lease is renewed and a PUT gets in between.
pub const BATCH_MAX: usize = 5_000;

/// What the decision on an instance rested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The change that had written the instance.
    pub change: i64,
    /// The version of its ownership row; 0 when there was none.
    pub version: u64,
    /// The generation of its ownership; 0 when there was none.
    pub generation: Generation,
}

/// A batch to be committed.
#[derive(Debug)]
pub struct BatchCommit<'a> {
    pub lease: &'a LeaseProof,
    /// The version of the topology that `frame` was built from.
    pub topology_version: i64,
    pub now: Micros,
    /// Who asked.
    pub actor: &'a str,
    /// What the last commit offered, while the frame is still that of its batch; none stores a snapshot.
    pub base: Option<Base>,
    pub frame: &'a Frame,
    /// The state before the first decision.
    pub start: &'a State,
    /// At most [`BATCH_MAX`] decisions, each instance once.
    pub decided: Vec<Decided>,
    /// Parallel to the decisions.
    pub seen: &'a [Seen],
    /// Moves of plans that requests of this batch carry out.
    pub plan_moves: &'a [PlanMoveOf],
}

/// A batch that was committed.
#[derive(Debug)]
pub struct BatchCommitted {
    pub batch: u64,
    pub revision: Revision,
    /// The change that wrote it.
    pub change: i64,
    /// The decisions, void where the commit did not take them.
    pub decided: Vec<Decided>,
    /// The state after the decisions that were taken.
    pub end: State,
    /// What the next batch may stand on; none: it has to store a snapshot.
    pub next_base: Option<Base>,
}

impl Store {
    /// Commits a batch, again while other transactions are in its way.
    ///
    /// # Errors
    /// [`StoreError::TopologyMoved`] and [`StoreError::LeaseLost`]: nothing was written, load the books anew.
    /// [`StoreError::CommitUnknown`]: load them anew once the database is back. [`StoreError::Misuse`]: the batch
    /// breaks its limits.
    pub async fn commit_batch(&self, batch: BatchCommit<'_>) -> Result<BatchCommitted> {
        check(&batch)?;
        let mut tries = 1;
        let sealed = loop {
            match self.try_commit(&batch).await {
                Err(error) if error.is_contention() && tries < RETRIES_MAX => tries += 1,
                outcome => break outcome?,
            }
        };
        let Sealed { batch: id, revision, change, void, end, next_base } = sealed;
        let mut decided = batch.decided;
        for at in void {
            decided[at].outcome = Outcome::Void;
        }
        Ok(BatchCommitted { batch: id, revision, change, decided, end, next_base })
    }

    async fn try_commit(&self, batch: &BatchCommit<'_>) -> Result<Sealed> {
        let mut change = self.begin(Intent::Ownership, batch.actor, batch.now).await?;
        if change.topology_version() != batch.topology_version {
            let (seen, found) = (batch.topology_version, change.topology_version());
            return Err(StoreError::TopologyMoved { seen, found });
        }
        hold_lease(&mut change, batch.lease).await?;
        let record = Record::begin(&mut change, batch).await?;
        let owners = owner_writes(batch);
        let void = write_owners(&mut change, record.batch, batch.now, &owners).await?;
        let (end, recorded) = settle(batch, &void);
        load::move_on(&mut change, batch.frame, batch.start, &end).await?;
        ramp::move_on(&mut change, batch, &end).await?;
        settle_moves(&mut change, record.batch, batch.plan_moves, &recorded).await?;
        let next_base = record.write(&mut change, batch, &recorded, void.is_empty()).await?;
        change.touch(Touched::OWNERSHIP);
        let (batch, id) = (record.batch, change.id());
        let revision = change.commit().await?;
        Ok(Sealed { batch, revision, change: id, void, end, next_base })
    }
}

/// What a try has committed.
struct Sealed {
    batch: u64,
    revision: Revision,
    change: i64,
    /// Places of the decisions that were not taken.
    void: BTreeSet<usize>,
    end: State,
    next_base: Option<Base>,
}

fn check(batch: &BatchCommit<'_>) -> Result<()> {
    let count = batch.decided.len();
    if count == 0 || count > BATCH_MAX {
        return Err(StoreError::misuse(format!("a batch holds 1 to {BATCH_MAX} decisions, not {count}")));
    }
    if batch.seen.len() != count || batch.plan_moves.iter().any(|it| it.request as usize >= count) {
        return Err(StoreError::misuse("what was seen and the moves of plans must match the decisions"));
    }
    let instances: BTreeSet<&InstanceId> = batch.decided.iter().map(|it| &it.request.instance).collect();
    if instances.len() != count {
        return Err(StoreError::misuse("a batch decides on each instance once"));
    }
    Ok(())
}

/// The owners to be written, in the order of the instances; decisions that change nothing write none.
fn owner_writes<'a>(batch: &'a BatchCommit<'_>) -> Vec<OwnerWrite<'a>> {
    let writes = batch.decided.iter().zip(batch.seen).enumerate();
    let mut writes: Vec<OwnerWrite<'a>> =
        writes.filter_map(|(at, (decided, seen))| OwnerWrite::of(batch.frame, at, decided, *seen)).collect();
    writes.sort_unstable_by_key(|write| write.instance);
    writes
}

/// The state after what was taken, and the record with the void decisions marked.
fn settle(batch: &BatchCommit<'_>, void: &BTreeSet<usize>) -> (State, Vec<Decided>) {
    let mut recorded = batch.decided.clone();
    let mut end = batch.start.clone();
    if void.is_empty() {
        replay_state(batch.frame, &mut end, &recorded);
        return (end, recorded);
    }
    let taken: Vec<Decided> =
        recorded.iter().enumerate().filter(|(at, _)| !void.contains(at)).map(|(_, it)| it.clone()).collect();
    replay_state(batch.frame, &mut end, &taken);
    for at in void {
        recorded[*at].outcome = Outcome::Void;
    }
    (end, recorded)
}
