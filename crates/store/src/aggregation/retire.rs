//! A replica whose disk is lost, or that is gone for good: what is durable of its last generations is kept exactly.
//!
//! Its blobs say what each generation held, its watermarks which shards have it. Up to the smallest watermark all is
//! folded as ever; above it, each shard that was ahead keeps, for each reporter, the sequence that it has, and a replay
//! skips those items and counts the others (I10). The totals of reporters leave these generations out: the replay
//! counts each report whole for its reporter. All shards then stand at the largest watermark, and the ledger says what
//! the others lost.

use std::collections::{BTreeMap, BTreeSet};

use domain::aggregation::{GenerationIndex, ShardIndex};
use domain::ids::ReplicaId;
use domain::time::Micros;
use sqlx::{Any, AnyConnection, Transaction};

use super::blob::{Blob, GenerationParts, delete_blobs, fold, mark_cleaned, read_blobs, set_folded};
use super::ledger::write_lost;
use super::replica::{Hold, ReplicaMarks, cell, hold_own, hold_replica, read_marks, stored};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, number};
use crate::error::{Result, StoreError, during};

/// What was settled of a replica that lost its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// A new log begins with the generation after this one.
    pub resume_after: GenerationIndex,
    /// The smallest watermark before.
    pub smallest: GenerationIndex,
    /// The largest watermark before.
    pub largest: GenerationIndex,
    /// Shards that stood below the largest watermark.
    pub raised: Vec<ShardIndex>,
    /// Lives of reporters whose last reports are durable in part or not at all, as far as blobs name them.
    pub reporters: u64,
    /// Bytes that blobs name and that are durable nowhere. What was acknowledged after the last blob is not known here.
    pub bytes_known_missing: u64,
}

/// What a retirement would find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetirePreview {
    pub is_closed: bool,
    pub smallest: GenerationIndex,
    pub largest: GenerationIndex,
    /// Lives of reporters that are at home there: their next report claims a new home.
    pub reporters: u64,
    /// Generations that some shard has not committed, as far as blobs name them.
    pub generations_in_part: u64,
    pub bytes_known_missing: u64,
    /// Items that wait; they stay and may still count.
    pub parked_items: u64,
}

const AHEAD: Bulk = Bulk {
    during: "recording shards that are ahead",
    sql: "WITH source (reporter_id, incarnation, shard, sequence) AS ({source})
INSERT INTO reporter_ahead (reporter_id, incarnation, shard, sequence)
SELECT reporter_id, incarnation, shard, sequence
FROM source
WHERE true
ON CONFLICT (reporter_id, incarnation, shard) DO UPDATE
SET sequence = CASE
  WHEN excluded.sequence > reporter_ahead.sequence THEN excluded.sequence
  ELSE reporter_ahead.sequence END",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Integer, ColumnType::Integer],
};

const LOCK_MARKS: &str = "SELECT shard FROM watermark WHERE replica_id = $1 ORDER BY shard";

const RAISE: &str = "UPDATE watermark
SET generation = $1, moved_us = $2
WHERE replica_id = $3 AND generation < $4";

const CLOSE_MARKS: &str = "UPDATE watermark SET closed_us = $1 WHERE replica_id = $2";

const CLOSE: &str = "UPDATE intake_replica SET closed_us = $1 WHERE replica_id = $2";

const UNATTRIBUTE: &str = "UPDATE parked_item
SET is_attributed = 0
WHERE replica_id = $1 AND generation > $2";

const CLEAN: &str = "UPDATE ledger
SET state = 'cleaned'
WHERE replica_id = $1 AND generation > $2 AND state = 'committed'";

const LEDGER_RECEIVED: &str = "SELECT CAST(COALESCE(SUM(received), 0) AS BIGINT)
FROM ledger
WHERE replica_id = $1 AND generation > $2 AND state <> 'lost'";

const HOMES: &str = "SELECT COUNT(*) FROM reporter_home WHERE replica_id = $1";

const PARKED: &str = "SELECT COUNT(*) FROM parked_item WHERE replica_id = $1";

impl Store {
    /// Settles a replica whose log is lost or behind its watermarks, so that it can go on with an empty one.
    ///
    /// # Errors
    /// [`StoreError::ReplicaClosed`] after a retirement; [`StoreError::Misuse`] when it was never opened. Nothing was
    /// written then, nor after [`StoreError::Contention`]; after [`StoreError::Unavailable`] call it again.
    pub async fn recover(&self, replica: &ReplicaId, now: Micros, actor: &str) -> Result<Recovered> {
        let mut tx = self.begin_write().await?;
        hold_own(self, &mut tx, replica, Hold::Alone).await?;
        let recovered = self.settle(&mut tx, replica, now, actor).await?;
        tx.commit().await.map_err(during("recovering a replica"))?;
        Ok(recovered)
    }

    /// Retires a replica for good: nothing is flushed from it any more, and the next report of each of its reporters
    /// claims a new home. Repeated, it answers what stands.
    ///
    /// # Errors
    /// As [`Store::recover`], but for [`StoreError::ReplicaClosed`].
    pub async fn retire(&self, replica: &ReplicaId, now: Micros, actor: &str) -> Result<Recovered> {
        let retiring = "retiring a replica";
        let mut tx = self.begin_write().await?;
        let held = hold_replica(self.engine(), &mut tx, replica, Hold::Alone).await?;
        let recovered = self.settle(&mut tx, replica, now, actor).await?;
        if held.closed.is_none() {
            for close in [CLOSE_MARKS, CLOSE] {
                let closed = sqlx::query(close).bind(now.0).bind(replica.as_str()).execute(&mut *tx).await;
                closed.map_err(during(retiring))?;
            }
        }
        tx.commit().await.map_err(during(retiring))?;
        Ok(recovered)
    }

    /// What a retirement would find; nothing when there is no such replica.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn preview_retire(&self, replica: &ReplicaId) -> Result<Option<RetirePreview>> {
        let mut tx = self.begin_read().await?;
        let Some(marks) = read_marks(&mut tx, Some(replica)).await?.into_iter().next() else {
            return Ok(None);
        };
        let (smallest, largest) = (marks.smallest(), marks.largest());
        let blobs = read_blobs(&mut tx, replica, None).await?;
        let above: Vec<GenerationParts> =
            blobs.into_iter().map(|it| it.parts).filter(|it| it.generation > smallest).collect();
        let preview = RetirePreview {
            is_closed: marks.closed.is_some(),
            smallest,
            largest,
            reporters: count(&mut tx, HOMES, replica).await?,
            generations_in_part: above.len() as u64,
            bytes_known_missing: missing(&mut tx, replica, smallest, &above).await?,
            parked_items: count(&mut tx, PARKED, replica).await?,
        };
        tx.rollback().await.map_err(during("looking at a replica"))?;
        Ok(Some(preview))
    }

    /// Folds what every shard has, keeps what single shards have, and brings all shards to one watermark.
    async fn settle(
        &self,
        tx: &mut Transaction<'static, Any>,
        replica: &ReplicaId,
        now: Micros,
        actor: &str,
    ) -> Result<Recovered> {
        let settling = "settling a replica";
        let engine = self.engine();
        let lock = sqlx::query(engine.exclude(LOCK_MARKS)).bind(replica.as_str()).fetch_all(&mut **tx).await;
        lock.map_err(during(settling))?;
        let marks = read_marks(&mut *tx, Some(replica)).await?.into_iter().next();
        let marks = marks.ok_or_else(|| StoreError::corrupt("a replica without watermarks"))?;
        let (smallest, largest) = (marks.smallest(), marks.largest());
        let blobs = read_blobs(&mut *tx, replica, None).await?;
        let (below, above): (Vec<Blob>, Vec<Blob>) = blobs.into_iter().partition(|it| it.parts.generation <= smallest);
        let [below, above] = [below, above].map(|it| it.into_iter().map(|it| it.parts).collect::<Vec<_>>());
        let bytes_known_missing = missing(&mut *tx, replica, smallest, &above).await?;
        let unattribute = sqlx::query(UNATTRIBUTE).bind(replica.as_str()).bind(stored(smallest.0)?);
        unattribute.execute(&mut **tx).await.map_err(during(settling))?;
        fold(engine, &mut *tx, replica, &below).await?;
        keep_ahead(engine, &mut *tx, &marks, &above).await?;
        let below_them: Vec<GenerationIndex> = below.iter().map(|it| it.generation).collect();
        let all: Vec<GenerationIndex> = below.iter().chain(&above).map(|it| it.generation).collect();
        delete_blobs(engine, &mut *tx, replica, &all).await?;
        mark_cleaned(engine, &mut *tx, replica, &below_them).await?;
        let clean = sqlx::query(CLEAN).bind(replica.as_str()).bind(stored(smallest.0)?);
        clean.execute(&mut **tx).await.map_err(during(settling))?;
        let raised = raise(engine, &mut *tx, &marks, now, actor).await?;
        set_folded(&mut *tx, replica, largest).await?;
        let lives: BTreeSet<_> =
            above.iter().flat_map(|it| &it.parts).map(|it| (&it.reporter, it.incarnation)).collect();
        let reporters = lives.len() as u64;
        Ok(Recovered { resume_after: largest, smallest, largest, raised, reporters, bytes_known_missing })
    }
}

/// Writes, for each reporter, up to where each shard that is ahead has its reports.
async fn keep_ahead(
    engine: Engine,
    connection: &mut AnyConnection,
    marks: &ReplicaMarks,
    above: &[GenerationParts],
) -> Result<()> {
    let mut ahead = BTreeMap::new();
    for it in above {
        let holding: Vec<ShardIndex> = ShardIndex::all().filter(|shard| marks.of(*shard) >= it.generation).collect();
        for part in &it.parts {
            for shard in &holding {
                let held: &mut u64 = ahead.entry((part.reporter.as_str(), part.incarnation, *shard)).or_default();
                *held = part.through.max(*held);
            }
        }
    }
    let mut cells = Vec::with_capacity(ahead.len() * AHEAD.columns.len());
    for ((reporter, incarnation, shard), sequence) in ahead {
        cells.extend([Cell::from(reporter), cell(incarnation)?, i64::from(shard.get()).into(), cell(sequence)?]);
    }
    AHEAD.execute(engine, connection, &cells, &[]).await.map(|_| ())
}

/// Brings all shards to the largest watermark, with a ledger row for what each one lost.
async fn raise(
    engine: Engine,
    connection: &mut AnyConnection,
    marks: &ReplicaMarks,
    now: Micros,
    actor: &str,
) -> Result<Vec<ShardIndex>> {
    let largest = marks.largest();
    let mut raised = Vec::new();
    for mark in marks.shards.iter().filter(|it| it.generation < largest) {
        write_lost(engine, &mut *connection, (&marks.replica, mark.shard), (mark.generation, largest), (now, actor))
            .await?;
        raised.push(mark.shard);
    }
    let raise = sqlx::query(RAISE).bind(stored(largest.0)?).bind(now.0).bind(marks.replica.as_str());
    let done = raise.bind(stored(largest.0)?).execute(connection).await;
    done.map(|_| raised).map_err(during("raising watermarks"))
}

/// Bytes that the blobs above the smallest watermark name and the ledger does not.
async fn missing(
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    smallest: GenerationIndex,
    above: &[GenerationParts],
) -> Result<u64> {
    let named: u64 = above.iter().flat_map(|it| &it.parts).fold(0, |sum, it| sum.saturating_add(it.totals.received));
    let ledger = sqlx::query(LEDGER_RECEIVED).bind(replica.as_str()).bind(stored(smallest.0)?);
    let row = ledger.fetch_one(connection).await.map_err(during("reading what is durable of a replica"))?;
    Ok(named.saturating_sub(number(&row, 0)?))
}

async fn count(connection: &mut AnyConnection, statement: &'static str, replica: &ReplicaId) -> Result<u64> {
    let row = sqlx::query(statement).bind(replica.as_str()).fetch_one(connection).await;
    number(&row.map_err(during("looking at a replica"))?, 0)
}
