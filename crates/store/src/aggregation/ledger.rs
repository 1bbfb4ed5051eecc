//! The ledger: one row for each (replica, generation, shard) that was flushed. It is for audit.
//!
//! It is written in the transaction that counts, and nothing ever asks it whether something counts: that is the
//! watermark's to say (I12), so its rows may be deleted for their age; their bytes go to a total then.

use domain::aggregation::{GenerationIndex, ShardIndex, Traffic};
use domain::ids::ReplicaId;
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::commit::ShardCommit;
use super::replica::{cell, shard_of, stored};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, integer, number, parsed, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// What a flush says of one generation of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerAdd {
    pub generation: GenerationIndex,
    /// The start of its first minute.
    pub bucket_from: Micros,
    /// The end of its last minute.
    pub bucket_to: Micros,
    /// Counts that it held: usage rows, before several generations were flushed as one.
    pub rows: u64,
    /// What it adds to usage.
    pub traffic: Traffic,
    pub received: u64,
    pub parked: u64,
    pub rejected: u64,
    /// When the replica cut it.
    pub sealed: Micros,
}

/// Where a row stands; rows of one key are unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerKey {
    pub replica: ReplicaId,
    pub generation: GenerationIndex,
    pub shard: ShardIndex,
}

/// What has become of a generation of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedgerState {
    /// It is in usage, and its log and blob may still be there.
    Committed,
    /// Its blob is folded.
    Cleaned,
    /// It went with its disk: what it held comes back only if reporters repeat it.
    Lost,
}

impl LedgerState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Committed, Self::Cleaned, Self::Lost];

    /// How it is spelled.
    pub fn code(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Cleaned => "cleaned",
            Self::Lost => "lost",
        }
    }
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    pub key: LedgerKey,
    /// A lost row stands for all generations in (since, generation]; any other for its own.
    pub since: GenerationIndex,
    pub bucket_from: Micros,
    pub bucket_to: Micros,
    pub rows: u64,
    pub traffic: Traffic,
    pub received: u64,
    pub parked: u64,
    pub rejected: u64,
    pub state: LedgerState,
    pub sealed: Micros,
    /// When it was flushed.
    pub at: Micros,
    /// By which process.
    pub actor: String,
}

/// Which rows are listed; nothing set lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerFilter {
    pub replica: Option<ReplicaId>,
    pub shard: Option<ShardIndex>,
    pub state: Option<LedgerState>,
}

const ADD: Bulk = Bulk {
    during: "writing the ledger",
    sql:
        "WITH source (generation, since, bucket_from_us, bucket_to_us, row_count, up, down, received, parked, rejected,
  sealed_us) AS ({source})
INSERT INTO ledger (generation, since, bucket_from_us, bucket_to_us, row_count, up, down, received, parked, rejected,
  sealed_us, replica_id, shard, state, committed_us, actor)
SELECT generation, since, bucket_from_us, bucket_to_us, row_count, up, down, received, parked, rejected, sealed_us,
  $1, $2, $3, $4, $5
FROM source",
    columns: &[ColumnType::Integer; 11],
};

const LIST: &str =
    "SELECT replica_id, generation, shard, since, bucket_from_us, bucket_to_us, row_count, up, down, received,
  parked, rejected, state, sealed_us, committed_us, actor
FROM ledger
WHERE ($1 = 0 OR (replica_id, generation, shard) < ($2, $3, $4))
  AND ($5 = '' OR replica_id = $6) AND ($7 < 0 OR shard = $8) AND ($9 = '' OR state = $10)
ORDER BY replica_id DESC, generation DESC, shard DESC
LIMIT $11";

impl Store {
    /// Rows of the ledger after a key, the newest generation of a replica first: replica, generation and shard all
    /// descend. At most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn list_ledger(
        &self,
        filter: &LedgerFilter,
        after: Option<&LedgerKey>,
        limit: u32,
    ) -> Result<Vec<LedgerRow>> {
        let (replica, generation, shard) =
            after.map_or(("", 0, 0), |it| (it.replica.as_str(), it.generation.0, it.shard.get()));
        let only_replica = filter.replica.as_ref().map_or("", ReplicaId::as_str);
        let only_shard = filter.shard.map_or(-1, |it| i64::from(it.get()));
        let only_state = filter.state.map_or("", LedgerState::code);
        let list = sqlx::query(LIST).bind(i64::from(after.is_some()));
        let list = list.bind(replica).bind(stored(generation)?).bind(i64::from(shard));
        let list = list.bind(only_replica).bind(only_replica).bind(only_shard).bind(only_shard);
        let list = list.bind(only_state).bind(only_state).bind(i64::from(limit.min(PAGE_MAX)));
        let rows = list.fetch_all(&mut *self.reader().await?).await.map_err(during("listing the ledger"))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<LedgerRow> {
    let key = LedgerKey {
        replica: parsed(ReplicaId::parse, text(row, 0)?)?,
        generation: GenerationIndex(number(row, 1)?),
        shard: shard_of(row, 2)?,
    };
    let state = text(row, 12)?;
    let state = LedgerState::ALL.into_iter().find(|it| it.code() == state);
    Ok(LedgerRow {
        key,
        since: GenerationIndex(number(row, 3)?),
        bucket_from: Micros(integer(row, 4)?),
        bucket_to: Micros(integer(row, 5)?),
        rows: number(row, 6)?,
        traffic: Traffic { up: number(row, 7)?, down: number(row, 8)? },
        received: number(row, 9)?,
        parked: number(row, 10)?,
        rejected: number(row, 11)?,
        state: state.ok_or_else(|| StoreError::corrupt("a ledger row in a state that there is not"))?,
        sealed: Micros(integer(row, 13)?),
        at: Micros(integer(row, 14)?),
        actor: text(row, 15)?.to_owned(),
    })
}

/// Writes the rows of a flush.
pub(super) async fn write_ledger(
    engine: Engine,
    connection: &mut AnyConnection,
    commit: &ShardCommit<'_>,
) -> Result<()> {
    let mut cells = Vec::with_capacity(commit.ledger.len() * ADD.columns.len());
    for it in commit.ledger {
        cells.extend([cell(it.generation.0)?, cell(it.generation.0.saturating_sub(1))?]);
        cells.extend([it.bucket_from.0.into(), it.bucket_to.0.into(), cell(it.rows)?]);
        cells.extend([cell(it.traffic.up)?, cell(it.traffic.down)?]);
        cells.extend([cell(it.received)?, cell(it.parked)?, cell(it.rejected)?, it.sealed.0.into()]);
    }
    let shard = i64::from(commit.shard.get());
    let state = LedgerState::Committed.code();
    let replica = commit.replica.as_str();
    let scalars = [replica.into(), shard.into(), state.into(), commit.now.0.into(), commit.actor.into()];
    ADD.execute(engine, connection, &cells, &scalars).await.map(|_| ())
}

/// Writes what a shard lost with its disk: the generations in (since, through].
pub(super) async fn write_lost(
    engine: Engine,
    connection: &mut AnyConnection,
    lost: (&ReplicaId, ShardIndex),
    range: (GenerationIndex, GenerationIndex),
    by: (Micros, &str),
) -> Result<()> {
    let ((replica, shard), (since, through), (now, actor)) = (lost, range, by);
    let mut cells = vec![cell(through.0)?, cell(since.0)?, now.0.into(), now.0.into()];
    cells.extend([Cell::Integer(0); 6]);
    cells.push(now.0.into());
    let shard = i64::from(shard.get());
    let scalars = [replica.as_str().into(), shard.into(), LedgerState::Lost.code().into(), now.0.into(), actor.into()];
    ADD.execute(engine, connection, &cells, &scalars).await.map(|_| ())
}
