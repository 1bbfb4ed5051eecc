//! The rows of nodes and of the groups they are in.
//!
//! What SQL users join on stands in columns; endpoints and labels are JSON texts. What is observed of a node is not
//! here but in `aggregation`: an operator's write never touches a fact.

use domain::ids::{GroupId, NodeId, OutboundTemplateId, RuntimeTemplateId};
use domain::master_data::{Node, NodeLocation, Place};
use domain::orchestration::Stamped;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::rows::{IdRange, from_json, json, pairs, stamp, switch_of, switch_text, take_members};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{maybe_number, maybe_text, number, parsed, text};
use crate::error::{Result, StoreError};

const NODES: &str = "SELECT n.node_id, n.runtime_template_id, n.outbound_template_id, n.state, n.endpoints, n.priority,
  n.weight, n.city, n.country, n.latitude_udeg, n.longitude_udeg, n.labels, n.change_id, c.revision
FROM node n
LEFT JOIN change c ON c.change_id = n.change_id
WHERE n.node_id >= $1 AND n.node_id <= $2
ORDER BY n.node_id
LIMIT $3";

const MEMBERS: &str = "SELECT node_id, group_id
FROM node_group
WHERE node_id >= $1 AND node_id <= $2
ORDER BY node_id, group_id
LIMIT $3";

const PUT: Bulk = Bulk {
    during: "writing nodes",
    sql: "WITH source (node_id, runtime_template_id, outbound_template_id, state, endpoints, priority, weight, city,
  country, latitude_udeg, longitude_udeg, labels) AS ({source})
INSERT INTO node (node_id, runtime_template_id, outbound_template_id, state, endpoints, priority, weight, city,
  country, latitude_udeg, longitude_udeg, labels, change_id)
SELECT node_id, runtime_template_id, outbound_template_id, state, endpoints, priority, weight, city,
  country, latitude_udeg, longitude_udeg, labels, $1
FROM source
WHERE true
ON CONFLICT (node_id) DO UPDATE
SET runtime_template_id = excluded.runtime_template_id, outbound_template_id = excluded.outbound_template_id,
  state = excluded.state, endpoints = excluded.endpoints, priority = excluded.priority, weight = excluded.weight,
  city = excluded.city, country = excluded.country, latitude_udeg = excluded.latitude_udeg,
  longitude_udeg = excluded.longitude_udeg, labels = excluded.labels, change_id = excluded.change_id",
    columns: &[
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
    ],
};

const LEAVE_GROUPS: Bulk = Bulk {
    during: "taking nodes out of groups",
    sql: "WITH source (node_id) AS ({source})
DELETE FROM node_group
WHERE node_id IN (SELECT node_id FROM source)",
    columns: &[ColumnType::Text],
};

const ENTER_GROUPS: Bulk = Bulk {
    during: "putting nodes into groups",
    sql: "WITH source (node_id, group_id) AS ({source})
INSERT INTO node_group (node_id, group_id)
SELECT node_id, group_id
FROM source",
    columns: &[ColumnType::Text; 2],
};

/// The word for a node that does not take part.
const DISABLED: &str = "disabled";

pub(super) async fn load(connection: &mut AnyConnection, range: &IdRange) -> Result<Vec<Stamped<Node>>> {
    let rows = range.rows(&mut *connection, "reading nodes", NODES).await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Vec::new());
    };
    let span = IdRange::spanning(text(first, 0)?, text(last, 0)?);
    let mut members = pairs(&span.rows(connection, "reading groups of nodes", MEMBERS).await?)?;
    rows.iter().map(|row| read(row, &take_members(&mut members, text(row, 0)?))).collect()
}

fn read(row: &AnyRow, groups: &[String]) -> Result<Stamped<Node>> {
    let (change, revision) = stamp(row)?;
    let object = Node {
        id: parsed(NodeId::parse, text(row, 0)?)?,
        groups: groups.iter().map(|it| parsed(GroupId::parse, it)).collect::<Result<_>>()?,
        runtime_template: parsed(RuntimeTemplateId::parse, text(row, 1)?)?,
        outbound_template: parsed(OutboundTemplateId::parse, text(row, 2)?)?,
        state: switch_of(text(row, 3)?, DISABLED)?,
        endpoints: from_json(row, 4)?,
        priority: number(row, 5)?,
        weight: number(row, 6)?,
        location: NodeLocation {
            city: maybe_text(row, 7)?.map(str::to_owned),
            country: maybe_text(row, 8)?.map(str::to_owned),
            place: place(row, 9)?,
        },
        labels: from_json(row, 11)?,
    };
    Ok(Stamped { object, revision, change })
}

/// The place in two columns, or none.
pub(super) fn place(row: &AnyRow, at: usize) -> Result<Option<Place>> {
    match (maybe_number(row, at)?, maybe_number(row, at + 1)?) {
        (Some(latitude), Some(longitude)) => Place::new(latitude, longitude).map(Some).map_err(StoreError::corrupt),
        _ => Ok(None),
    }
}

pub(super) async fn write(
    engine: Engine,
    connection: &mut AnyConnection,
    nodes: &[&Node],
    change_id: i64,
) -> Result<()> {
    let texts: Vec<_> = nodes.iter().map(|it| (json(&it.endpoints), json(&it.labels))).collect();
    let mut cells: Vec<Cell<'_>> = Vec::with_capacity(nodes.len() * PUT.columns.len());
    for (it, (endpoints, labels)) in nodes.iter().zip(&texts) {
        let place = it.location.place;
        cells.extend([Cell::from(it.id.as_str()), it.runtime_template.as_str().into()]);
        cells.extend([Cell::from(it.outbound_template.as_str()), switch_text(it.state, DISABLED).into()]);
        cells.extend([Cell::from(endpoints.as_str()), it.priority.into(), it.weight.into()]);
        cells.extend([Cell::from(it.location.city.as_deref()), it.location.country.as_deref().into()]);
        cells.push(place.map(|it| i64::from(it.latitude_udeg())).into());
        cells.push(place.map(|it| i64::from(it.longitude_udeg())).into());
        cells.push(labels.as_str().into());
    }
    PUT.execute(engine, &mut *connection, &cells, &[change_id.into()]).await?;
    let ids: Vec<Cell<'_>> = nodes.iter().map(|it| it.id.as_str().into()).collect();
    LEAVE_GROUPS.execute(engine, &mut *connection, &ids, &[]).await?;
    let members: Vec<Cell<'_>> = nodes
        .iter()
        .flat_map(|it| it.groups.iter().flat_map(|group| [it.id.as_str().into(), group.as_str().into()]))
        .collect();
    ENTER_GROUPS.execute(engine, connection, &members, &[]).await.map(|_| ())
}
