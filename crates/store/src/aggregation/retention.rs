//! What is deleted for its age: usage rows, ledger rows, and what is known of lives of reporters long gone.
//!
//! Bytes do not vanish with their rows: they go to a total in the same transaction, so that every recount still comes
//! out even (I11). Each call looks at a bounded number of rows and says where to go on.

use std::collections::BTreeMap;

use domain::aggregation::{Hour, ShardIndex};
use domain::ids::InstanceId;
use domain::time::Micros;
use sqlx::any::AnyRow;

use crate::bulk::{Bulk, Cell, ColumnType};
use crate::engine::{Store, integer, parsed, text};
use crate::error::{Result, StoreError, during};

/// Where a usage row stands in its shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageKey {
    pub instance: InstanceId,
    pub period: Micros,
    pub hour: Hour,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    pub rows: u64,
    pub bytes: u64,
    /// Where to go on; none at the end of the shard.
    pub next: Option<UsageKey>,
}

/// Ten thousand rows in one call: its transaction stays short.
pub const EXPIRED_PER_CALL_MAX: u32 = 10_000;

const PAGE: &str = "SELECT instance_id, period_us, hour_us
FROM usage_hour
WHERE shard = $1 AND (instance_id, period_us, hour_us) > ($2, $3, $4)
ORDER BY instance_id, period_us, hour_us
LIMIT $5";

const EXPIRE: Bulk = Bulk {
    during: "expiring usage",
    sql: "WITH source (instance_id, period_us, hour_us) AS ({source})
DELETE FROM usage_hour
WHERE (instance_id, period_us, hour_us) IN (SELECT instance_id, period_us, hour_us FROM source) AND shard = $1
RETURNING up + down",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

const ADD_EXPIRED: &str = "INSERT INTO usage_expired (shard, bytes)
VALUES ($1, $2)
ON CONFLICT (shard) DO UPDATE
SET bytes = usage_expired.bytes + excluded.bytes";

const OLD_LEDGER: &str = "SELECT replica_id, generation, shard, up + down
FROM ledger
WHERE committed_us < $1 AND state <> 'committed'
ORDER BY replica_id, generation, shard
LIMIT $2";

const ADD_PRUNED: Bulk = Bulk {
    during: "pruning the ledger",
    sql: "WITH source (replica_id, shard, bytes) AS ({source})
UPDATE watermark
SET pruned = pruned + (
  SELECT s.bytes FROM source s WHERE s.replica_id = watermark.replica_id AND s.shard = watermark.shard)
WHERE (replica_id, shard) IN (SELECT replica_id, shard FROM source)",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

const PRUNE: Bulk = Bulk {
    during: "pruning the ledger",
    sql: "WITH source (replica_id, generation, shard) AS ({source})
DELETE FROM ledger
WHERE (replica_id, generation, shard) IN (SELECT replica_id, generation, shard FROM source)",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

/// Lives whose successor was known long enough ago that no late report of them is taken any more.
const OLD_LIVES: &str = "SELECT h.reporter_id, h.incarnation
FROM reporter_home h
WHERE EXISTS (
  SELECT 1
  FROM reporter_home n
  WHERE n.reporter_id = h.reporter_id AND n.incarnation > h.incarnation AND n.claimed_us < $1)
ORDER BY h.reporter_id, h.incarnation
LIMIT $2";

const FORGET: [&str; 3] = [
    "DELETE FROM cumulative_total WHERE reporter_id = $1 AND incarnation = $2",
    "DELETE FROM reporter_ahead WHERE reporter_id = $1 AND incarnation = $2",
    "DELETE FROM reporter_home WHERE reporter_id = $1 AND incarnation = $2",
];

impl Store {
    /// Deletes the rows of a shard whose hour began before `before`, among the next `limit` rows after a key (at most
    /// [`EXPIRED_PER_CALL_MAX`]). Their bytes stay durable, in the shard's expired total.
    ///
    /// # Errors
    /// [`StoreError::Contention`]: nothing was deleted. [`StoreError::Unavailable`]: call it again.
    pub async fn expire_usage(
        &self,
        shard: ShardIndex,
        before: Hour,
        after: Option<&UsageKey>,
        limit: u32,
    ) -> Result<Expired> {
        let expiring = "expiring usage";
        let limit = limit.min(EXPIRED_PER_CALL_MAX);
        let (number_of_shard, limit_rows) = (i64::from(shard.get()), i64::from(limit));
        let (instance, period, hour) =
            after.map_or(("", i64::MIN, i64::MIN), |it| (it.instance.as_str(), it.period.0, it.hour.start().0));
        let mut tx = self.begin_write().await?;
        let page = sqlx::query(PAGE).bind(number_of_shard).bind(instance).bind(period).bind(hour).bind(limit_rows);
        let page = page.fetch_all(&mut *tx).await.map_err(during(expiring))?;
        let keys: Vec<UsageKey> = page.iter().map(usage_key).collect::<Result<_>>()?;
        let mut cells = Vec::new();
        for it in keys.iter().filter(|it| it.hour < before) {
            cells.extend([Cell::from(it.instance.as_str()), it.period.0.into(), it.hour.start().0.into()]);
        }
        // What is deleted says its bytes itself: late traffic may have been added since the page was read.
        let deleted = EXPIRE.fetch(self.engine(), &mut tx, &cells, &[number_of_shard.into()]).await?;
        let bytes = deleted.iter().try_fold(0i64, |sum, row| {
            sum.checked_add(integer(row, 0)?).ok_or_else(|| StoreError::corrupt("usage beyond 63 bits"))
        })?;
        let add = sqlx::query(ADD_EXPIRED).bind(number_of_shard).bind(bytes).execute(&mut *tx).await;
        add.map_err(during(expiring))?;
        tx.commit().await.map_err(during(expiring))?;
        let next = if page.len() < limit as usize { None } else { keys.into_iter().next_back() };
        Ok(Expired { rows: deleted.len() as u64, bytes: u64::try_from(bytes).unwrap_or_default(), next })
    }

    /// Deletes ledger rows that were written before a time and whose generation is cleaned or lost, at most
    /// [`EXPIRED_PER_CALL_MAX`], and says how many. Their bytes go to the pruned totals of the watermarks.
    ///
    /// # Errors
    /// As [`Store::expire_usage`].
    pub async fn prune_ledger(&self, before: Micros, limit: u32) -> Result<u64> {
        let pruning = "pruning the ledger";
        let limit = i64::from(limit.min(EXPIRED_PER_CALL_MAX));
        let mut tx = self.begin_write().await?;
        let old = sqlx::query(OLD_LEDGER).bind(before.0).bind(limit).fetch_all(&mut *tx).await;
        let old = old.map_err(during(pruning))?;
        let mut bytes: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        let mut keys = Vec::with_capacity(old.len() * 3);
        for row in &old {
            let (replica, shard) = (text(row, 0)?, integer(row, 2)?);
            keys.extend([Cell::from(replica), integer(row, 1)?.into(), shard.into()]);
            *bytes.entry((replica, shard)).or_default() += integer(row, 3)?;
        }
        let sums = bytes.into_iter().flat_map(|((replica, shard), sum)| [replica.into(), shard.into(), sum.into()]);
        let sums: Vec<Cell<'_>> = sums.collect();
        ADD_PRUNED.execute(self.engine(), &mut tx, &sums, &[]).await?;
        if PRUNE.execute(self.engine(), &mut tx, &keys, &[]).await? != old.len() as u64 {
            // Another process prunes the same rows; it has them counted.
            return Ok(0);
        }
        tx.commit().await.map_err(during(pruning))?;
        Ok(old.len() as u64)
    }

    /// Forgets homes, running totals and leftovers of lives whose reporter began another one before a time, at most
    /// `limit` of them, and says how many. Their bytes stay in the reporters' totals.
    ///
    /// # Errors
    /// As [`Store::expire_usage`].
    pub async fn forget_reporters(&self, before: Micros, limit: u32) -> Result<u64> {
        let forgetting = "forgetting old lives of reporters";
        let limit = i64::from(limit.min(EXPIRED_PER_CALL_MAX));
        let mut tx = self.begin_write().await?;
        let lives = sqlx::query(OLD_LIVES).bind(before.0).bind(limit).fetch_all(&mut *tx).await;
        let lives = lives.map_err(during(forgetting))?;
        for row in &lives {
            for forget in FORGET {
                let forget = sqlx::query(forget).bind(text(row, 0)?.to_owned()).bind(integer(row, 1)?);
                forget.execute(&mut *tx).await.map_err(during(forgetting))?;
            }
        }
        tx.commit().await.map_err(during(forgetting))?;
        Ok(lives.len() as u64)
    }
}

fn usage_key(row: &AnyRow) -> Result<UsageKey> {
    Ok(UsageKey {
        instance: parsed(InstanceId::parse, text(row, 0)?)?,
        period: Micros(integer(row, 1)?),
        hour: Hour::of(Micros(integer(row, 2)?)),
    })
}
