//! The flush of a shard: one transaction that moves the watermark and writes what the generations hold of it.
//!
//! The compare-and-set on the watermark is the first statement; if it finds another generation, or a replica that was
//! retired, nothing is written (I12). So two flushers, a retry and a lost reply are all harmless: whoever comes second
//! finds the watermark moved. A lost reply is looked up behind the lock of the row, never guessed.

use domain::aggregation::{GenerationIndex, ShardIndex};
use domain::ids::ReplicaId;
use domain::time::Micros;
use sqlx::{Any, AnyConnection, Transaction};

use super::cumulative::{CumulativeTotal, write_cumulative};
use super::ledger::{LedgerAdd, write_ledger};
use super::parked::{ParkedAdd, write_parked};
use super::replica::{cell, stored};
use super::usage::{UsageAdd, write_usage};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::engine::{Store, maybe_integer, number};
use crate::error::{Result, StoreError, during};

/// Half a million rows in one transaction: two seconds or so, shorter than what waits for the shard has patience for.
pub const ROWS_PER_COMMIT_MAX: usize = 500_000;

/// What is flushed of one shard: the generations in (from, to].
#[derive(Debug, Clone, Copy)]
pub struct ShardCommit<'a> {
    pub replica: &'a ReplicaId,
    pub shard: ShardIndex,
    /// The watermark that the flush read.
    pub from: GenerationIndex,
    /// The watermark that it sets.
    pub to: GenerationIndex,
    pub now: Micros,
    /// The process that flushes, for the ledger.
    pub actor: &'a str,
    /// Strictly ascending by (instance, period, hour), as all of these at most [`ROWS_PER_COMMIT_MAX`].
    pub usage: &'a [UsageAdd],
    pub parked: &'a [ParkedAdd],
    /// The last total of each (reporter, incarnation, instance), in any order.
    pub cumulative: &'a [CumulativeTotal],
    /// One for each generation that holds anything of this shard, ascending; at least one.
    pub ledger: &'a [LedgerAdd],
    /// Bytes that the reports held, counted at the parser.
    pub received: u64,
    /// Bytes of them that were refused.
    pub rejected: u64,
}

const MOVE: &str = "UPDATE watermark
SET generation = $1, received = received + $2, durable = durable + $3, parked = parked + $4, rejected = rejected + $5,
  moved_us = $6
WHERE replica_id = $7 AND shard = $8 AND generation = $9 AND life = $10 AND closed_us IS NULL";

const SKIP: Bulk = Bulk {
    during: "moving watermarks over empty generations",
    sql: "WITH source (shard) AS ({source})
UPDATE watermark
SET generation = $1, moved_us = $2
WHERE shard IN (SELECT shard FROM source) AND replica_id = $3 AND generation = $4 AND life = $5 AND closed_us IS NULL",
    columns: &[ColumnType::Integer],
};

const BLOBS: &str = "SELECT COUNT(*)
FROM reporter_blob
WHERE replica_id = $1 AND generation > $2 AND generation <= $3";

const MARK: &str = "SELECT generation, life, closed_us FROM watermark WHERE replica_id = $1 AND shard = $2";

impl Store {
    /// Flushes generations of a shard. Durable and parked bytes are summed from the rows themselves; the ledger must
    /// agree with them.
    ///
    /// # Errors
    /// [`StoreError::WatermarkMoved`], with `found` equal to `to` when it was flushed before;
    /// [`StoreError::ReplicaClosed`]; [`StoreError::FormerLife`]; [`StoreError::BlobMissing`]; [`StoreError::Misuse`] when the ledger contradicts the rows or a limit is broken;
    /// [`StoreError::Contention`]: nothing was written. [`StoreError::Unavailable`]: it may stand; flush it again, the
    /// watermark decides.
    pub async fn commit_shard(&self, commit: ShardCommit<'_>) -> Result<()> {
        let sums = check(&commit)?;
        let life = self.life_of(commit.replica)?;
        let mut tx = self.begin_write().await?;
        let moved = sqlx::query(MOVE).bind(stored(commit.to.0)?).bind(stored(commit.received)?).bind(sums.durable);
        let moved = moved.bind(sums.parked).bind(stored(commit.rejected)?).bind(commit.now.0);
        let moved = moved.bind(commit.replica.as_str()).bind(i64::from(commit.shard.get()));
        let moved = moved.bind(stored(commit.from.0)?).bind(stored(life)?).execute(&mut *tx).await;
        if moved.map_err(during("moving a watermark"))?.rows_affected() != 1 {
            return Err(why_not_moved(&mut tx, commit.replica, life, &[commit.shard], commit.from).await);
        }
        demand_blobs(&mut tx, commit.replica, commit.from, commit.to).await?;
        let engine = self.engine();
        write_usage(engine, &mut tx, commit.shard, commit.usage).await?;
        write_parked(engine, &mut tx, &commit).await?;
        write_cumulative(engine, &mut tx, commit.shard, commit.cumulative).await?;
        write_ledger(engine, &mut tx, &commit).await?;
        self.end_flush(tx, commit.replica, &[commit.shard], commit.to).await
    }

    /// Moves the watermarks of shards of which the generations in (from, to] hold nothing: all of them, or none.
    ///
    /// # Errors
    /// As [`Store::commit_shard`]; [`StoreError::WatermarkMoved`] names the first shard that stands elsewhere.
    pub async fn skip_shards(
        &self,
        replica: &ReplicaId,
        shards: &[ShardIndex],
        from: GenerationIndex,
        to: GenerationIndex,
        now: Micros,
    ) -> Result<()> {
        check_range(from, to)?;
        let life = self.life_of(replica)?;
        let mut shards = shards.to_vec();
        shards.sort_unstable();
        shards.dedup();
        let cells: Vec<Cell<'_>> = shards.iter().map(|it| i64::from(it.get()).into()).collect();
        let scalars = [cell(to.0)?, now.0.into(), replica.as_str().into(), cell(from.0)?, cell(life)?];
        let mut tx = self.begin_write().await?;
        let moved = SKIP.execute(self.engine(), &mut tx, &cells, &scalars).await?;
        if moved != shards.len() as u64 {
            tx.rollback().await.map_err(during("moving watermarks over empty generations"))?;
            return Err(why_not_moved(&mut *self.reader().await?, replica, life, &shards, from).await);
        }
        demand_blobs(&mut tx, replica, from, to).await?;
        self.end_flush(tx, replica, &shards, to).await
    }

    /// Commits; if the reply is lost, looks whether the watermarks stand.
    async fn end_flush(
        &self,
        tx: Transaction<'static, Any>,
        replica: &ReplicaId,
        shards: &[ShardIndex],
        to: GenerationIndex,
    ) -> Result<()> {
        match tx.commit().await.map_err(during("committing a shard")) {
            Err(lost @ StoreError::Unavailable { .. }) => match self.has_moved(replica, shards, to).await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(lost),
            },
            outcome => outcome,
        }
    }

    /// Whether all these shards have reached a generation. Waits for a commit that is still under way.
    async fn has_moved(&self, replica: &ReplicaId, shards: &[ShardIndex], to: GenerationIndex) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        for shard in shards {
            let mark = sqlx::query(self.engine().exclude(MARK)).bind(replica.as_str()).bind(i64::from(shard.get()));
            let rows = mark.fetch_all(&mut *tx).await.map_err(during("looking for a commit"))?;
            let row = rows.first().ok_or_else(|| StoreError::corrupt("a watermark has vanished"))?;
            // In another life the watermark may have been raised over what was lost: that says nothing of this commit.
            if number::<u64>(row, 0)? < to.0 || number::<u64>(row, 1)? != self.life_of(replica)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Refuses generations without a blob. A database that lost its last commits may have lost blobs and nothing else: what
/// is committed without one, a replay after a lost disk would count again.
async fn demand_blobs(
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    from: GenerationIndex,
    to: GenerationIndex,
) -> Result<()> {
    let blobs = sqlx::query(BLOBS).bind(replica.as_str()).bind(stored(from.0)?).bind(stored(to.0)?);
    let row = blobs.fetch_one(connection).await.map_err(during("looking for blobs"))?;
    if number::<u64>(&row, 0)? == to.0 - from.0 {
        return Ok(());
    }
    Err(StoreError::BlobMissing { replica: replica.clone(), from, to })
}

/// Bytes of the rows of a flush.
struct Sums {
    durable: i64,
    parked: i64,
}

/// Adds bytes; a flush beyond 63 bits is refused.
fn sum(bytes: impl Iterator<Item = Option<u64>>) -> Result<i64> {
    let sum = bytes.into_iter().try_fold(0u64, |sum, it| sum.checked_add(it?));
    stored(sum.ok_or_else(|| StoreError::misuse("a flush counts at most 2^63 bytes"))?)
}

fn check_range(from: GenerationIndex, to: GenerationIndex) -> Result<()> {
    if from < to {
        return Ok(());
    }
    Err(StoreError::misuse(format!("a flush moves a watermark forward, not from {from} to {to}")))
}

/// What is told twice must agree: the sums of the ledger are those of the rows, or a bug would be recorded as truth.
fn check(commit: &ShardCommit<'_>) -> Result<Sums> {
    check_range(commit.from, commit.to)?;
    let counts = [commit.usage.len(), commit.parked.len(), commit.cumulative.len()];
    if counts.iter().any(|count| *count > ROWS_PER_COMMIT_MAX) {
        return Err(StoreError::misuse(format!("at most {ROWS_PER_COMMIT_MAX} rows in one flush")));
    }
    if !commit.usage.is_sorted_by(|a, b| a.key() < b.key()) {
        return Err(StoreError::misuse("usage is flushed in key order, each key once"));
    }
    let holds = |generation: GenerationIndex| commit.from < generation && generation <= commit.to;
    let is_in_range = commit.ledger.iter().map(|it| it.generation).all(holds)
        && commit.parked.iter().map(|it| it.generation).all(holds);
    if !is_in_range || commit.ledger.is_empty() || !commit.ledger.is_sorted_by(|a, b| a.generation < b.generation) {
        return Err(StoreError::misuse("a flush has a ledger row for each generation that it writes, in order"));
    }
    let durable = sum(commit.usage.iter().map(|it| it.traffic.bytes()))?;
    let parked = sum(commit.parked.iter().map(|it| it.traffic.bytes()))?;
    let told = [
        (durable, sum(commit.ledger.iter().map(|it| it.traffic.bytes()))?, "counted"),
        (parked, sum(commit.ledger.iter().map(|it| Some(it.parked)))?, "parked"),
        (stored(commit.received)?, sum(commit.ledger.iter().map(|it| Some(it.received)))?, "received"),
        (stored(commit.rejected)?, sum(commit.ledger.iter().map(|it| Some(it.rejected)))?, "rejected"),
    ];
    match told.iter().find(|(rows, ledger, _)| rows != ledger) {
        Some((rows, ledger, what)) => {
            Err(StoreError::misuse(format!("{rows} bytes were {what}, but the ledger says {ledger}")))
        }
        None => Ok(Sums { durable, parked }),
    }
}

/// Why the compare-and-set found nothing.
async fn why_not_moved(
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    life: u64,
    shards: &[ShardIndex],
    expected: GenerationIndex,
) -> StoreError {
    for shard in shards {
        match read_mark(&mut *connection, replica, *shard).await {
            Err(error) => return error,
            Ok(mark) if mark.is_closed => return StoreError::ReplicaClosed { replica: replica.clone() },
            Ok(mark) if mark.life != life => return StoreError::FormerLife { replica: replica.clone() },
            Ok(mark) if mark.generation != expected => {
                return StoreError::WatermarkMoved { shard: *shard, expected, found: mark.generation };
            }
            Ok(_) => {}
        }
    }
    // The row came back to what was expected between two looks: a database that went back in time.
    StoreError::corrupt("a watermark that could not be moved stands where it should")
}

/// What the compare-and-set compares.
struct Mark {
    generation: GenerationIndex,
    life: u64,
    is_closed: bool,
}

async fn read_mark(connection: &mut AnyConnection, replica: &ReplicaId, shard: ShardIndex) -> Result<Mark> {
    let mark = sqlx::query(MARK).bind(replica.as_str()).bind(i64::from(shard.get())).fetch_all(connection).await;
    let rows = mark.map_err(during("reading a watermark"))?;
    let row = rows.first().ok_or_else(|| StoreError::misuse(format!("the replica {replica} was never opened")))?;
    let is_closed = maybe_integer(row, 2)?.is_some();
    Ok(Mark { generation: GenerationIndex(number(row, 0)?), life: number(row, 1)?, is_closed })
}
