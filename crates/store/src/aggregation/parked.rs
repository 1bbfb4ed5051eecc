//! Items that wait: for their instance to exist, or for an operator to admit them.
//!
//! They are durable and belong to their generation; settling one moves its bytes to usage, or to what was refused, in
//! one transaction with the totals of its shard and of its reporter, so that conservation holds at every moment (I11).
//! Only items of generations that every shard has passed are settled: below that, a lost disk changes nothing.

use std::collections::BTreeMap;

use domain::aggregation::{GenerationIndex, Hour, Minute, ShardIndex, Traffic};
use domain::ids::{InstanceId, NodeId, ReplicaId};
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::blob::move_totals;
use super::commit::ShardCommit;
use super::replica::{cell, shard_of, stored};
use super::usage::{UsageAdd, write_usage};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, integer, number, parsed, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// Why an item waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParkedWhy {
    /// Nobody has heard of its instance.
    InstanceUnknown,
    /// Its node stated a line that cannot carry so much: an operator decides.
    LineRate,
}

impl ParkedWhy {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::InstanceUnknown, Self::LineRate];

    /// How it is spelled.
    pub fn code(self) -> &'static str {
        match self {
            Self::InstanceUnknown => "instance-unknown",
            Self::LineRate => "line-rate",
        }
    }
}

/// An item that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedAdd {
    pub generation: GenerationIndex,
    pub reporter: NodeId,
    pub incarnation: u64,
    pub sequence: u64,
    pub instance: InstanceId,
    pub minute: Minute,
    pub traffic: Traffic,
    pub why: ParkedWhy,
}

/// Which item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedKey {
    pub replica: ReplicaId,
    pub shard: ShardIndex,
    pub generation: GenerationIndex,
    /// Its place in the generation of the shard, from 0.
    pub ordinal: u64,
}

/// An item that waits, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    pub key: ParkedKey,
    pub item: ParkedAdd,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedFate {
    /// It counts, in this period and hour.
    Count { period: Micros, hour: Hour },
    /// It is refused for good.
    Reject,
}

/// What was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    pub items: u64,
    pub bytes: u64,
}

/// Five thousand items in one call: its transactions stay short.
pub const PARKED_PER_CALL_MAX: usize = 5_000;

const ADD: Bulk = Bulk {
    during: "parking items",
    sql: "WITH source (generation, ordinal, reporter_id, incarnation, sequence, minute_us, up, down, why, instance_id)
  AS ({source})
INSERT INTO parked_item (generation, ordinal, reporter_id, incarnation, sequence, minute_us, up, down, why,
  instance_id, replica_id, shard, is_attributed)
SELECT generation, ordinal, reporter_id, incarnation, sequence, minute_us, up, down, why, instance_id, $1, $2, 1
FROM source",
    columns: &[
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
    ],
};

/// All that waits.
const LIST: &str = "SELECT p.replica_id, p.shard, p.generation, p.ordinal, p.reporter_id, p.incarnation, p.sequence,
  p.instance_id, p.minute_us, p.up, p.down, p.why
FROM parked_item p
WHERE (p.replica_id, p.shard, p.generation, p.ordinal) > ($1, $2, $3, $4)
ORDER BY p.replica_id, p.shard, p.generation, p.ordinal
LIMIT $5";

const READY: &str = "SELECT p.replica_id, p.shard, p.generation, p.ordinal, p.reporter_id, p.incarnation, p.sequence,
  p.instance_id, p.minute_us, p.up, p.down, p.why
FROM parked_item p
WHERE (p.replica_id, p.shard, p.generation, p.ordinal) > ($1, $2, $3, $4)
  AND p.why = 'instance-unknown'
  AND EXISTS (SELECT 1 FROM instance i WHERE i.instance_id = p.instance_id)
  AND p.generation <= (SELECT MIN(w.generation) FROM watermark w WHERE w.replica_id = p.replica_id)
ORDER BY p.replica_id, p.shard, p.generation, p.ordinal
LIMIT $5";

const COUNTS: &str = "SELECT reporter_id, COUNT(*), CAST(SUM(up + down) AS BIGINT)
FROM parked_item
GROUP BY reporter_id";

const LOCK: &str = "SELECT generation FROM watermark WHERE replica_id = $1 AND shard = $2";

const TAKE: Bulk = Bulk {
    during: "settling parked items",
    sql: "WITH source (generation, ordinal) AS ({source})
DELETE FROM parked_item
WHERE (generation, ordinal) IN (SELECT generation, ordinal FROM source) AND replica_id = $1 AND shard = $2
  AND generation <= (SELECT MIN(w.generation) FROM watermark w WHERE w.replica_id = $3)
RETURNING generation, ordinal, reporter_id, incarnation, instance_id, up, down, is_attributed",
    columns: &[ColumnType::Integer, ColumnType::Integer],
};

const MOVE: &str = "UPDATE watermark
SET parked = parked - $1, durable = durable + $2, unparked = unparked + $3, rejected = rejected + $4, moved_us = $5
WHERE replica_id = $6 AND shard = $7";

impl Store {
    /// Items that wait, after a key, by key; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn list_parked(&self, after: Option<&ParkedKey>, limit: u32) -> Result<Vec<ParkedRow>> {
        self.parked(LIST, after, limit).await
    }

    /// Items whose instance exists by now, after a key, by key; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn parked_ready(&self, after: Option<&ParkedKey>, limit: u32) -> Result<Vec<ParkedRow>> {
        self.parked(READY, after, limit).await
    }

    async fn parked(&self, statement: &'static str, after: Option<&ParkedKey>, limit: u32) -> Result<Vec<ParkedRow>> {
        let (replica, shard) = after.map_or(("", 0), |it| (it.replica.as_str(), it.shard.get()));
        let (generation, ordinal) = after.map_or((0, 0), |it| (it.generation.0, it.ordinal));
        let list = sqlx::query(statement).bind(replica).bind(i64::from(shard)).bind(stored(generation)?);
        let list = list.bind(stored(ordinal)?).bind(i64::from(limit.min(PAGE_MAX)));
        let rows = list.fetch_all(&mut *self.reader().await?).await.map_err(during("listing parked items"))?;
        rows.iter().map(read).collect()
    }

    /// How many items and bytes wait for each reporter, by reporter.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn parked_counts(&self) -> Result<Vec<(NodeId, u64, u64)>> {
        let rows = sqlx::query(COUNTS).fetch_all(&mut *self.reader().await?).await;
        let rows = rows.map_err(during("counting parked items"))?;
        let count = |row: &AnyRow| Ok((parsed(NodeId::parse, text(row, 0)?)?, number(row, 1)?, number(row, 2)?));
        let mut counts: Vec<(NodeId, u64, u64)> = rows.iter().map(count).collect::<Result<_>>()?;
        counts.sort_unstable();
        Ok(counts)
    }

    /// Settles items: one transaction for each (replica, shard). Items that went meanwhile, or whose generation some
    /// shard has not reached, are left out.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] above [`PARKED_PER_CALL_MAX`]. After any other error some shards may have been settled
    /// and the rest not; ask again, nothing is settled twice.
    pub async fn settle_parked(&self, fates: &[(ParkedKey, ParkedFate)], now: Micros) -> Result<Settled> {
        if fates.len() > PARKED_PER_CALL_MAX {
            return Err(StoreError::misuse(format!("at most {PARKED_PER_CALL_MAX} parked items in one call")));
        }
        let mut shards: BTreeMap<(&ReplicaId, ShardIndex), Fates> = BTreeMap::new();
        for (key, fate) in fates {
            let of_shard = shards.entry((&key.replica, key.shard)).or_default();
            of_shard.insert((key.generation, key.ordinal), *fate);
        }
        let mut settled = Settled::default();
        for ((replica, shard), fates) in shards {
            let more = self.settle_shard(replica, shard, &fates, now).await?;
            settled.items += more.items;
            settled.bytes = settled.bytes.saturating_add(more.bytes);
        }
        Ok(settled)
    }

    async fn settle_shard(
        &self,
        replica: &ReplicaId,
        shard: ShardIndex,
        fates: &Fates,
        now: Micros,
    ) -> Result<Settled> {
        let settling = "settling parked items";
        let number_of_shard = i64::from(shard.get());
        let mut tx = self.begin_write().await?;
        // The watermark first, as a flush does, or the two would wait for each other.
        let lock = sqlx::query(self.engine().exclude(LOCK)).bind(replica.as_str()).bind(number_of_shard);
        lock.fetch_all(&mut *tx).await.map_err(during(settling))?;
        let mut keys = Vec::with_capacity(fates.len() * 2);
        for (generation, ordinal) in fates.keys() {
            keys.extend([cell(generation.0)?, cell(*ordinal)?]);
        }
        let replica_cell = Cell::from(replica.as_str());
        let scalars = [replica_cell, number_of_shard.into(), replica_cell];
        let taken = TAKE.fetch(self.engine(), &mut tx, &keys, &scalars).await?;
        let effect = Effect::of(&taken, fates)?;
        let (durable, rejected) = (effect.counted, effect.rejected);
        let moved = sqlx::query(MOVE).bind(durable + rejected).bind(durable).bind(durable).bind(rejected).bind(now.0);
        let moved = moved.bind(replica.as_str()).bind(number_of_shard).execute(&mut *tx).await;
        moved.map_err(during(settling))?;
        write_usage(self.engine(), &mut tx, shard, &effect.usage).await?;
        move_totals(self.engine(), &mut tx, replica, &effect.reporters).await?;
        tx.commit().await.map_err(during(settling))?;
        Ok(Settled { items: taken.len() as u64, bytes: u64::try_from(durable + rejected).unwrap_or_default() })
    }
}

/// What becomes of the items of one shard, by (generation, ordinal).
type Fates = BTreeMap<(GenerationIndex, u64), ParkedFate>;

/// What settling items does.
struct Effect {
    /// In key order.
    usage: Vec<UsageAdd>,
    counted: i64,
    rejected: i64,
    /// Received, counted, parked, rejected.
    reporters: BTreeMap<(NodeId, u64), [i64; 4]>,
}

impl Effect {
    fn of(taken: &[AnyRow], fates: &Fates) -> Result<Self> {
        let mut usage: BTreeMap<(InstanceId, Micros, Hour), Traffic> = BTreeMap::new();
        let mut effect = Self { usage: Vec::new(), counted: 0, rejected: 0, reporters: BTreeMap::new() };
        let too_large = || StoreError::misuse("parked items of more than 2^63 bytes");
        for row in taken {
            let traffic = Traffic { up: number(row, 5)?, down: number(row, 6)? };
            let bytes = stored(traffic.bytes().ok_or_else(too_large)?)?;
            let fate = fates.get(&(GenerationIndex(number(row, 0)?), number(row, 1)?));
            let totals = match fate.ok_or_else(|| StoreError::corrupt("an item was settled that was not named"))? {
                ParkedFate::Count { period, hour } => {
                    let key = (parsed(InstanceId::parse, text(row, 4)?)?, *period, *hour);
                    let sum = usage.entry(key).or_default();
                    *sum = sum.checked_add(traffic).ok_or_else(too_large)?;
                    effect.counted = effect.counted.checked_add(bytes).ok_or_else(too_large)?;
                    [0, bytes, -bytes, 0]
                }
                ParkedFate::Reject => {
                    effect.rejected = effect.rejected.checked_add(bytes).ok_or_else(too_large)?;
                    [0, 0, -bytes, bytes]
                }
            };
            // What went with a lost disk is not in the reporter's totals: a replay counts it there as a whole.
            if integer(row, 7)? == 1 {
                let reporter = (parsed(NodeId::parse, text(row, 2)?)?, number(row, 3)?);
                let sums = effect.reporters.entry(reporter).or_default();
                sums.iter_mut().zip(totals).for_each(|(sum, more)| *sum += more);
            }
        }
        let add = |((instance, period, hour), traffic)| UsageAdd { instance, period, hour, traffic };
        effect.usage = usage.into_iter().map(add).collect();
        Ok(effect)
    }
}

fn read(row: &AnyRow) -> Result<ParkedRow> {
    let key = ParkedKey {
        replica: parsed(ReplicaId::parse, text(row, 0)?)?,
        shard: shard_of(row, 1)?,
        generation: GenerationIndex(number(row, 2)?),
        ordinal: number(row, 3)?,
    };
    let why = text(row, 11)?;
    let why = ParkedWhy::ALL.into_iter().find(|it| it.code() == why);
    let item = ParkedAdd {
        generation: key.generation,
        reporter: parsed(NodeId::parse, text(row, 4)?)?,
        incarnation: number(row, 5)?,
        sequence: number(row, 6)?,
        instance: parsed(InstanceId::parse, text(row, 7)?)?,
        minute: Minute::of(Micros(integer(row, 8)?)),
        traffic: Traffic { up: number(row, 9)?, down: number(row, 10)? },
        why: why.ok_or_else(|| StoreError::corrupt("an item parked for a reason that there is not"))?,
    };
    Ok(ParkedRow { key, item })
}

/// Writes the items of a flush; the place of each in its generation is its ordinal.
pub(super) async fn write_parked(
    engine: Engine,
    connection: &mut AnyConnection,
    commit: &ShardCommit<'_>,
) -> Result<()> {
    let mut places: BTreeMap<GenerationIndex, u64> = BTreeMap::new();
    let mut cells = Vec::with_capacity(commit.parked.len() * ADD.columns.len());
    for it in commit.parked {
        let place = places.entry(it.generation).or_default();
        cells.extend([cell(it.generation.0)?, cell(*place)?, it.reporter.as_str().into(), cell(it.incarnation)?]);
        cells.extend([cell(it.sequence)?, it.minute.start().0.into(), cell(it.traffic.up)?, cell(it.traffic.down)?]);
        cells.extend([it.why.code().into(), Cell::from(it.instance.as_str())]);
        *place += 1;
    }
    let scalars = [commit.replica.as_str().into(), i64::from(commit.shard.get()).into()];
    ADD.execute(engine, connection, &cells, &scalars).await.map(|_| ())
}
