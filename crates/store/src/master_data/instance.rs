//! The rows of instances: a million of them, written many at a time.
//!
//! A row that would not change is not written, so that importing the same file twice moves no revision. `created`
//! keeps its first value. Rows go in the order of their ids: unsorted overlapping batches deadlock.

use std::collections::BTreeMap;

use domain::ids::{InstanceId, Jurisdiction, ProductId};
use domain::master_data::{Instance, Kind};
use domain::orchestration::Stamped;
use domain::time::Micros;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::Action;
use super::node::place;
use super::rows::{IdRange, from_json, json, stamp, status_of};
use crate::audit::AuditLeaf;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::{Change, Intent, Touched};
use crate::engine::{integer, maybe_integer, maybe_text, number, parsed, text};
use crate::error::{Result, StoreError, during};

/// Ten thousand rows: a transaction of some 50 ms, so that a PUT beside an import does not wait long.
pub const INSTANCES_PER_CALL_MAX: usize = 10_000;

/// An instance as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceWrite {
    pub instance: Instance,
    /// Whether its time has run out.
    pub is_expired: bool,
}

const PUT: Bulk = Bulk {
    during: "writing instances",
    sql:
        "WITH source (instance_id, product_id, jurisdiction, status, weight, latitude_udeg, longitude_udeg, created_us,
  expires_us, is_expired, labels) AS ({source})
INSERT INTO instance (instance_id, product_id, jurisdiction, status, weight, latitude_udeg, longitude_udeg, created_us,
  expires_us, is_expired, labels, first_change_id, change_id)
SELECT instance_id, product_id, jurisdiction, status, weight, latitude_udeg, longitude_udeg, created_us,
  expires_us, is_expired, labels, $1, $2
FROM source
WHERE true
ON CONFLICT (instance_id) DO UPDATE
SET product_id = excluded.product_id, jurisdiction = excluded.jurisdiction, status = excluded.status,
  weight = excluded.weight, latitude_udeg = excluded.latitude_udeg, longitude_udeg = excluded.longitude_udeg,
  expires_us = excluded.expires_us, is_expired = excluded.is_expired, labels = excluded.labels,
  change_id = excluded.change_id
WHERE instance.product_id <> excluded.product_id
  OR instance.jurisdiction IS DISTINCT FROM excluded.jurisdiction
  OR instance.status <> excluded.status
  OR instance.weight <> excluded.weight
  OR instance.latitude_udeg IS DISTINCT FROM excluded.latitude_udeg
  OR instance.longitude_udeg IS DISTINCT FROM excluded.longitude_udeg
  OR instance.expires_us IS DISTINCT FROM excluded.expires_us
  OR instance.is_expired <> excluded.is_expired
  OR instance.labels IS DISTINCT FROM excluded.labels",
    columns: &[
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
    ],
};

const UPDATED: &str = "SELECT instance_id, first_change_id
FROM instance
WHERE change_id = $1 AND first_change_id <> $1";

const WRITTEN: &str = "SELECT instance_id, first_change_id
FROM instance
WHERE change_id = $1";

const INSTANCES: &str = "SELECT i.instance_id, i.product_id, i.jurisdiction, i.status, i.weight, i.latitude_udeg,
  i.longitude_udeg, i.created_us, i.expires_us, i.labels, i.change_id, c.revision
FROM instance i
LEFT JOIN change c ON c.change_id = i.change_id
WHERE i.instance_id >= $1 AND i.instance_id <= $2
ORDER BY i.instance_id
LIMIT $3";

/// The partial index serves the inner list; the outer test is for a row that was prolonged while we waited for it.
const EXPIRE: &str = "UPDATE instance
SET is_expired = 1, change_id = $1
WHERE is_expired = 0 AND expires_us <= $2 AND instance_id IN (
  SELECT instance_id
  FROM instance
  WHERE is_expired = 0 AND expires_us IS NOT NULL AND expires_us <= $2
  ORDER BY expires_us
  LIMIT $3)";

impl Change {
    /// Writes instances and says what became of each, in the order given; of two with one id the later wins.
    /// That their products exist is the caller's to check, in this change.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for more than [`INSTANCES_PER_CALL_MAX`] or a change of another intent.
    pub async fn put_instances(&mut self, writes: &[InstanceWrite]) -> Result<Vec<Action>> {
        self.require(&[Intent::Instances, Intent::MasterData], "writing instances")?;
        if writes.len() > INSTANCES_PER_CALL_MAX {
            return Err(StoreError::misuse(format!("at most {INSTANCES_PER_CALL_MAX} instances in one call")));
        }
        let sorted = sort(writes);
        let labels: Vec<Option<String>> = sorted.iter().map(|it| labels_column(&it.instance)).collect();
        let cells = cells(&sorted, &labels);
        let digest = digest(&sorted, &labels);
        let id = self.id();
        let (engine, connection) = self.parts();
        let count = PUT.execute(engine, &mut *connection, &cells, &[id.into(), id.into()]).await?;
        // When every row was written, those that are not named were created: a first import names none.
        let (sql, others) =
            if count == sorted.len() as u64 { (UPDATED, Action::Created) } else { (WRITTEN, Action::Unchanged) };
        let rows =
            sqlx::query(sql).bind(id).fetch_all(connection).await.map_err(during("looking for what was written"))?;
        let mut written = BTreeMap::new();
        for row in &rows {
            let action = if integer(row, 1)? == id { Action::Created } else { Action::Updated };
            written.insert(text(row, 0)?, action);
        }
        if count > 0 {
            self.touch(Touched::INSTANCES);
            let object = if sorted.len() == 1 { sorted[0].instance.id.as_str() } else { "*" };
            let detail = format!("count={count} sha256={digest}");
            let (kind, id) = (Kind::Instance.name().to_owned(), object.to_owned());
            self.stage(AuditLeaf { verb: "put", kind, id, detail });
        }
        let action = |it: &InstanceWrite| written.get(it.instance.id.as_str()).copied().unwrap_or(others);
        Ok(writes.iter().map(action).collect())
    }

    /// Marks instances whose time has run out at the time of this change, at most `limit`, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for a change of another intent.
    pub async fn expire_due(&mut self, limit: u32) -> Result<u64> {
        self.require(&[Intent::Instances], "expiring instances")?;
        let (id, now) = (self.id(), self.now());
        let update = sqlx::query(EXPIRE).bind(id).bind(now.0).bind(i64::from(limit));
        let done = update.execute(self.parts().1).await.map_err(during("expiring instances"))?.rows_affected();
        if done > 0 {
            self.touch(Touched::INSTANCES);
            let (kind, id) = (Kind::Instance.name().to_owned(), "*".to_owned());
            self.stage(AuditLeaf { verb: "expire", kind, id, detail: format!("count={done}") });
        }
        Ok(done)
    }
}

/// By id; of several with one id the last.
fn sort(writes: &[InstanceWrite]) -> Vec<&InstanceWrite> {
    let mut sorted: Vec<&InstanceWrite> = writes.iter().rev().collect();
    sorted.sort_by(|a, b| a.instance.id.cmp(&b.instance.id));
    sorted.dedup_by(|later, earlier| later.instance.id == earlier.instance.id);
    sorted
}

/// Most instances have no labels; they have no text either.
fn labels_column(instance: &Instance) -> Option<String> {
    (!instance.labels.is_empty()).then(|| json(&instance.labels))
}

fn cells<'a>(sorted: &[&'a InstanceWrite], labels: &'a [Option<String>]) -> Vec<Cell<'a>> {
    let mut cells = Vec::with_capacity(sorted.len() * PUT.columns.len());
    for (InstanceWrite { instance: it, is_expired }, labels) in sorted.iter().copied().zip(labels) {
        cells.extend([Cell::from(it.id.as_str()), it.product.as_str().into()]);
        cells.extend([Cell::from(it.jurisdiction.as_ref().map(Jurisdiction::as_str)), it.status.code().into()]);
        cells.push(it.weight.into());
        cells.push(it.location.map(|it| i64::from(it.latitude_udeg())).into());
        cells.push(it.location.map(|it| i64::from(it.longitude_udeg())).into());
        cells.extend([Cell::from(it.created.0), it.expires.map(|it| it.0).into(), i64::from(*is_expired).into()]);
        cells.push(labels.as_deref().into());
    }
    cells
}

/// SHA-256 over the rows that were asked for, in the order of their ids. Labels enter as a hash only (I22).
fn digest(sorted: &[&InstanceWrite], labels: &[Option<String>]) -> String {
    let mut hash = Sha256::new();
    for (InstanceWrite { instance: it, is_expired }, labels) in sorted.iter().copied().zip(labels) {
        for text in [it.id.as_str(), it.product.as_str(), it.jurisdiction.as_ref().map_or("", Jurisdiction::as_str)] {
            hash.update(text);
            hash.update([0]);
        }
        hash.update(it.status.code());
        hash.update([0, u8::from(*is_expired)]);
        hash.update(it.weight.to_le_bytes());
        hash.update(it.location.map_or(i32::MIN, |it| it.latitude_udeg()).to_le_bytes());
        hash.update(it.location.map_or(i32::MIN, |it| it.longitude_udeg()).to_le_bytes());
        hash.update(it.expires.map_or(i64::MIN, |it| it.0).to_le_bytes());
        hash.update(labels.as_deref().unwrap_or(""));
        hash.update([0]);
    }
    crate::hex(&hash.finalize())
}

/// Instances in a range, with their labels.
pub(super) async fn load(connection: &mut AnyConnection, range: &IdRange) -> Result<Vec<Stamped<Instance>>> {
    let rows = range.rows(connection, "reading instances", INSTANCES).await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Stamped<Instance>> {
    let (change, revision) = stamp(row)?;
    let object = Instance {
        id: parsed(InstanceId::parse, text(row, 0)?)?,
        product: parsed(ProductId::parse, text(row, 1)?)?,
        jurisdiction: maybe_text(row, 2)?.map(|it| parsed(Jurisdiction::parse, it)).transpose()?,
        status: status_of(text(row, 3)?)?,
        weight: number(row, 4)?,
        location: place(row, 5)?,
        created: Micros(integer(row, 7)?),
        expires: maybe_integer(row, 8)?.map(Micros),
        labels: maybe_text(row, 9)?.map(|_| from_json(row, 9)).transpose()?.unwrap_or_default(),
    };
    Ok(Stamped { object, revision, change })
}
