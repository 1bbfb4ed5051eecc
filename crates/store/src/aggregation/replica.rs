//! Intake replicas and their watermarks: how far each shard is committed, and the running totals that moved with it.
//!
//! The watermark is the only thing that decides whether a generation counts (I12): it is compared and set first in the
//! transaction that writes the generation, and it is read in the same snapshot as what it covers (I14).
//! Locks are taken in one order everywhere: replica, watermarks, usage, parked items, reporters, blobs, ledger.

use domain::aggregation::{GenerationIndex, Marks, SHARD_COUNT, ShardIndex};
use domain::ids::ReplicaId;
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, integer, maybe_integer, number, parsed, text};
use crate::error::{Result, StoreError, during};

/// How far a (replica, shard) is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardMark {
    pub shard: ShardIndex,
    /// Every generation up to this one is committed; 0 before the first.
    pub generation: GenerationIndex,
    pub totals: ShardTotals,
}

/// Bytes of a (replica, shard) since its beginning. received = durable + parked + rejected at every commit (I11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardTotals {
    pub received: u64,
    pub durable: u64,
    pub parked: u64,
    pub rejected: u64,
    /// The part of `durable` that was parked before.
    pub unparked: u64,
    /// The part of `durable` whose ledger rows were deleted for their age.
    pub pruned: u64,
}

/// A replica with its watermarks, of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaMarks {
    pub replica: ReplicaId,
    pub created: Micros,
    /// Which life of it: a process that opened an earlier one may write nothing any more.
    pub life: u64,
    /// When it was retired.
    pub closed: Option<Micros>,
    /// The reporters of every generation up to this one are folded: its log may drop these.
    pub folded: GenerationIndex,
    /// One for each shard, in order.
    pub shards: Vec<ShardMark>,
}

impl ReplicaMarks {
    /// The generation that every shard has reached.
    pub fn smallest(&self) -> GenerationIndex {
        self.shards.iter().map(|it| it.generation).min().unwrap_or_default()
    }

    /// The generation that some shard has reached.
    pub fn largest(&self) -> GenerationIndex {
        self.shards.iter().map(|it| it.generation).max().unwrap_or_default()
    }

    /// The watermark of a shard.
    pub fn of(&self, shard: ShardIndex) -> GenerationIndex {
        self.shards[shard.index()].generation
    }

    /// The watermarks by shard.
    pub fn generations(&self) -> Marks {
        let mut marks = [GenerationIndex::default(); SHARD_COUNT as usize];
        self.shards.iter().for_each(|it| marks[it.shard.index()] = it.generation);
        marks
    }
}

const OPEN: &str = "INSERT INTO intake_replica (replica_id, created_us, closed_us, life, folded)
VALUES ($1, $2, NULL, 1, 0)
ON CONFLICT (replica_id) DO UPDATE
SET life = intake_replica.life + 1
RETURNING life";

const OPEN_SHARDS: Bulk = Bulk {
    during: "opening a replica",
    sql: "WITH source (shard) AS ({source})
INSERT INTO watermark (replica_id, shard, generation, closed_us, life, received, durable, parked, rejected, unparked, pruned,
  moved_us)
SELECT $1, shard, 0, NULL, $2, 0, 0, 0, 0, 0, 0, $3
FROM source
WHERE true
ON CONFLICT (replica_id, shard) DO UPDATE
SET life = excluded.life",
    columns: &[ColumnType::Integer],
};

/// One of every replica; `$1` is empty or names the only one.
const MARKS: &str = "SELECT r.replica_id, r.created_us, r.closed_us, r.folded, w.shard, w.generation, w.received,
  w.durable, w.parked, w.rejected, w.unparked, w.pruned, r.life
FROM intake_replica r
JOIN watermark w ON w.replica_id = r.replica_id
WHERE r.replica_id = $1 OR $2 = 1
ORDER BY r.replica_id, w.shard";

/// Blobs of generations that no shard has: an intact log writes them again, another one has other contents for them.
const DROP_UNUSED_BLOBS: &str = "DELETE FROM reporter_blob
WHERE replica_id = $1 AND generation > (SELECT MAX(generation) FROM watermark WHERE replica_id = $2)";

const STATE: &str = "SELECT closed_us, folded, life FROM intake_replica WHERE replica_id = $1";

impl Store {
    /// Opens a replica: makes its rows when it is new, and answers where it stands. A retired one is answered too; it
    /// must not acknowledge anything. From here on only this process may write in its name: each opening begins another
    /// life, and waits for what the former one is committing.
    ///
    /// # Errors
    /// [`StoreError::Contention`] and [`StoreError::Unavailable`]: nothing was written.
    pub async fn open_replica(&self, replica: &ReplicaId, now: Micros) -> Result<ReplicaMarks> {
        let mut tx = self.begin_write().await?;
        let open = sqlx::query(OPEN).bind(replica.as_str()).bind(now.0).fetch_one(&mut *tx).await;
        let life: u64 = number(&open.map_err(during("opening a replica"))?, 0)?;
        let shards: Vec<Cell<'_>> = ShardIndex::all().map(|it| i64::from(it.get()).into()).collect();
        OPEN_SHARDS
            .execute(self.engine(), &mut tx, &shards, &[replica.as_str().into(), cell(life)?, now.0.into()])
            .await?;
        let drop = sqlx::query(DROP_UNUSED_BLOBS).bind(replica.as_str()).bind(replica.as_str()).execute(&mut *tx).await;
        drop.map_err(during("opening a replica"))?;
        let marks = read_marks(&mut tx, Some(replica)).await?;
        tx.commit().await.map_err(during("opening a replica"))?;
        self.remember_life(replica, life);
        marks.into_iter().next().ok_or_else(|| StoreError::corrupt("a replica that was opened is not there"))
    }

    /// Where a replica stands.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn replica_marks(&self, replica: &ReplicaId) -> Result<Option<ReplicaMarks>> {
        Ok(read_marks(&mut *self.reader().await?, Some(replica)).await?.into_iter().next())
    }

    /// Where every replica stands, retired ones too, by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn list_replicas(&self) -> Result<Vec<ReplicaMarks>> {
        read_marks(&mut *self.reader().await?, None).await
    }
}

/// The marks of one replica or of all. One statement, so one snapshot on both engines.
pub(super) async fn read_marks(
    connection: &mut AnyConnection,
    replica: Option<&ReplicaId>,
) -> Result<Vec<ReplicaMarks>> {
    let query = sqlx::query(MARKS).bind(replica.map_or("", ReplicaId::as_str)).bind(i64::from(replica.is_none()));
    let rows = query.fetch_all(connection).await.map_err(during("reading watermarks"))?;
    let mut replicas: Vec<ReplicaMarks> = Vec::new();
    for row in &rows {
        let id = text(row, 0)?;
        if replicas.last().is_none_or(|last| last.replica.as_str() != id) {
            replicas.push(ReplicaMarks {
                replica: parsed(ReplicaId::parse, id)?,
                created: Micros(integer(row, 1)?),
                life: number(row, 12)?,
                closed: maybe_integer(row, 2)?.map(Micros),
                folded: GenerationIndex(number(row, 3)?),
                shards: Vec::with_capacity(usize::from(SHARD_COUNT)),
            });
        }
        let replica = replicas.last_mut().ok_or_else(|| StoreError::corrupt("a watermark without a replica"))?;
        replica.shards.push(read_mark(row)?);
    }
    match replicas.iter().find(|it| it.shards.len() != usize::from(SHARD_COUNT)) {
        Some(it) => Err(StoreError::corrupt(format!("replica {} has {} watermarks", it.replica, it.shards.len()))),
        None => Ok(replicas),
    }
}

fn read_mark(row: &AnyRow) -> Result<ShardMark> {
    let totals = ShardTotals {
        received: number(row, 6)?,
        durable: number(row, 7)?,
        parked: number(row, 8)?,
        rejected: number(row, 9)?,
        unparked: number(row, 10)?,
        pruned: number(row, 11)?,
    };
    Ok(ShardMark { shard: shard_of(row, 4)?, generation: GenerationIndex(number(row, 5)?), totals })
}

/// How a replica is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It stays open or closed, and what is folded stays so, until we end.
    Shared,
    /// For us alone.
    Alone,
}

/// A replica that is locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub closed: Option<Micros>,
    pub folded: GenerationIndex,
    pub life: u64,
}

/// Locks a replica; the first lock of every transaction that takes it.
pub(super) async fn hold_replica(
    engine: Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    hold: Hold,
) -> Result<Held> {
    let statement = match hold {
        Hold::Shared => engine.share(STATE),
        Hold::Alone => engine.exclude(STATE),
    };
    let rows = sqlx::query(statement).bind(replica.as_str()).fetch_all(connection).await;
    let rows = rows.map_err(during("locking a replica"))?;
    let row = rows.first().ok_or_else(|| StoreError::misuse(format!("the replica {replica} was never opened")))?;
    Ok(Held {
        closed: maybe_integer(row, 0)?.map(Micros),
        folded: GenerationIndex(number(row, 1)?),
        life: number(row, 2)?,
    })
}

/// Locks a replica that must be open, and in the life that this process began.
pub(super) async fn hold_own(
    store: &Store,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    hold: Hold,
) -> Result<Held> {
    let held = hold_replica(store.engine(), connection, replica, hold).await?;
    let replica = replica.clone();
    match held.closed {
        Some(_) => Err(StoreError::ReplicaClosed { replica }),
        None if held.life != store.life_of(&replica)? => Err(StoreError::FormerLife { replica }),
        None => Ok(held),
    }
}

/// The shard in a column.
pub(super) fn shard_of(row: &AnyRow, at: usize) -> Result<ShardIndex> {
    let found: u8 = number(row, at)?;
    ShardIndex::new(found).ok_or_else(|| StoreError::corrupt(format!("there is no shard {found}")))
}

/// A figure as it is stored.
pub(super) fn stored(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| StoreError::misuse("a stored figure has at most 63 bits"))
}

/// A figure as a cell.
pub(super) fn cell<'a>(value: u64) -> Result<Cell<'a>> {
    stored(value).map(Cell::Integer)
}
