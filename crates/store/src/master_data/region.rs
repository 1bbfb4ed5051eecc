//! The rows of regions and resource groups.
//!
//! Both tables have one shape of statements: a range to read, a bulk to write. Weights and states stand in columns;
//! what a group can do now is worked out in `domain`, never stored.

use domain::ids::{GroupId, Jurisdiction, RegionId};
use domain::master_data::{GroupState, Region, ResourceGroup};
use domain::orchestration::Stamped;
use sqlx::AnyConnection;

use super::rows::{IdRange, find_code, from_json, json, stamp, switch_of, switch_text};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{maybe_text, number, parsed, text};
use crate::error::Result;

const REGIONS: &str = "SELECT r.region_id, r.name, r.jurisdiction, r.state, r.labels, r.change_id, c.revision
FROM region r
LEFT JOIN change c ON c.change_id = r.change_id
WHERE r.region_id >= $1 AND r.region_id <= $2
ORDER BY r.region_id
LIMIT $3";

const PUT_REGIONS: Bulk = Bulk {
    during: "writing regions",
    sql: "WITH source (region_id, name, jurisdiction, state, labels) AS ({source})
INSERT INTO region (region_id, name, jurisdiction, state, labels, change_id)
SELECT region_id, name, jurisdiction, state, labels, $1
FROM source
WHERE true
ON CONFLICT (region_id) DO UPDATE
SET name = excluded.name, jurisdiction = excluded.jurisdiction, state = excluded.state, labels = excluded.labels,
  change_id = excluded.change_id",
    columns: &[ColumnType::Text; 5],
};

const GROUPS: &str = "SELECT g.group_id, g.region_id, g.weight, g.state, g.labels, g.change_id, c.revision
FROM resource_group g
LEFT JOIN change c ON c.change_id = g.change_id
WHERE g.group_id >= $1 AND g.group_id <= $2
ORDER BY g.group_id
LIMIT $3";

const PUT_GROUPS: Bulk = Bulk {
    during: "writing groups",
    sql: "WITH source (group_id, region_id, weight, state, labels) AS ({source})
INSERT INTO resource_group (group_id, region_id, weight, state, labels, change_id)
SELECT group_id, region_id, weight, state, labels, $1
FROM source
WHERE true
ON CONFLICT (group_id) DO UPDATE
SET region_id = excluded.region_id, weight = excluded.weight, state = excluded.state, labels = excluded.labels,
  change_id = excluded.change_id",
    columns: &[ColumnType::Text, ColumnType::Text, ColumnType::Integer, ColumnType::Text, ColumnType::Text],
};

/// The word for a region that does not take part.
const CLOSED: &str = "closed";

pub(super) async fn load_regions(connection: &mut AnyConnection, range: &IdRange) -> Result<Vec<Stamped<Region>>> {
    let rows = range.rows(connection, "reading regions", REGIONS).await?;
    rows.iter()
        .map(|row| {
            let (change, revision) = stamp(row)?;
            let object = Region {
                id: parsed(RegionId::parse, text(row, 0)?)?,
                name: text(row, 1)?.to_owned(),
                jurisdiction: maybe_text(row, 2)?.map(|it| parsed(Jurisdiction::parse, it)).transpose()?,
                state: switch_of(text(row, 3)?, CLOSED)?,
                labels: from_json(row, 4)?,
            };
            Ok(Stamped { object, revision, change })
        })
        .collect()
}

pub(super) async fn write_regions(
    engine: Engine,
    connection: &mut AnyConnection,
    regions: &[&Region],
    change_id: i64,
) -> Result<()> {
    let labels: Vec<String> = regions.iter().map(|it| json(&it.labels)).collect();
    let cells: Vec<Cell<'_>> = regions
        .iter()
        .zip(&labels)
        .flat_map(|(it, labels)| {
            let jurisdiction = it.jurisdiction.as_ref().map(Jurisdiction::as_str);
            let (id, state) = (it.id.as_str(), switch_text(it.state, CLOSED));
            [id.into(), it.name.as_str().into(), jurisdiction.into(), state.into(), labels.as_str().into()]
        })
        .collect();
    PUT_REGIONS.execute(engine, connection, &cells, &[change_id.into()]).await.map(|_| ())
}

pub(super) async fn load_groups(
    connection: &mut AnyConnection,
    range: &IdRange,
) -> Result<Vec<Stamped<ResourceGroup>>> {
    let rows = range.rows(connection, "reading groups", GROUPS).await?;
    rows.iter()
        .map(|row| {
            let (change, revision) = stamp(row)?;
            let states = [GroupState::Active, GroupState::Draining, GroupState::Closed];
            let object = ResourceGroup {
                id: parsed(GroupId::parse, text(row, 0)?)?,
                region: parsed(RegionId::parse, text(row, 1)?)?,
                weight: number(row, 2)?,
                state: find_code(&states, GroupState::code, text(row, 3)?)?,
                labels: from_json(row, 4)?,
            };
            Ok(Stamped { object, revision, change })
        })
        .collect()
}

pub(super) async fn write_groups(
    engine: Engine,
    connection: &mut AnyConnection,
    groups: &[&ResourceGroup],
    change_id: i64,
) -> Result<()> {
    let labels: Vec<String> = groups.iter().map(|it| json(&it.labels)).collect();
    let cells: Vec<Cell<'_>> = groups
        .iter()
        .zip(&labels)
        .flat_map(|(it, labels)| {
            let (id, region) = (it.id.as_str(), it.region.as_str());
            [id.into(), region.into(), it.weight.into(), it.state.code().into(), labels.as_str().into()]
        })
        .collect();
    PUT_GROUPS.execute(engine, connection, &cells, &[change_id.into()]).await.map(|_| ())
}
