//! The rows of owners, and of those that were replaced.
//!
//! The first owner of an instance costs one row; a later one moves its predecessor into the history first, from which
//! the oldest falls out when it is full.

use std::collections::BTreeSet;

use domain::ids::{DecisionId, Generation, GroupId, InstanceId, ProductId, RegionId, Revision};
use domain::orchestration::{Decided, Frame, Holder, Outcome, Ownership};
use domain::reason::Reason;
use domain::time::Micros;
use sqlx::any::AnyRow;

use super::batch::Seen;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::Change;
use crate::engine::{Store, integer, maybe_text, number, parsed, revision, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// A hundred former owners of an instance are kept: of one that moves each month the last eight years.
pub const HISTORY_KEPT_MAX: u32 = 100;

/// An owner to be written.
#[derive(Debug)]
pub(super) struct OwnerWrite<'a> {
    pub instance: &'a str,
    /// Its place in the batch.
    at: usize,
    seen: Seen,
    generation: u64,
    /// Region, group, counted weight and product; or why nobody owns it.
    holder: std::result::Result<(&'a str, &'a str, u32, &'a str), &'static str>,
}

impl<'a> OwnerWrite<'a> {
    /// What a decision writes; nothing when it leaves the owner as it is.
    pub(super) fn of(frame: &'a Frame, at: usize, decided: &'a Decided, seen: Seen) -> Option<Self> {
        let request = &decided.request;
        let held = request.held.map(|held| held.group);
        let group = match decided.outcome {
            Outcome::Stays { .. } | Outcome::Void => return None,
            Outcome::Nobody { .. } => None,
            Outcome::Owned { group } => Some(group),
            Outcome::Kept => held,
        };
        let is_new = group.is_some() && group != held;
        let holder = match (decided.outcome, group) {
            (Outcome::Nobody { why }, _) => Err(why.code()),
            (_, Some(group)) => {
                let product = frame.products[request.product as usize].0.as_str();
                Ok((frame.region_of(group).id.as_str(), frame.group(group).id.as_str(), request.weight, product))
            }
            // What nobody holds cannot be counted anew: there is nothing to write.
            (_, None) => return None,
        };
        let generation = seen.generation.0 + u64::from(is_new);
        Some(Self { instance: request.instance.as_str(), at, seen, generation, holder })
    }
}

const PUT: Bulk = Bulk {
    during: "writing owners",
    sql: "WITH source (instance_id, seen_change_id, version, region_id, group_id, why, weight, product_id, generation,
  ordinal) AS ({source})
INSERT INTO ownership (instance_id, region_id, group_id, why, weight, product_id, generation, version, batch_id, ordinal,
  since_us, change_id)
SELECT s.instance_id, s.region_id, s.group_id, s.why, s.weight, s.product_id, s.generation, s.version, $1, s.ordinal,
  $2, $3
FROM source s
CROSS JOIN instance i
WHERE i.instance_id = s.instance_id AND i.change_id = s.seen_change_id
ON CONFLICT (instance_id) DO UPDATE
SET region_id = excluded.region_id, group_id = excluded.group_id, why = excluded.why, weight = excluded.weight,
  product_id = excluded.product_id, generation = excluded.generation, version = excluded.version,
  batch_id = excluded.batch_id, ordinal = excluded.ordinal, since_us = excluded.since_us,
  change_id = excluded.change_id
WHERE ownership.version = excluded.version - 1",
    columns: &[
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
    ],
};

const ARCHIVE: Bulk = Bulk {
    during: "archiving owners",
    sql: "WITH source (instance_id, version) AS ({source})
INSERT INTO ownership_history (instance_id, version, region_id, group_id, why, weight, product_id, generation, batch_id,
  ordinal, since_us, change_id)
SELECT o.instance_id, o.version, o.region_id, o.group_id, o.why, o.weight, o.product_id, o.generation, o.batch_id,
  o.ordinal, o.since_us, o.change_id
FROM source s
CROSS JOIN ownership o
WHERE o.instance_id = s.instance_id AND o.version = s.version
RETURNING instance_id",
    columns: &[ColumnType::Text, ColumnType::Integer],
};

const FORGET: Bulk = Bulk {
    during: "taking owners out of the history",
    sql: "WITH source (instance_id, version) AS ({source})
DELETE FROM ownership_history
WHERE (instance_id, version) IN (SELECT instance_id, version FROM source)",
    columns: &[ColumnType::Text, ColumnType::Integer],
};

const TAKEN: &str = "SELECT ordinal FROM ownership WHERE change_id = $1";

/// Writes owners, sorted by instance, and answers with the places of those that were not taken.
pub(super) async fn write_owners(
    change: &mut Change,
    batch: u64,
    now: Micros,
    owners: &[OwnerWrite<'_>],
) -> Result<BTreeSet<usize>> {
    let batch = i64::try_from(batch).map_err(|_| StoreError::misuse("batches are counted in 63 bits"))?;
    let archived = archive(change, owners).await?;
    let mut cells: Vec<Cell<'_>> = Vec::with_capacity(owners.len() * PUT.columns.len());
    for it in owners {
        cells.extend([Cell::from(it.instance), it.seen.change.into(), count(it.seen.version + 1)?]);
        match it.holder {
            Ok((region, group, weight, product)) => {
                cells.extend([Cell::from(region), group.into(), Cell::Null, weight.into(), product.into()]);
            }
            Err(why) => cells.extend([Cell::Null, Cell::Null, why.into(), Cell::Null, Cell::Null]),
        }
        cells.extend([count(it.generation)?, count(it.at as u64)?]);
    }
    let id = change.id();
    let (engine, connection) = change.parts();
    let scalars = [batch.into(), now.0.into(), id.into()];
    let written = PUT.execute(engine, &mut *connection, &cells, &scalars).await?;
    if written == owners.len() as u64 {
        return Ok(BTreeSet::new());
    }
    let taken =
        sqlx::query(TAKEN).bind(id).fetch_all(connection).await.map_err(during("looking for what was taken"))?;
    let taken: BTreeSet<usize> =
        taken.iter().map(|row| number::<u32>(row, 0).map(|it| it as usize)).collect::<Result<_>>()?;
    let void: Vec<&OwnerWrite<'_>> = owners.iter().filter(|it| !taken.contains(&it.at)).collect();
    unarchive(change, &void, &archived).await?;
    Ok(void.iter().map(|it| it.at).collect())
}

/// Copies the owners that are about to be replaced into the history, and says of which instances.
async fn archive(change: &mut Change, owners: &[OwnerWrite<'_>]) -> Result<BTreeSet<String>> {
    let mut cells = Vec::new();
    for it in owners.iter().filter(|it| it.seen.version > 0) {
        cells.extend([Cell::from(it.instance), count(it.seen.version)?]);
    }
    let (engine, connection) = change.parts();
    let rows = ARCHIVE.fetch(engine, &mut *connection, &cells, &[]).await?;
    let mut outlived = Vec::new();
    for it in owners.iter().filter(|it| it.seen.version > u64::from(HISTORY_KEPT_MAX)) {
        outlived.extend([Cell::from(it.instance), count(it.seen.version - u64::from(HISTORY_KEPT_MAX))?]);
    }
    FORGET.execute(engine, connection, &outlived, &[]).await?;
    rows.iter().map(|row| text(row, 0).map(str::to_owned)).collect()
}

/// Removes the copies of owners that were not replaced after all.
async fn unarchive(change: &mut Change, void: &[&OwnerWrite<'_>], archived: &BTreeSet<String>) -> Result<()> {
    let mut cells = Vec::new();
    for it in void.iter().filter(|it| archived.contains(it.instance)) {
        cells.extend([Cell::from(it.instance), count(it.seen.version)?]);
    }
    let (engine, connection) = change.parts();
    FORGET.execute(engine, connection, &cells, &[]).await.map(|_| ())
}

/// A counter as a cell.
pub(super) fn count<'a>(value: u64) -> Result<Cell<'a>> {
    i64::try_from(value).map(Cell::Integer).map_err(|_| StoreError::misuse("a counter has at most 63 bits"))
}

const CURRENT: &str =
    "SELECT o.region_id, o.group_id, o.why, o.weight, o.product_id, o.generation, o.version, o.batch_id,
  o.ordinal, o.since_us, c.revision
FROM ownership o
LEFT JOIN change c ON c.change_id = o.change_id
WHERE o.instance_id = $1";

const FORMER: &str =
    "SELECT o.region_id, o.group_id, o.why, o.weight, o.product_id, o.generation, o.version, o.batch_id,
  o.ordinal, o.since_us, c.revision
FROM ownership_history o
LEFT JOIN change c ON c.change_id = o.change_id
WHERE o.instance_id = $1
ORDER BY o.version DESC
LIMIT $2";

impl Store {
    /// The owner of an instance as it is in the database, with the revision that wrote it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn ownership(&self, instance: &InstanceId) -> Result<Option<(Ownership, Revision)>> {
        let rows = sqlx::query(CURRENT).bind(instance.as_str()).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("reading an owner"))?.first().map(read).transpose()
    }

    /// Every owner that an instance has had, newest first, the present one included; at most `limit`, and [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn history(&self, instance: &InstanceId, limit: u32) -> Result<Vec<(Ownership, Revision)>> {
        let limit = i64::from(limit.min(PAGE_MAX));
        let mut tx = self.begin_read().await?;
        let current = sqlx::query(CURRENT).bind(instance.as_str()).fetch_all(&mut *tx).await;
        let mut rows = current.map_err(during("reading an owner"))?;
        let former = sqlx::query(FORMER).bind(instance.as_str()).bind(limit).fetch_all(&mut *tx).await;
        rows.append(&mut former.map_err(during("reading the history of an owner"))?);
        rows.iter().take(usize::try_from(limit).unwrap_or(0)).map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<(Ownership, Revision)> {
    let holder = match maybe_text(row, 1)? {
        Some(group) => Holder::Group {
            region: parsed(RegionId::parse, text(row, 0)?)?,
            group: parsed(GroupId::parse, group)?,
            weight: number(row, 3)?,
            product: parsed(ProductId::parse, text(row, 4)?)?,
        },
        None => Holder::Nobody { why: reason(text(row, 2)?)? },
    };
    let ownership = Ownership {
        holder,
        generation: Generation(number(row, 5)?),
        version: number(row, 6)?,
        decision: DecisionId { batch: number(row, 7)?, ordinal: number(row, 8)? },
        since: Micros(integer(row, 9)?),
    };
    Ok((ownership, revision(row, 10)?))
}

/// The reason of its code.
pub(super) fn reason(code: &str) -> Result<Reason> {
    code.parse().map_err(|()| StoreError::corrupt(format!("{code:?} is no reason")))
}
