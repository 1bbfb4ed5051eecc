//! The rows of ramps, written in the commit of the batch that moved them (I5).
//!
//! A batch with a snapshot brings the whole table up to its end: groups enter and leave a ramp when a frame is built,
//! and rows of boundaries that have changed must go. A batch that stands on another writes the difference.

use std::collections::BTreeMap;

use domain::ids::{AccessTemplateId, GroupId};
use domain::orchestration::{Phase, Ramp, RampRow, State};
use sqlx::AnyConnection;

use super::batch::BatchCommit;
use super::load::unpack;
use super::ownership::count;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::change::Change;
use crate::engine::parsed;
use crate::error::{Result, during};
use crate::master_data::find_code;

/// All ramps as one text: a batch with a snapshot and every explanation read them.
const ALL: &str = "SELECT string_agg(access_template_id || '\u{1f}' || group_id || '\u{1f}' || phase
  || '\u{1f}' || taken || '\u{1f}' || arrived, '\u{1e}')
FROM ramp";

const PUT: Bulk = Bulk {
    during: "writing ramps",
    sql: "WITH source (access_template_id, group_id, phase, taken, arrived) AS ({source})
INSERT INTO ramp (access_template_id, group_id, phase, taken, arrived)
SELECT access_template_id, group_id, phase, taken, arrived
FROM source
WHERE true
ON CONFLICT (access_template_id, group_id) DO UPDATE
SET phase = excluded.phase, taken = excluded.taken, arrived = excluded.arrived",
    columns: &[ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

const REMOVE: Bulk = Bulk {
    during: "removing ramps",
    sql: "WITH source (access_template_id, group_id) AS ({source})
DELETE FROM ramp
WHERE (access_template_id, group_id) IN (SELECT access_template_id, group_id FROM source)",
    columns: &[ColumnType::Text; 2],
};

/// All ramps, by template, then group.
pub(super) async fn load_ramps(connection: &mut AnyConnection) -> Result<Vec<RampRow>> {
    let row = sqlx::query(ALL).fetch_one(connection).await.map_err(during("reading ramps"))?;
    let mut rows = unpack(&row, |fields| {
        let (template, group) = (fields.text()?, fields.text()?);
        let phase = find_code(&[Phase::Out, Phase::Ramping, Phase::Full], Phase::code, fields.text()?)?;
        Ok(RampRow {
            template: parsed(AccessTemplateId::parse, template)?,
            group: parsed(GroupId::parse, group)?,
            ramp: Ramp { phase, taken: fields.number()?, arrived: fields.number()? },
        })
    })?;
    rows.sort_unstable_by(|a, b| (&a.template, &a.group).cmp(&(&b.template, &b.group)));
    Ok(rows)
}

/// Brings the rows from what stands to the end of a batch.
pub(super) async fn move_on(change: &mut Change, batch: &BatchCommit<'_>, end: &State) -> Result<()> {
    if batch.base.is_some() && batch.start.ramps == end.ramps {
        return Ok(());
    }
    let (engine, connection) = change.parts();
    let before = match batch.base {
        Some(_) => batch.start.ramp_rows(batch.frame),
        None => load_ramps(&mut *connection).await?,
    };
    let mut before: BTreeMap<(AccessTemplateId, GroupId), Ramp> =
        before.into_iter().map(|row| ((row.template, row.group), row.ramp)).collect();
    let mut after = end.ramp_rows(batch.frame);
    after.retain(|row| before.remove(&(row.template.clone(), row.group.clone())) != Some(row.ramp));
    after.sort_by(|a, b| (&a.template, &a.group).cmp(&(&b.template, &b.group)));
    let mut gone: Vec<Cell<'_>> = Vec::new();
    for (template, group) in before.keys() {
        gone.extend([Cell::from(template.as_str()), group.as_str().into()]);
    }
    REMOVE.execute(engine, &mut *connection, &gone, &[]).await?;
    let mut cells: Vec<Cell<'_>> = Vec::with_capacity(after.len() * PUT.columns.len());
    for row in &after {
        cells.extend([Cell::from(row.template.as_str()), row.group.as_str().into(), row.ramp.phase.code().into()]);
        cells.extend([count(row.ramp.taken)?, count(row.ramp.arrived)?]);
    }
    PUT.execute(engine, connection, &cells, &[]).await.map(|_| ())
}
