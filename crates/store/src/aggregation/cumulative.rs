//! The running totals that usage holds: from which a report of the next total makes a delta.
//!
//! They are written in the transaction that counts the delta, so that each shard's totals stand exactly where its
//! usage stands: after a lost disk a replay finds the baseline that belongs to what is durable (I10).

use domain::aggregation::{ShardIndex, Traffic};
use domain::ids::{InstanceId, NodeId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::replica::{cell, stored};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, number, parsed, text};
use crate::error::{Result, during};

/// The last total of an instance that a life of a reporter stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CumulativeTotal {
    pub reporter: NodeId,
    pub incarnation: u64,
    pub instance: InstanceId,
    pub total: Traffic,
}

const PUT: Bulk = Bulk {
    during: "writing running totals",
    sql: "WITH source (reporter_id, incarnation, instance_id, up, down) AS ({source})
INSERT INTO cumulative_total (reporter_id, incarnation, instance_id, up, down, shard)
SELECT reporter_id, incarnation, instance_id, up, down, $1
FROM source
WHERE true
ON CONFLICT (reporter_id, incarnation, shard, instance_id) DO UPDATE
SET up = excluded.up, down = excluded.down",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

const BASELINES: &str = "SELECT instance_id, up, down
FROM cumulative_total
WHERE reporter_id = $1 AND incarnation = $2";

impl Store {
    /// The totals that usage holds of a life of a reporter, each as of the watermark of its shard, by instance.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn cumulative_baselines(
        &self,
        reporter: &NodeId,
        incarnation: u64,
    ) -> Result<Vec<(InstanceId, Traffic)>> {
        let query = sqlx::query(BASELINES).bind(reporter.as_str()).bind(stored(incarnation)?);
        let rows = query.fetch_all(&mut *self.reader().await?).await.map_err(during("reading running totals"))?;
        let mut totals: Vec<(InstanceId, Traffic)> = rows.iter().map(read).collect::<Result<_>>()?;
        totals.sort_unstable();
        Ok(totals)
    }
}

fn read(row: &AnyRow) -> Result<(InstanceId, Traffic)> {
    Ok((parsed(InstanceId::parse, text(row, 0)?)?, Traffic { up: number(row, 1)?, down: number(row, 2)? }))
}

/// Writes the totals of a flush, in key order.
pub(super) async fn write_cumulative(
    engine: Engine,
    connection: &mut AnyConnection,
    shard: ShardIndex,
    totals: &[CumulativeTotal],
) -> Result<()> {
    let mut sorted: Vec<&CumulativeTotal> = totals.iter().collect();
    sorted.sort_unstable_by_key(|it| (&it.reporter, it.incarnation, &it.instance));
    let mut cells = Vec::with_capacity(sorted.len() * PUT.columns.len());
    for it in sorted {
        cells.extend([Cell::from(it.reporter.as_str()), cell(it.incarnation)?, it.instance.as_str().into()]);
        cells.extend([cell(it.total.up)?, cell(it.total.down)?]);
    }
    PUT.execute(engine, connection, &cells, &[i64::from(shard.get()).into()]).await.map(|_| ())
}
