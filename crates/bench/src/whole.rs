//! The whole of ownership, end to end: the real server over HTTP, with every commit on disk.
//!
//! Owners per second run from the first byte of the import to its answer, by which each instance has its owner. Then,
//! on the same loaded server: the blast radius of a change, explanations, and the doctor's recount. Beside it stands
//! what a user would write by hand on the same engine, and what the engine and the disk give at most.

use std::error::Error;
use std::time::{Duration, Instant};

use domain::master_data::GroupState;
use serde_json::Value;

use crate::by_hand::owners::{self, Rates};
use crate::database::{Engine, Place};
use crate::fleet::{self, Shape, instance_text};
use crate::http::Connection;
use crate::report::{Goal, Row};
use crate::rivals::{GROUPS, JOINING};
use crate::server::Server;

/// Nodes of a group: enough that one may fail.
const NODES_PER_GROUP: u32 = 2;

/// Instances that are allocated by hand, one transaction each: some seconds' worth.
const BY_HAND_EACH: usize = 3_000;

/// Explanations that are timed: enough for a p99.
const EXPLANATIONS: usize = 1_000;

/// What a topology plan may take at a million instances.
const BLAST_MAX_S: f64 = 3.0;

/// What an explanation may take.
const EXPLANATION_P99_MAX_MS: f64 = 5.0;

/// Owners per second that are promised.
fn goal(engine: Engine) -> Goal {
    match engine {
        Engine::Sqlite => Goal::ValueAtLeast(60_000.0),
        Engine::Postgres => Goal::ValueAtLeast(30_000.0),
    }
}

/// Measures one engine at one size. Goals are judged where `is_judged`: at the largest size of a run.
///
/// # Errors
/// Whatever stood in the way.
pub async fn measure(engine: Engine, size: usize, is_judged: bool) -> Result<Vec<Row>, Box<dyn Error>> {
    let place = Place::new(engine, &format!("owners_{size}")).await?;
    let server = Server::start(&place.data(), place.url())?;
    let mut connection = server.connect().await?;
    apply(&mut connection, Shape { groups: GROUPS, nodes_per_group: NODES_PER_GROUP }).await?;
    let seconds = import(&mut connection, size).await?;
    let rates = by_hand(engine, &place, size).await?;
    let engine_name = engine.name();
    let mut owners =
        Row::new(format!("owners, durable, over HTTP · {engine_name}"), size, size as f64 / seconds, "owners/s")
            .against("raw bulk insert of the rows", rates.raw);
    if is_judged {
        owners = owners.goal(goal(engine));
    }
    let mut rows = vec![
        owners,
        Row::new(format!("owners by hand, a transaction each · {engine_name}"), size, rates.each, "owners/s")
            .against("raw bulk insert of the rows", rates.raw),
    ];
    if engine == Engine::Sqlite {
        let flushes = owners::flushes_per_s(place.data().parent().unwrap_or(&place.data()))?;
        rows.push(Row::new("commits that the disk takes", size, flushes, "commits/s"));
    }
    for (name, groups) in [("ten groups close", 0..JOINING), ("a tenth of the groups closes", 0..GROUPS / 10)] {
        let seconds = blast(&mut connection, groups).await?;
        let row = Row::new(format!("blast radius over HTTP, {name} · {engine_name}"), size, seconds, "s");
        rows.push(row.goal(Goal::ValueAtMost(BLAST_MAX_S)));
    }
    for (name, query) in [("explanation", ""), ("explanation --verify", "?verify=true")] {
        let (p50, p99) = explain(&mut connection, size, query).await?;
        rows.push(Row::new(format!("{name} p50 · {engine_name}"), size, p50, "ms"));
        let p99 = Row::new(format!("{name} p99 · {engine_name}"), size, p99, "ms");
        rows.push(p99.goal(Goal::ValueAtMost(EXPLANATION_P99_MAX_MS)));
    }
    let failed = failed_checks(&mut connection).await?;
    rows.push(
        Row::new(format!("doctor: checks that fail, recount among them · {engine_name}"), size, failed, "checks")
            .goal(Goal::ValueAtMost(0.0)),
    );
    drop(connection);
    server.stop()?;
    place.remove().await?;
    Ok(rows)
}

/// Applies a fleet.
///
/// # Errors
/// When the server refuses it.
pub async fn apply(connection: &mut Connection, shape: Shape) -> Result<(), Box<dyn Error>> {
    let manifests = fleet::manifests(&shape.objects());
    connection.ask("POST", "/v1/apply", "application/json", manifests.as_bytes()).await?;
    Ok(())
}

/// Imports instances and waits until each is owned; seconds from the first byte to the answer.
///
/// # Errors
/// When a row was refused, or an instance is pending.
pub async fn import(connection: &mut Connection, size: usize) -> Result<f64, Box<dyn Error>> {
    let rows = fleet::ndjson(size);
    let started = Instant::now();
    let answer = connection.ask("POST", "/v1/instances/import?wait=true", "application/x-ndjson", &rows).await?;
    let seconds = started.elapsed().as_secs_f64();
    let answer: Value = serde_json::from_slice(&answer)?;
    if answer["accepted"] != size || answer["pending"] != 0 {
        return Err(format!("the import of {size} instances was answered with {answer}").into());
    }
    Ok(seconds)
}

async fn by_hand(engine: Engine, place: &Place, size: usize) -> Result<Rates, Box<dyn Error>> {
    let each = BY_HAND_EACH.min(size);
    match place.url() {
        None => Ok(owners::on_sqlite(&place.file("by-hand.db"), each, size).await?),
        Some(_) => {
            let beside = Place::new(engine, &format!("by_hand_{size}")).await?;
            let rates = owners::on_postgres(beside.url().unwrap_or_default(), each, size).await?;
            beside.remove().await?;
            Ok(rates)
        }
    }
}

/// Previews that groups close; seconds until the plan is there, exact over every instance.
async fn blast(connection: &mut Connection, groups: std::ops::Range<u32>) -> Result<f64, Box<dyn Error>> {
    let closed: Vec<_> = groups.map(|number| fleet::group(number, GroupState::Closed)).collect();
    let body = format!("{{\"kind\":\"topology\",\"manifests\":{}}}", fleet::manifests(&closed));
    let started = Instant::now();
    let plan = connection.ask("POST", "/v1/plans", "application/json", body.as_bytes()).await?;
    let seconds = started.elapsed().as_secs_f64();
    let plan: Value = serde_json::from_slice(&plan)?;
    if plan["ownership_changed"].as_u64().unwrap_or(0) == 0 {
        return Err(format!("a plan that closes groups changes owners, not {plan}").into());
    }
    Ok(seconds)
}

/// Milliseconds of explanations, one after another: p50 and p99.
async fn explain(connection: &mut Connection, size: usize, query: &str) -> Result<(f64, f64), Box<dyn Error>> {
    let mut times = hdrhistogram::Histogram::<u64>::new(3)?;
    for at in 0..EXPLANATIONS {
        // A stride through the fleet, so that old and new batches are asked for.
        let number = at * 7_919 % size;
        let path = format!("/v1/instances/{}/explanation{query}", instance_text(number));
        let started = Instant::now();
        connection.ask("GET", &path, "", &[]).await?;
        times.record(micros(started.elapsed()))?;
    }
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok((ms(0.5), ms(0.99)))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// How many checks of the doctor fail.
async fn failed_checks(connection: &mut Connection) -> Result<f64, Box<dyn Error>> {
    let doctor: Value = serde_json::from_slice(&connection.ask("GET", "/v1/doctor", "", &[]).await?)?;
    let failed: Vec<&Value> =
        doctor["checks"].as_array().into_iter().flatten().filter(|check| check["ok"] != true).collect();
    for check in &failed {
        eprintln!("tenure-bench: the doctor says {check}");
    }
    Ok(failed.len() as f64)
}
