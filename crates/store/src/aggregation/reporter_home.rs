//! The home of each life of a reporter: the one replica that may accept its reports.
//!
//! Two replicas that both accept would count a retried report twice (I10). A home is claimed by insert and changes
//! only when its replica was retired; its term grows then. Whether a life is stale is judged against the largest
//! incarnation that has a home. Node health has homes of its own, which change whenever a node is heard elsewhere.

use domain::ids::{NodeId, ReplicaId};
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::replica::{Hold, hold_own, stored};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::engine::{Store, integer, maybe_number, number, parsed, text};
use crate::error::{Result, StoreError, during};

/// The home of a (reporter, incarnation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReporterHome {
    pub replica: ReplicaId,
    /// Which holding of the home.
    pub term: i64,
    pub claimed: Micros,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Homing {
    /// The claimant is the home.
    Here(ReporterHome),
    /// Another replica is, and it is open.
    Elsewhere(ReporterHome),
    /// A larger incarnation has a home; nothing was claimed.
    Stale { current: u64 },
}

const LATEST: &str = "SELECT MAX(incarnation) FROM reporter_home WHERE reporter_id = $1";

const CLAIM: &str = "INSERT INTO reporter_home (reporter_id, incarnation, replica_id, term, claimed_us)
VALUES ($1, $2, $3, 1, $4)
ON CONFLICT (reporter_id, incarnation) DO NOTHING";

const TAKE_OVER: &str = "UPDATE reporter_home
SET replica_id = $1, term = term + 1, claimed_us = $2
WHERE reporter_id = $3 AND incarnation = $4 AND replica_id <> $5
  AND replica_id IN (SELECT replica_id FROM intake_replica WHERE closed_us IS NOT NULL)";

const FIND: &str = "SELECT replica_id, term, claimed_us
FROM reporter_home
WHERE reporter_id = $1 AND incarnation = $2";

/// What was missing grows to both sides, so that the order of the refusals does not matter.
const NOTE_GAP: &str = "UPDATE reporter_home
SET gap_from = CASE WHEN gap_from < $1 THEN gap_from ELSE $2 END, gap_to = CASE WHEN gap_to > $3 THEN gap_to ELSE $4 END
WHERE reporter_id = $5 AND incarnation = $6";

/// Puts back homes that a database lost with its last commits.
pub(super) const RESTORE: Bulk = Bulk {
    during: "restoring homes",
    sql: "WITH source (reporter_id, incarnation) AS ({source})
INSERT INTO reporter_home (reporter_id, incarnation, replica_id, term, claimed_us)
SELECT reporter_id, incarnation, $1, 1, $2
FROM source
WHERE true
ON CONFLICT (reporter_id, incarnation) DO NOTHING",
    columns: &[ColumnType::Text, ColumnType::Integer],
};

/// Those among the given whose home is not this replica.
const ELSEWHERE: Bulk = Bulk {
    during: "comparing homes",
    sql: "WITH source (reporter_id, incarnation) AS ({source})
SELECT h.reporter_id, h.incarnation
FROM source s
CROSS JOIN reporter_home h
WHERE h.reporter_id = s.reporter_id AND h.incarnation = s.incarnation AND h.replica_id <> $1",
    columns: &[ColumnType::Text, ColumnType::Integer],
};

impl Store {
    /// Claims the home of a life of a reporter where nobody has it, or where its replica was retired.
    ///
    /// # Errors
    /// [`StoreError::ReplicaClosed`] when the claimant itself was retired. [`StoreError::Contention`] and
    /// [`StoreError::Unavailable`]: nothing was claimed.
    pub async fn claim_reporter_home(
        &self,
        reporter: &NodeId,
        incarnation: u64,
        replica: &ReplicaId,
        now: Micros,
    ) -> Result<Homing> {
        let claiming = "claiming a home";
        let life = stored(incarnation)?;
        let mut tx = self.begin_write().await?;
        hold_own(self, &mut tx, replica, Hold::Shared).await?;
        if let Some(current) = latest(&mut tx, reporter).await?.filter(|current| *current > incarnation) {
            return Ok(Homing::Stale { current });
        }
        let claim = sqlx::query(CLAIM).bind(reporter.as_str()).bind(life).bind(replica.as_str()).bind(now.0);
        let claimed = claim.execute(&mut *tx).await.map_err(during(claiming))?.rows_affected();
        if claimed == 0 {
            let take = sqlx::query(TAKE_OVER).bind(replica.as_str()).bind(now.0).bind(reporter.as_str()).bind(life);
            take.bind(replica.as_str()).execute(&mut *tx).await.map_err(during(claiming))?;
        }
        let home = find(&mut tx, reporter, incarnation).await?;
        tx.commit().await.map_err(during(claiming))?;
        let home = home.ok_or_else(|| StoreError::corrupt("a home that was claimed is not there"))?;
        Ok(if home.replica == *replica { Homing::Here(home) } else { Homing::Elsewhere(home) })
    }

    /// The home of a life of a reporter, if it has one. Claims nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn find_reporter_home(&self, reporter: &NodeId, incarnation: u64) -> Result<Option<ReporterHome>> {
        find(&mut *self.reader().await?, reporter, incarnation).await
    }

    /// The largest incarnation of a reporter that has a home.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn latest_incarnation(&self, reporter: &NodeId) -> Result<Option<u64>> {
        latest(&mut *self.reader().await?, reporter).await
    }

    /// Notes that a life of a reporter skipped sequences: `expected` and all up to the one before `stated`. They are
    /// listed as lost once a larger incarnation has come and they never arrived.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn note_gap(&self, reporter: &NodeId, incarnation: u64, expected: u64, stated: u64) -> Result<()> {
        let (from, to) = (stored(expected)?, stored(stated.saturating_sub(1))?);
        let note = sqlx::query(NOTE_GAP).bind(from).bind(from).bind(to).bind(to);
        let note = note.bind(reporter.as_str()).bind(stored(incarnation)?);
        note.execute(&mut *self.writer().await?).await.map(|_| ()).map_err(during("noting a gap"))
    }
}

async fn latest(connection: &mut AnyConnection, reporter: &NodeId) -> Result<Option<u64>> {
    let rows = sqlx::query(LATEST).bind(reporter.as_str()).fetch_all(connection).await;
    let rows = rows.map_err(during("reading incarnations"))?;
    rows.first().map_or(Ok(None), |row| maybe_number(row, 0))
}

async fn find(connection: &mut AnyConnection, reporter: &NodeId, incarnation: u64) -> Result<Option<ReporterHome>> {
    let find = sqlx::query(FIND).bind(reporter.as_str()).bind(stored(incarnation)?).fetch_all(connection).await;
    find.map_err(during("reading a home"))?.first().map(|row| home_of(row, 0)).transpose()
}

/// The home in three columns.
pub(super) fn home_of(row: &AnyRow, at: usize) -> Result<ReporterHome> {
    Ok(ReporterHome {
        replica: parsed(ReplicaId::parse, text(row, at)?)?,
        term: integer(row, at + 1)?,
        claimed: Micros(integer(row, at + 2)?),
    })
}

/// Restores the homes of these lives, sorted by key, and says which of them are at home elsewhere.
pub(super) async fn restore_homes(
    engine: crate::dialect::Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    lives: &[Cell<'_>],
    now: Micros,
) -> Result<Vec<(NodeId, u64)>> {
    RESTORE.execute(engine, &mut *connection, lives, &[replica.as_str().into(), now.0.into()]).await?;
    let rows = ELSEWHERE.fetch(engine, connection, lives, &[replica.as_str().into()]).await?;
    rows.iter().map(|row| Ok((parsed(NodeId::parse, text(row, 0)?)?, number(row, 1)?))).collect()
}
