//! The rows of access templates and of the members of their boundaries.
//!
//! Members are a table of their own, so that SQL users can join on them and a refusal can name who refers. What kind
//! of thing a member is follows from the mode of its template.

use domain::ids::{AccessTemplateId, GroupId, NodeId, RegionId};
use domain::master_data::{AccessTemplate, Mode, OnBroken, Order};
use domain::orchestration::Stamped;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::rows::{IdRange, find_code, from_json, json, pairs, stamp, take_members};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{maybe_number, parsed, text};
use crate::error::{Result, StoreError};

const TEMPLATES: &str = "SELECT t.access_template_id, t.mode, t.node_order, t.node_limit, t.on_broken, t.labels,
  t.change_id, c.revision
FROM access_template t
LEFT JOIN change c ON c.change_id = t.change_id
WHERE t.access_template_id >= $1 AND t.access_template_id <= $2
ORDER BY t.access_template_id
LIMIT $3";

const MEMBERS: &str = "SELECT access_template_id, member_id
FROM access_template_member
WHERE access_template_id >= $1 AND access_template_id <= $2
ORDER BY access_template_id, member_id
LIMIT $3";

const PUT: Bulk = Bulk {
    during: "writing access templates",
    sql: "WITH source (access_template_id, mode, node_order, node_limit, on_broken, labels) AS ({source})
INSERT INTO access_template (access_template_id, mode, node_order, node_limit, on_broken, labels, change_id)
SELECT access_template_id, mode, node_order, node_limit, on_broken, labels, $1
FROM source
WHERE true
ON CONFLICT (access_template_id) DO UPDATE
SET mode = excluded.mode, node_order = excluded.node_order, node_limit = excluded.node_limit,
  on_broken = excluded.on_broken, labels = excluded.labels, change_id = excluded.change_id",
    columns: &[
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
    ],
};

const LEAVE: Bulk = Bulk {
    during: "emptying boundaries",
    sql: "WITH source (access_template_id) AS ({source})
DELETE FROM access_template_member
WHERE access_template_id IN (SELECT access_template_id FROM source)",
    columns: &[ColumnType::Text],
};

const ENTER: Bulk = Bulk {
    during: "filling boundaries",
    sql: "WITH source (access_template_id, member_id) AS ({source})
INSERT INTO access_template_member (access_template_id, member_id)
SELECT access_template_id, member_id
FROM source",
    columns: &[ColumnType::Text; 2],
};

pub(super) async fn load(connection: &mut AnyConnection, range: &IdRange) -> Result<Vec<Stamped<AccessTemplate>>> {
    let rows = range.rows(&mut *connection, "reading access templates", TEMPLATES).await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Vec::new());
    };
    let span = IdRange::spanning(text(first, 0)?, text(last, 0)?);
    let mut members = pairs(&span.rows(connection, "reading boundaries", MEMBERS).await?)?;
    rows.iter().map(|row| read(row, &take_members(&mut members, text(row, 0)?))).collect()
}

fn read(row: &AnyRow, members: &[String]) -> Result<Stamped<AccessTemplate>> {
    let (change, revision) = stamp(row)?;
    let object = AccessTemplate {
        id: parsed(AccessTemplateId::parse, text(row, 0)?)?,
        mode: mode(text(row, 1)?, members)?,
        order: find_code(Order::ALL, Order::code, text(row, 2)?)?,
        limit: maybe_number(row, 3)?,
        on_broken: find_code(&[OnBroken::Repair, OnBroken::Hold], on_broken_code, text(row, 4)?)?,
        labels: from_json(row, 5)?,
    };
    Ok(Stamped { object, revision, change })
}

fn mode(code: &str, members: &[String]) -> Result<Mode> {
    let groups = || members.iter().map(|it| parsed(GroupId::parse, it)).collect::<Result<_>>();
    Ok(match code {
        "fixed" => Mode::Fixed { nodes: members.iter().map(|it| parsed(NodeId::parse, it)).collect::<Result<_>>()? },
        "merge" => Mode::Merge { groups: groups()? },
        "shard" => Mode::Shard { groups: groups()? },
        "regional" => {
            Mode::Regional { regions: members.iter().map(|it| parsed(RegionId::parse, it)).collect::<Result<_>>()? }
        }
        other => return Err(StoreError::corrupt(format!("{other:?} is no mode"))),
    })
}

fn on_broken_code(on_broken: OnBroken) -> &'static str {
    match on_broken {
        OnBroken::Repair => "repair",
        OnBroken::Hold => "hold",
    }
}

fn members(mode: &Mode) -> Vec<&str> {
    match mode {
        Mode::Fixed { nodes } => nodes.iter().map(NodeId::as_str).collect(),
        Mode::Merge { groups } | Mode::Shard { groups } => groups.iter().map(GroupId::as_str).collect(),
        Mode::Regional { regions } => regions.iter().map(RegionId::as_str).collect(),
    }
}

pub(super) async fn write(
    engine: Engine,
    connection: &mut AnyConnection,
    templates: &[&AccessTemplate],
    change_id: i64,
) -> Result<()> {
    let labels: Vec<String> = templates.iter().map(|it| json(&it.labels)).collect();
    let cells: Vec<Cell<'_>> = templates
        .iter()
        .zip(&labels)
        .flat_map(|(it, labels)| {
            let (id, mode, order) = (it.id.as_str(), it.mode.code(), it.order.code());
            let on_broken = on_broken_code(it.on_broken);
            [id.into(), mode.into(), order.into(), it.limit.into(), on_broken.into(), labels.as_str().into()]
        })
        .collect();
    PUT.execute(engine, &mut *connection, &cells, &[change_id.into()]).await?;
    let ids: Vec<Cell<'_>> = templates.iter().map(|it| it.id.as_str().into()).collect();
    LEAVE.execute(engine, &mut *connection, &ids, &[]).await?;
    let members: Vec<Cell<'_>> = templates
        .iter()
        .flat_map(|it| members(&it.mode).into_iter().flat_map(|member| [it.id.as_str().into(), member.into()]))
        .collect();
    ENTER.execute(engine, connection, &members, &[]).await.map(|_| ())
}
