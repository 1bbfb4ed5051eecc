//! The rows of runtime and outbound templates: two tables of one shape.
//!
//! Their bodies are delivered exactly as they were written and never read here. Which nodes name a template is asked
//! in `references.rs`.

use domain::ids::{OutboundTemplateId, RuntimeTemplateId};
use domain::master_data::{Labels, OutboundTemplate, RuntimeTemplate, Switch};
use domain::orchestration::Stamped;
use sqlx::AnyConnection;

use super::rows::{IdRange, from_json, json, stamp, switch_of, switch_text};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{parsed, text};
use crate::error::Result;

const RUNTIME: &str = "SELECT t.runtime_template_id, t.state, t.body, t.labels, t.change_id, c.revision
FROM runtime_template t
LEFT JOIN change c ON c.change_id = t.change_id
WHERE t.runtime_template_id >= $1 AND t.runtime_template_id <= $2
ORDER BY t.runtime_template_id
LIMIT $3";

const PUT_RUNTIME: Bulk = Bulk {
    during: "writing runtime templates",
    sql: "WITH source (runtime_template_id, state, body, labels) AS ({source})
INSERT INTO runtime_template (runtime_template_id, state, body, labels, change_id)
SELECT runtime_template_id, state, body, labels, $1
FROM source
WHERE true
ON CONFLICT (runtime_template_id) DO UPDATE
SET state = excluded.state, body = excluded.body, labels = excluded.labels, change_id = excluded.change_id",
    columns: &[ColumnType::Text; 4],
};

const OUTBOUND: &str = "SELECT t.outbound_template_id, t.state, t.body, t.labels, t.change_id, c.revision
FROM outbound_template t
LEFT JOIN change c ON c.change_id = t.change_id
WHERE t.outbound_template_id >= $1 AND t.outbound_template_id <= $2
ORDER BY t.outbound_template_id
LIMIT $3";

const PUT_OUTBOUND: Bulk = Bulk {
    during: "writing outbound templates",
    sql: "WITH source (outbound_template_id, state, body, labels) AS ({source})
INSERT INTO outbound_template (outbound_template_id, state, body, labels, change_id)
SELECT outbound_template_id, state, body, labels, $1
FROM source
WHERE true
ON CONFLICT (outbound_template_id) DO UPDATE
SET state = excluded.state, body = excluded.body, labels = excluded.labels, change_id = excluded.change_id",
    columns: &[ColumnType::Text; 4],
};

/// The word for a template that does not take part.
const DISABLED: &str = "disabled";

pub(super) async fn load_runtime(
    connection: &mut AnyConnection,
    range: &IdRange,
) -> Result<Vec<Stamped<RuntimeTemplate>>> {
    let rows = range.rows(connection, "reading runtime templates", RUNTIME).await?;
    rows.iter()
        .map(|row| {
            let (change, revision) = stamp(row)?;
            let object = RuntimeTemplate {
                id: parsed(RuntimeTemplateId::parse, text(row, 0)?)?,
                state: switch_of(text(row, 1)?, DISABLED)?,
                body: text(row, 2)?.to_owned(),
                labels: from_json(row, 3)?,
            };
            Ok(Stamped { object, revision, change })
        })
        .collect()
}

pub(super) async fn load_outbound(
    connection: &mut AnyConnection,
    range: &IdRange,
) -> Result<Vec<Stamped<OutboundTemplate>>> {
    let rows = range.rows(connection, "reading outbound templates", OUTBOUND).await?;
    rows.iter()
        .map(|row| {
            let (change, revision) = stamp(row)?;
            let object = OutboundTemplate {
                id: parsed(OutboundTemplateId::parse, text(row, 0)?)?,
                state: switch_of(text(row, 1)?, DISABLED)?,
                body: text(row, 2)?.to_owned(),
                labels: from_json(row, 3)?,
            };
            Ok(Stamped { object, revision, change })
        })
        .collect()
}

pub(super) async fn write_runtime(
    engine: Engine,
    connection: &mut AnyConnection,
    templates: &[&RuntimeTemplate],
    change_id: i64,
) -> Result<()> {
    let rows = templates.iter().map(|it| (it.id.as_str(), it.state, it.body.as_str(), &it.labels));
    write(&PUT_RUNTIME, engine, connection, rows, change_id).await
}

pub(super) async fn write_outbound(
    engine: Engine,
    connection: &mut AnyConnection,
    templates: &[&OutboundTemplate],
    change_id: i64,
) -> Result<()> {
    let rows = templates.iter().map(|it| (it.id.as_str(), it.state, it.body.as_str(), &it.labels));
    write(&PUT_OUTBOUND, engine, connection, rows, change_id).await
}

async fn write<'a>(
    put: &Bulk,
    engine: Engine,
    connection: &mut AnyConnection,
    rows: impl Iterator<Item = (&'a str, Switch, &'a str, &'a Labels)>,
    change_id: i64,
) -> Result<()> {
    let rows: Vec<_> = rows.map(|(id, state, body, labels)| (id, state, body, json(labels))).collect();
    let cells: Vec<Cell<'_>> = rows
        .iter()
        .flat_map(|(id, state, body, labels)| {
            [(*id).into(), switch_text(*state, DISABLED).into(), (*body).into(), labels.as_str().into()]
        })
        .collect();
    put.execute(engine, connection, &cells, &[change_id.into()]).await.map(|_| ())
}
