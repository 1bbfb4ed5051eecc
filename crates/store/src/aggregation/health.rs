//! Facts about nodes: health and load band, written as revisioned rows and never worked out by a reader (I7).
//!
//! Silence is judged by the home replica alone: such a fact is written only where the home is still the judge's, so a
//! replica that was cut off cannot declare nodes silent that report elsewhere by now.

use domain::ids::{NodeId, Revision};
use domain::orchestration::{Health, LoadBand, NodeFacts};
use domain::time::Micros;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::home::Home;
use crate::audit::AuditLeaf;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::{Change, Intent, Touched};
use crate::dialect::Engine;
use crate::engine::{Store, integer, number, parsed, revision, text};
use crate::error::{Result, during};
use crate::master_data::find_code;

/// Facts to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactWrite {
    pub node: NodeId,
    pub facts: NodeFacts,
    /// Written only while this is still the home of the node.
    pub home: Option<Home>,
}

const PUT: Bulk = Bulk {
    during: "writing facts",
    sql: "WITH source (node_id, health, band, since_us, replica, term) AS ({source})
INSERT INTO node_health (node_id, health, band, since_us, change_id)
SELECT s.node_id, s.health, s.band, s.since_us, $1
FROM source s
JOIN node n ON n.node_id = s.node_id
LEFT JOIN node_home h ON h.node_id = s.node_id
WHERE s.replica IS NULL OR (h.replica = s.replica AND h.term = s.term)
ON CONFLICT (node_id) DO UPDATE
SET health = excluded.health, band = excluded.band, since_us = excluded.since_us, change_id = excluded.change_id
WHERE node_health.health <> excluded.health OR node_health.band <> excluded.band
RETURNING node_id",
    columns: &[
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Integer,
    ],
};

const ALL: &str = "SELECT h.node_id, h.health, h.band, h.since_us, c.revision
FROM node_health h
LEFT JOIN change c ON c.change_id = h.change_id
ORDER BY h.node_id";

const OF_CHANGES: Bulk = Bulk {
    during: "reading changed facts",
    sql: "WITH source (change_id) AS ({source})
SELECT h.node_id, h.health, h.band, h.since_us, c.revision
FROM source s
CROSS JOIN node_health h
JOIN change c ON c.change_id = h.change_id
WHERE h.change_id = s.change_id",
    columns: &[ColumnType::Integer],
};

impl Change {
    /// Writes facts that differ from what stands, about nodes that exist, and says about which nodes, in no order.
    /// Give each node once.
    ///
    /// # Errors
    /// [`crate::StoreError::Misuse`] for a change of another intent.
    pub async fn put_facts(&mut self, facts: &[FactWrite]) -> Result<Vec<NodeId>> {
        self.require(&[Intent::Facts], "writing facts")?;
        let mut sorted: Vec<&FactWrite> = facts.iter().collect();
        sorted.sort_by(|a, b| a.node.cmp(&b.node));
        let mut cells: Vec<Cell<'_>> = Vec::with_capacity(facts.len() * PUT.columns.len());
        for FactWrite { node, facts, home } in sorted.iter().copied() {
            cells.extend([Cell::from(node.as_str()), facts.health.code().into(), i64::from(facts.band.0).into()]);
            cells.push(facts.since.0.into());
            cells.push(home.as_ref().map(|it| it.replica.as_str()).into());
            cells.push(home.as_ref().map(|it| it.term).into());
        }
        let id = self.id();
        let (engine, connection) = self.parts();
        let rows = PUT.fetch(engine, connection, &cells, &[id.into()]).await?;
        let written: Vec<NodeId> =
            rows.iter().map(|row| parsed(NodeId::parse, text(row, 0)?)).collect::<Result<_>>()?;
        for FactWrite { node, facts, .. } in sorted.into_iter().filter(|it| written.contains(&it.node)) {
            let detail = format!("health={} band={}", facts.health.code(), facts.band.0);
            self.stage(AuditLeaf { verb: "observe", kind: "Node".to_owned(), id: node.to_string(), detail });
        }
        if !written.is_empty() {
            self.touch(Touched::FACTS);
        }
        Ok(written)
    }
}

impl Store {
    /// All facts, by node, with the revision that wrote each.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn list_facts(&self) -> Result<Vec<(NodeId, NodeFacts, Revision)>> {
        list_facts(&mut *self.reader().await?).await
    }
}

pub(crate) async fn list_facts(connection: &mut AnyConnection) -> Result<Vec<(NodeId, NodeFacts, Revision)>> {
    let rows = sqlx::query(ALL).fetch_all(connection).await.map_err(during("reading facts"))?;
    rows.iter().map(read).collect()
}

pub(crate) async fn facts_of_changes(
    engine: Engine,
    connection: &mut AnyConnection,
    changes: &[Cell<'_>],
) -> Result<Vec<(NodeId, NodeFacts, Revision)>> {
    let rows = OF_CHANGES.fetch(engine, connection, changes, &[]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<(NodeId, NodeFacts, Revision)> {
    let all = [Health::Unknown, Health::Up, Health::Down, Health::Silent];
    let facts = NodeFacts {
        health: find_code(&all, Health::code, text(row, 1)?)?,
        band: LoadBand(number(row, 2)?),
        since: Micros(integer(row, 3)?),
    };
    Ok((parsed(NodeId::parse, text(row, 0)?)?, facts, revision(row, 4)?))
}
