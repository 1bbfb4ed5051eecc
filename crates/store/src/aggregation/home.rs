//! The home of each reporter: the one replica that hears it and may judge its silence.
//!
//! A home is claimed by insert, or taken by the replica that hears the node now; its term grows with each taker, so a
//! judgement made under an older term is recognised. Homes are no master data and make no revision.

use std::collections::BTreeMap;

use domain::ids::NodeId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::bulk::{Bulk, Cell, ColumnType};
use crate::engine::{Store, integer, parsed, text};
use crate::error::{Result, during};

/// The home of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub replica: String,
    /// Which holding of the home; grows when the replica changes.
    pub term: i64,
}

/// How a home is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Only where nobody has it.
    IfFree,
    /// From whoever has it: the node reports here now.
    Take,
}

const IF_FREE: Bulk = Bulk {
    during: "claiming homes",
    sql: "WITH source (node_id) AS ({source})
INSERT INTO node_home (node_id, replica, term)
SELECT node_id, $1, 1
FROM source
WHERE true
ON CONFLICT (node_id) DO NOTHING",
    columns: &[ColumnType::Text],
};

const TAKE: Bulk = Bulk {
    during: "claiming homes",
    sql: "WITH source (node_id) AS ({source})
INSERT INTO node_home (node_id, replica, term)
SELECT node_id, $1, 1
FROM source
WHERE true
ON CONFLICT (node_id) DO UPDATE
SET replica = excluded.replica, term = node_home.term + 1
WHERE node_home.replica <> excluded.replica",
    columns: &[ColumnType::Text],
};

const READ: &str = "SELECT node_id, replica, term FROM node_home ORDER BY node_id";

const FIND: Bulk = Bulk {
    during: "reading homes",
    sql: "WITH source (node_id) AS ({source})
SELECT node_id, replica, term
FROM node_home
WHERE node_id IN (SELECT node_id FROM source)",
    columns: &[ColumnType::Text],
};

impl Store {
    /// Claims the homes of nodes for a replica, and says whose each is now, by node.
    ///
    /// # Errors
    /// [`crate::StoreError::Contention`] and [`crate::StoreError::Unavailable`]: nothing was claimed.
    pub async fn claim_homes(&self, nodes: &[NodeId], replica: &str, claim: Claim) -> Result<Vec<(NodeId, Home)>> {
        let mut sorted: Vec<&str> = nodes.iter().map(NodeId::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let cells: Vec<Cell<'_>> = sorted.into_iter().map(Cell::from).collect();
        let statement = match claim {
            Claim::IfFree => &IF_FREE,
            Claim::Take => &TAKE,
        };
        let mut tx = self.begin_write().await?;
        statement.execute(self.engine(), &mut tx, &cells, &[replica.into()]).await?;
        let rows = FIND.fetch(self.engine(), &mut tx, &cells, &[]).await?;
        tx.commit().await.map_err(during("claiming homes"))?;
        let mut homes: Vec<(NodeId, Home)> = rows.iter().map(home_of).collect::<Result<_>>()?;
        homes.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(homes)
    }

    /// All homes, by node.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn list_homes(&self) -> Result<Vec<(NodeId, Home)>> {
        Ok(read_homes(&mut *self.reader().await?).await?.into_iter().collect())
    }
}

/// All homes, by node.
async fn read_homes(connection: &mut AnyConnection) -> Result<BTreeMap<NodeId, Home>> {
    let rows = sqlx::query(READ).fetch_all(connection).await.map_err(during("reading homes"))?;
    rows.iter().map(home_of).collect()
}

fn home_of(row: &AnyRow) -> Result<(NodeId, Home)> {
    let home = Home { replica: text(row, 1)?.to_owned(), term: integer(row, 2)? };
    Ok((parsed(NodeId::parse, text(row, 0)?)?, home))
}
