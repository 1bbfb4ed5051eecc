//! Usage: one row for each (instance, period, hour), added to and never set back (I15).
//!
//! The shard stands first in the key: a flush of one shard then writes neighbouring pages and not every page of the
//! table. Reading takes the rows and the watermarks that they reach in one snapshot, so that a caller can add what is
//! still in memory above them and count nothing twice (I14).

use std::collections::BTreeMap;

use domain::aggregation::{GenerationIndex, Hour, ShardIndex, Traffic};
use domain::ids::{InstanceId, ReplicaId};
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::replica::{cell, stored};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, integer, number, parsed, text};
use crate::error::{Result, StoreError, during};

/// Bytes to be added to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAdd {
    pub instance: InstanceId,
    /// The start of the period; 0 without a reset.
    pub period: Micros,
    pub hour: Hour,
    pub traffic: Traffic,
}

impl UsageAdd {
    /// What sorts a flush, and is in it once.
    pub fn key(&self) -> (&InstanceId, Micros, Hour) {
        (&self.instance, self.period, self.hour)
    }
}

/// What an instance used in an hour of a period, corrections included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRow {
    pub period: Micros,
    pub hour: Hour,
    pub traffic: Traffic,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageRange {
    /// The hours in [from, to).
    Hours { from: Hour, to: Hour },
    /// The period that starts here.
    Period(Micros),
}

/// Usage and the watermarks of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRead {
    /// By hour, then by period.
    pub rows: Vec<UsageRow>,
    /// The sum of the rows.
    pub durable: Traffic,
    /// Of the shard of the instance, for every replica, retired ones too.
    pub marks: Vec<(ReplicaId, GenerationIndex)>,
}

/// Twenty thousand rows of one instance: two years of hours and more.
pub const USAGE_ROWS_PER_READ_MAX: usize = 20_000;

const ADD: Bulk = Bulk {
    during: "counting usage",
    sql: "WITH source (instance_id, period_us, hour_us, up, down) AS ({source})
INSERT INTO usage_hour (instance_id, period_us, hour_us, up, down, shard)
SELECT instance_id, period_us, hour_us, up, down, $1
FROM source
WHERE true
ON CONFLICT (shard, instance_id, period_us, hour_us) DO UPDATE
SET up = usage_hour.up + excluded.up, down = usage_hour.down + excluded.down",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Integer, ColumnType::Integer, ColumnType::Integer],
};

const OF_HOURS: &str = "SELECT period_us, hour_us, up, down
FROM usage_hour
WHERE shard = $1 AND instance_id = $2 AND hour_us >= $3 AND hour_us < $4
LIMIT $5";

const OF_PERIOD: &str = "SELECT period_us, hour_us, up, down
FROM usage_hour
WHERE shard = $1 AND instance_id = $2 AND period_us = $3
LIMIT $4";

const CORRECTIONS: &str = "SELECT period_us, hour_us, up, down FROM usage_correction WHERE instance_id = $1";

const MARKS: &str = "SELECT replica_id, generation FROM watermark WHERE shard = $1 ORDER BY replica_id";

impl Store {
    /// What an instance used, and up to which generation of each replica that is said.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the range holds more than [`USAGE_ROWS_PER_READ_MAX`] rows,
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn usage(&self, instance: &InstanceId, range: UsageRange) -> Result<UsageRead> {
        let reading = "reading usage";
        let shard = i64::from(ShardIndex::of(instance).get());
        let limit = stored(USAGE_ROWS_PER_READ_MAX as u64 + 1)?;
        let mut tx = self.begin_read().await?;
        let query = match range {
            UsageRange::Hours { from, to } => {
                let query = sqlx::query(OF_HOURS).bind(shard).bind(instance.as_str());
                query.bind(start_us(from)).bind(start_us(to)).bind(limit)
            }
            UsageRange::Period(period) => {
                sqlx::query(OF_PERIOD).bind(shard).bind(instance.as_str()).bind(period.0).bind(limit)
            }
        };
        let rows = query.fetch_all(&mut *tx).await.map_err(during(reading))?;
        let corrections = sqlx::query(CORRECTIONS).bind(instance.as_str()).fetch_all(&mut *tx).await;
        let corrections = corrections.map_err(during(reading))?;
        let marks = sqlx::query(MARKS).bind(shard).fetch_all(&mut *tx).await.map_err(during(reading))?;
        tx.rollback().await.map_err(during(reading))?;
        if rows.len() > USAGE_ROWS_PER_READ_MAX {
            return Err(StoreError::misuse(format!(
                "more than {USAGE_ROWS_PER_READ_MAX} rows; ask for a shorter time"
            )));
        }
        let rows = corrected(&rows, &corrections, range)?;
        let durable = rows.iter().try_fold(Traffic::ZERO, |sum, it| sum.checked_add(it.traffic));
        let durable = durable.ok_or_else(|| StoreError::corrupt("usage beyond 63 bits"))?;
        let mark = |row: &AnyRow| Ok((parsed(ReplicaId::parse, text(row, 0)?)?, GenerationIndex(number(row, 1)?)));
        Ok(UsageRead { rows, durable, marks: marks.iter().map(mark).collect::<Result<_>>()? })
    }
}

/// The start of an hour that ends a range: the last hours of the type lie beyond the end of time.
fn start_us(hour: Hour) -> i64 {
    const HOUR_US: i64 = 3_600_000_000;
    i64::from(hour.0).saturating_mul(HOUR_US)
}

/// The rows of a range with the corrections in it.
fn corrected(rows: &[AnyRow], corrections: &[AnyRow], range: UsageRange) -> Result<Vec<UsageRow>> {
    let mut sums: BTreeMap<(Hour, Micros), [i128; 2]> = BTreeMap::new();
    for row in rows.iter().chain(corrections) {
        let (period, hour) = (Micros(integer(row, 0)?), Hour::of(Micros(integer(row, 1)?)));
        let is_asked = match range {
            UsageRange::Hours { from, to } => from <= hour && hour < to,
            UsageRange::Period(start) => period == start,
        };
        if is_asked {
            let sum = sums.entry((hour, period)).or_default();
            sum[0] += i128::from(integer(row, 2)?);
            sum[1] += i128::from(integer(row, 3)?);
        }
    }
    // Below zero is an hour whose row has expired and whose correction has not: what is left of it is nothing.
    let bytes = |sum: i128| u64::try_from(sum.max(0)).map_err(|_| StoreError::corrupt("usage beyond 63 bits"));
    let row = |((hour, period), [up, down]): ((Hour, Micros), [i128; 2])| {
        Ok(UsageRow { period, hour, traffic: Traffic { up: bytes(up)?, down: bytes(down)? } })
    };
    sums.into_iter().map(row).collect()
}

/// Adds the rows of one shard, which are in key order.
pub(super) async fn write_usage(
    engine: Engine,
    connection: &mut AnyConnection,
    shard: ShardIndex,
    usage: &[UsageAdd],
) -> Result<()> {
    let mut cells = Vec::with_capacity(usage.len() * ADD.columns.len());
    for it in usage {
        cells.extend([Cell::from(it.instance.as_str()), it.period.0.into(), it.hour.start().0.into()]);
        cells.extend([cell(it.traffic.up)?, cell(it.traffic.down)?]);
    }
    ADD.execute(engine, connection, &cells, &[i64::from(shard.get()).into()]).await.map(|_| ())
}
