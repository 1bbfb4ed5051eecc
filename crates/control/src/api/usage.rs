//! `/v1/instances/{id}/usage` and `/presence`: what an instance used, and which of its devices are online.
//!
//! Usage is durable rows and what is logged above the watermark read with them; the answer says when a part is missing.
//! Rows are hours of periods; days are their sums in UTC.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::aggregation::{Hour, Traffic};
use domain::ids::InstanceId;
use domain::master_data::Kind;
use domain::time::Micros;
use serde::Deserialize;
use store::{StoreError, UsageRange};
use wire::presence::{DeviceSeen, PRESENCE_DEVICES_MAX, Presence};
use wire::problem::Problem;
use wire::usage::{USAGE_ROWS_MAX, UpDown, Usage, UsageBy, UsageRow};

use super::Shared;
use super::failure::{Answer, Failure};
use super::query::{NoParams, Params, PathId};
use crate::aggregation::VisibleRow;
use crate::clock;

/// Microseconds of an hour and of a day.
const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// The query of usage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// `GET /v1/instances/{id}/usage`
pub async fn usage(State(parts): State<Shared>, PathId(id): PathId, Params(query): Params<UsageQuery>) -> Answer {
    let instance = known(&parts, &id)?;
    let by = match query.by.as_deref() {
        None => UsageBy::default(),
        Some(text) => text.parse().map_err(|said| Failure::bad_request(format!("query: by: {said}")))?,
    };
    let from = query.from.as_deref().map(|text| time("from", text)).transpose()?;
    let to = query.to.as_deref().map(|text| time("to", text)).transpose()?;
    let (range, from, to) = range_of(&parts, &instance, from, to)?;
    let visible = parts.reading.usage(&instance, &range).await.map_err(|error| match error {
        // More rows than one read takes.
        StoreError::Misuse { .. } => too_many("more rows than one answer may have".to_owned()),
        other => other.into(),
    })?;
    let rows = rows_of(&visible.rows, by);
    if rows.len() > USAGE_ROWS_MAX {
        return Err(too_many(format!("{} rows", rows.len())));
    }
    let (durable, pending) = (visible.durable, visible.pending);
    let total = Traffic { up: durable.up + pending.up, down: durable.down + pending.down };
    let body = Usage {
        durable: both(durable),
        pending: both(pending),
        visible: both(total),
        complete: visible.is_complete,
        rows,
        by,
        from,
        to,
    };
    Ok(Json(body).into_response())
}

fn too_many(found: String) -> Failure {
    let detail = format!("{found}; at most are {USAGE_ROWS_MAX}: ask for less at once, or by day or period");
    Problem::bad_request(detail).with("limit", USAGE_ROWS_MAX).into()
}

/// The hours that are asked for; the current period unless something is.
fn range_of(
    parts: &Shared,
    instance: &InstanceId,
    from: Option<Micros>,
    to: Option<Micros>,
) -> Result<(UsageRange, Micros, Option<Micros>), Failure> {
    let period = parts.reading.calendar.period(instance.as_str(), clock::now());
    let end = (period.end.0 != i64::MAX).then_some(period.end);
    if from.is_none() && to.is_none() {
        return Ok((UsageRange::Period(period.start), period.start, end));
    }
    // Hours are the finest rows there are: the first is the one that holds `from`, the last the one before `to`.
    let from = Hour::of(from.unwrap_or(period.start));
    let to = to.map_or(Hour(u32::MAX), |to| Hour::of(Micros(to.0.saturating_add(HOUR_US - 1))));
    if to <= from {
        return Err(Failure::bad_request("query: to lies after from"));
    }
    let end = (to.0 != u32::MAX).then(|| to.start());
    Ok((UsageRange::Hours { from, to }, from.start(), end))
}

fn time(name: &str, text: &str) -> Result<Micros, Failure> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    let said = |_| Failure::bad_request(format!("query: {name}: expected a time as in RFC 3339, found {text:?}"));
    read.map(|time| Micros(time.as_microsecond())).map_err(said)
}

fn rows_of(rows: &[VisibleRow], by: UsageBy) -> Vec<UsageRow> {
    let mut sums: BTreeMap<Micros, Traffic> = BTreeMap::new();
    for row in rows {
        let hour = row.hour.start();
        let start = match by {
            UsageBy::Hour => hour,
            UsageBy::Day => Micros(hour.0.div_euclid(DAY_US) * DAY_US),
            UsageBy::Period => row.period,
        };
        let sum = sums.entry(start).or_default();
        *sum = Traffic { up: sum.up + row.traffic.up, down: sum.down + row.traffic.down };
    }
    sums.into_iter().map(|(start, it)| UsageRow { start, up: it.up, down: it.down }).collect()
}

fn both(traffic: Traffic) -> UpDown {
    UpDown { up: traffic.up, down: traffic.down }
}

fn known(parts: &Shared, id: &str) -> Result<InstanceId, Failure> {
    let unknown = || Failure::from(Problem::no_object(Kind::Instance, id));
    if !parts.view.knows(id) {
        return Err(unknown());
    }
    InstanceId::parse(id).map_err(|_| unknown())
}

/// `GET /v1/instances/{id}/presence`
pub async fn presence(
    State(parts): State<Shared>,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answer {
    let instance = known(&parts, &id)?;
    let online = parts.intake.presences().of(instance.as_str(), clock::now());
    let devices = online.iter().take(PRESENCE_DEVICES_MAX).map(|(device, seen)| DeviceSeen {
        device: device.to_string(),
        reporter: seen.reporter.to_string(),
        last_seen: seen.at,
    });
    let body = Presence { instance: instance.to_string(), online: online.len() as u64, devices: devices.collect() };
    Ok(Json(body).into_response())
}
