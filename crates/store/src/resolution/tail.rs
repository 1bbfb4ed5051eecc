//! What has changed since a revision: how a view stays current.
//!
//! Changes are followed in revision order, which is commit order, so none is ever missed. Rows are read as they are
//! now: a row that a later change wrote again is simply newer, and comes a second time with that change.

use domain::ids::{InstanceId, NodeId, Revision};
use domain::orchestration::NodeFacts;

use super::snapshot::{InstanceRow, Words, joined_owner, packed_row};
use crate::aggregation::facts_of_changes;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::Touched;
use crate::engine::{Store, integer, revision};
use crate::error::{Result, during};

/// A committed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeRow {
    pub revision: Revision,
    pub change: i64,
    pub touched: Touched,
}

/// What some changes wrote, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Regions, groups, nodes, templates or products changed or went: load the topology anew.
    pub is_topology: bool,
    /// Plans changed.
    pub is_plan: bool,
    /// Facts about nodes.
    pub facts: Vec<(NodeId, NodeFacts, Revision)>,
    /// Instances that changed, or whose owner did; each once.
    pub instances: Vec<InstanceRow>,
}

/// A thousand changes in one read.
pub const CHANGES_PER_READ_MAX: u32 = 1_000;

/// Sixteen changes in one text: at ten thousand instances in each some twenty megabytes, where an engine ends at a
/// thousand.
const CHANGES_PER_TEXT: usize = 16;

const SINCE: &str = "SELECT revision, change_id, touched
FROM change
WHERE revision > $1
ORDER BY revision
LIMIT $2";

const AT: &str = "SELECT change_id FROM change WHERE revision = $1";

const BY_INSTANCE_CHANGE: Bulk = Bulk {
    during: "reading changed instances",
    sql: concat!(
        "WITH source (change_id) AS ({source})
SELECT string_agg(",
        packed_row!(),
        ", '\u{1e}')
FROM source s
CROSS JOIN instance i
",
        joined_owner!(),
        "
WHERE i.change_id = s.change_id"
    ),
    columns: &[ColumnType::Integer],
};

const BY_OWNERSHIP_CHANGE: Bulk = Bulk {
    during: "reading changed owners",
    sql: concat!(
        "WITH source (change_id) AS ({source}),
changed (instance_id) AS (
  SELECT w.instance_id
  FROM source s
  CROSS JOIN ownership w
  WHERE w.change_id = s.change_id)
SELECT string_agg(",
        packed_row!(),
        ", '\u{1e}')
FROM changed w
CROSS JOIN instance i
",
        joined_owner!(),
        "
WHERE i.instance_id = w.instance_id"
    ),
    columns: &[ColumnType::Integer],
};

const BY_ID: Bulk = Bulk {
    during: "reading instances by id",
    sql: concat!(
        "WITH source (instance_id) AS ({source})
SELECT string_agg(",
        packed_row!(),
        ", '\u{1e}')
FROM source s
CROSS JOIN instance i
",
        joined_owner!(),
        "
WHERE i.instance_id = s.instance_id"
    ),
    columns: &[ColumnType::Text],
};

impl Store {
    /// Changes after a revision, in order, at most [`CHANGES_PER_READ_MAX`].
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn changes_since(&self, after: Revision, limit: u32) -> Result<Vec<ChangeRow>> {
        let (after, limit) = (i64::try_from(after.0).unwrap_or(i64::MAX), limit.min(CHANGES_PER_READ_MAX));
        let query = sqlx::query(SINCE).bind(after).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *self.reader().await?).await.map_err(during("reading changes"))?;
        let read = |row| {
            let (change, touched) = (integer(row, 1)?, Touched::from_bits(integer(row, 2)?));
            Ok(ChangeRow { revision: revision(row, 0)?, change, touched })
        };
        rows.iter().map(read).collect()
    }

    /// The change at a revision. Another one than a view has seen there means that the database lost commits: the
    /// view loads anew.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn change_at(&self, revision: Revision) -> Result<Option<i64>> {
        let revision = i64::try_from(revision.0).unwrap_or(i64::MAX);
        let rows = sqlx::query(AT).bind(revision).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("reading a change"))?.first().map(|row| integer(row, 0)).transpose()
    }

    /// What these changes wrote, as it is now, read in one state.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn rows_of(&self, changes: &[ChangeRow]) -> Result<Changed> {
        let that = |has: fn(Touched) -> bool| -> Vec<Cell<'static>> {
            changes.iter().filter(|it| has(it.touched)).map(|it| it.change.into()).collect()
        };
        let is_topology = changes.iter().any(|it| it.touched.has_topology());
        let is_plan = changes.iter().any(|it| it.touched.has_plans());
        let mut changed = Changed { is_topology, is_plan, ..Changed::default() };
        let mut tx = self.begin_read().await?;
        let facts = that(Touched::has_facts);
        changed.facts = facts_of_changes(self.engine(), &mut tx, &facts).await?;
        let mut texts = Vec::new();
        for (statement, those) in
            [(BY_INSTANCE_CHANGE, that(Touched::has_instances)), (BY_OWNERSHIP_CHANGE, that(Touched::has_ownership))]
        {
            for part in those.chunks(CHANGES_PER_TEXT) {
                texts.append(&mut statement.fetch(self.engine(), &mut tx, part, &[]).await?);
            }
        }
        tx.rollback().await.map_err(during("ending a read"))?;
        changed.instances = Words::default().rows(&texts)?;
        changed.instances.sort_by(|a, b| a.id.cmp(&b.id));
        changed.instances.dedup_by(|a, b| a.id == b.id);
        Ok(changed)
    }

    /// Instances by id, in no order; those that do not exist are left out.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn instance_rows(&self, ids: &[InstanceId]) -> Result<Vec<InstanceRow>> {
        let cells: Vec<Cell<'_>> = ids.iter().map(|id| id.as_str().into()).collect();
        let rows = BY_ID.fetch(self.engine(), &mut *self.reader().await?, &cells, &[]).await?;
        Words::default().rows(&rows)
    }
}
