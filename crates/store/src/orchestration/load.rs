//! The counters: how many owners and how much weight each group carries of each product.
//!
//! They move by differences in the transaction that writes the owners, and are compared with a recount (I6).

use std::collections::BTreeMap;

use domain::ids::{GroupId, ProductId, Revision};
use domain::orchestration::{Frame, LoadRow, ProductLoad, RampRow, State};
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::ramp::load_ramps;
use crate::audit::AuditLeaf;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::{Change, Intent, Touched};
use crate::engine::{Head, Store, maybe_text, number, parsed, read_head};
use crate::error::{Result, StoreError, during};
use crate::tasks::{LeaseProof, hold_lease};

/// What a leader starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// By group, then product; groups without owners are left out.
    pub loads: Vec<LoadRow>,
    /// By template, then group.
    pub ramps: Vec<RampRow>,
    /// The last batch; 0 before the first.
    pub last_batch: u64,
    /// Where the history stood.
    pub head: Head,
}

/// A counter that is not what a recount gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadDifference {
    pub counted: LoadRow,
    pub recorded: LoadRow,
}

/// What a recount found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recount {
    /// Counters that were compared.
    pub rows: u64,
    /// Owners that were counted.
    pub owners: u64,
    /// Those that differ, by group, then product; none when all is well.
    pub differences: Vec<LoadDifference>,
}

/// All counters as one text: every explanation reads them, and a row of its own costs more than its counting.
const RECORDED: &str =
    "SELECT string_agg(group_id || '\u{1f}' || product_id || '\u{1f}' || owners || '\u{1f}' || weight,
  '\u{1e}')
FROM group_load
WHERE owners <> 0 OR weight <> 0";

const COUNTED: &str =
    "SELECT string_agg(group_id || '\u{1f}' || product_id || '\u{1f}' || owners || '\u{1f}' || weight,
  '\u{1e}')
FROM (
  SELECT group_id, product_id, COUNT(*) AS owners, CAST(SUM(weight) AS BIGINT) AS weight
  FROM ownership
  WHERE group_id IS NOT NULL
  GROUP BY group_id, product_id) AS counted";

const LAST_BATCH: &str = "SELECT COALESCE(MAX(batch_id), 0) FROM decision_batch";

const MOVE_ON: Bulk = Bulk {
    during: "moving counters on",
    sql: "WITH source (group_id, product_id, owners, weight) AS ({source})
INSERT INTO group_load (group_id, product_id, owners, weight)
SELECT group_id, product_id, owners, weight
FROM source
WHERE true
ON CONFLICT (group_id, product_id) DO UPDATE
SET owners = group_load.owners + excluded.owners, weight = group_load.weight + excluded.weight",
    columns: &[ColumnType::Text, ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

const CLEAR: &str = "DELETE FROM group_load";

const REFILL: &str = "INSERT INTO group_load (group_id, product_id, owners, weight)
SELECT group_id, product_id, COUNT(*), CAST(SUM(weight) AS BIGINT)
FROM ownership
WHERE group_id IS NOT NULL
GROUP BY group_id, product_id";

/// Adds the difference between two states to the counters, groups in the order of their ids.
pub(super) async fn move_on(change: &mut Change, frame: &Frame, start: &State, end: &State) -> Result<()> {
    let mut cells: Vec<Cell<'_>> = Vec::new();
    for ((group, before), after) in frame.groups.iter().zip(&start.loads).zip(&end.loads) {
        if before == after {
            continue;
        }
        let products: BTreeMap<u32, ()> =
            before.products.keys().chain(after.products.keys()).map(|it| (*it, ())).collect();
        for product in products.into_keys() {
            let of = |load: &BTreeMap<u32, ProductLoad>| load.get(&product).copied().unwrap_or_default();
            let (before, after) = (of(&before.products), of(&after.products));
            if before != after {
                let product = frame.products[product as usize].0.as_str();
                cells.extend([Cell::from(group.id.as_str()), product.into()]);
                cells.push(after.owners.wrapping_sub(before.owners).cast_signed().into());
                cells.push(after.weight.wrapping_sub(before.weight).cast_signed().into());
            }
        }
    }
    let (engine, connection) = change.parts();
    MOVE_ON.execute(engine, connection, &cells, &[]).await.map(|_| ())
}

impl Store {
    /// The counters and ramps of one state, for a leader that begins; load them after the lease is held.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn load_books(&self) -> Result<Books> {
        let mut tx = self.begin_read().await?;
        let head = read_head(&mut tx).await?;
        let loads = rows(&mut tx, RECORDED).await?;
        let ramps = load_ramps(&mut tx).await?;
        let last = sqlx::query(LAST_BATCH).fetch_one(&mut *tx).await.map_err(during("reading the last batch"))?;
        Ok(Books { loads, ramps, last_batch: number(&last, 0)?, head })
    }

    /// Counts all owners anew and compares with the counters, in one state.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn recount(&self) -> Result<Recount> {
        let mut tx = self.begin_read().await?;
        let (counted, recorded) = (rows(&mut tx, COUNTED).await?, rows(&mut tx, RECORDED).await?);
        let owners = counted.iter().map(|row| row.owners).sum();
        type Pair = (Option<LoadRow>, Option<LoadRow>);
        let mut pairs: BTreeMap<(GroupId, ProductId), Pair> = BTreeMap::new();
        for row in counted {
            let key = (row.group.clone(), row.product.clone());
            pairs.entry(key).or_default().0 = Some(row);
        }
        for row in recorded {
            let key = (row.group.clone(), row.product.clone());
            pairs.entry(key).or_default().1 = Some(row);
        }
        let mut recount = Recount { rows: pairs.len() as u64, owners, differences: Vec::new() };
        for ((group, product), (counted, recorded)) in pairs {
            let none = LoadRow { group, product, owners: 0, weight: 0 };
            let (counted, recorded) = (counted.unwrap_or_else(|| none.clone()), recorded.unwrap_or(none));
            if counted != recorded {
                recount.differences.push(LoadDifference { counted, recorded });
            }
        }
        Ok(recount)
    }

    /// Writes the counters anew from the owners, as the holder of the lease. The leader loads its books afterwards.
    ///
    /// # Errors
    /// [`crate::StoreError::LeaseLost`] when the lease is another's.
    pub async fn correct_loads(&self, lease: &LeaseProof, actor: &str, now: Micros) -> Result<Revision> {
        let mut change = self.begin(Intent::Ownership, actor, now).await?;
        hold_lease(&mut change, lease).await?;
        let connection = change.parts().1;
        sqlx::query(CLEAR).execute(&mut *connection).await.map_err(during("correcting counters"))?;
        let filled = sqlx::query(REFILL).execute(connection).await.map_err(during("correcting counters"))?;
        let detail = format!("count={}", filled.rows_affected());
        change.stage(AuditLeaf { verb: "correct", kind: "GroupLoad".to_owned(), id: "*".to_owned(), detail });
        change.touch(Touched::OWNERSHIP);
        change.commit().await
    }
}

async fn rows(connection: &mut AnyConnection, sql: &'static str) -> Result<Vec<LoadRow>> {
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(during("reading counters"))?;
    let mut rows = unpack(&row, |fields| {
        Ok(LoadRow {
            group: parsed(GroupId::parse, fields.text()?)?,
            product: parsed(ProductId::parse, fields.text()?)?,
            owners: fields.number()?,
            weight: fields.number()?,
        })
    })?;
    rows.sort_unstable();
    Ok(rows)
}

/// Reads rows that came as one text: parted by the character 30, their fields by 31, which no id and no number holds.
pub(super) fn unpack<T>(row: &AnyRow, read: impl Fn(&mut Fields<'_>) -> Result<T>) -> Result<Vec<T>> {
    let Some(text) = maybe_text(row, 0)? else { return Ok(Vec::new()) };
    text.split('\u{1e}').map(|row| read(&mut Fields(row.split('\u{1f}')))).collect()
}

/// The fields of such a row, one after another.
pub(super) struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    pub(super) fn text(&mut self) -> Result<&'a str> {
        self.0.next().ok_or_else(|| StoreError::corrupt("a row of counters that ends early"))
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let text = self.text()?;
        text.parse().map_err(|_| StoreError::corrupt(format!("{text:?} is not a counter")))
    }
}
