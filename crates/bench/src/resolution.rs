//! The bench `resolution`: the read path of a million instances on ten thousand nodes, twenty nodes to a group.
//!
//! The real server is filled, timed at its cold start and weighed. Then its own parts run inside this process, so that
//! one process serves the resolution, the constant and the joins from one runtime; the load comes from another
//! process. Ours and the constant are measured in turn, so a machine that slows down slows both.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use control::settings::Settings;
use control::view::View;
use control::wiring::{self, Running};
use domain::resolution::resolve;
use hdrhistogram::Histogram;
use wire::resolution::render;

use crate::beside;
use crate::by_hand::join::Joined;
use crate::database::{Engine, Place};
use crate::fleet::{Shape, instance_text};
use crate::generator::{Found, Load};
use crate::report::{Extent, Goal, Row, median};
use crate::server::{Server, own_processor_time};
use crate::whole;

/// Ten thousand nodes.
const SHAPE: Shape = Shape { groups: 500, nodes_per_group: 20 };

/// The modes, by what is left of an instance's number divided by two.
const MODES: [&str; 2] = ["shard", "regional"];

/// Connections of the load: enough that the server never waits for the network.
const CONNECTIONS: usize = 16;

/// How long one round of load runs.
const ROUND_MS: u64 = 3_000;

/// How long one runs in a quick bench.
const QUICK_ROUND_MS: u64 = 1_000;

/// Resolutions in memory that are timed one by one.
const IN_MEMORY: usize = 200_000;

/// Where memory and cold start are judged: below, what a server has anyway hides what an instance adds.
const JUDGED_SIZE: usize = 1_000_000;

/// Measures every size of the extent.
///
/// # Errors
/// Whatever stood in the way.
pub async fn run(extent: &Extent) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let largest = extent.sizes.iter().max().copied().unwrap_or_default();
    let round_ms = if extent.samples > 1 { ROUND_MS } else { QUICK_ROUND_MS };
    for &size in &extent.sizes {
        eprintln!("tenure-bench: resolution of {size} instances");
        let place = Place::new(Engine::Sqlite, &format!("resolution_{size}")).await?;
        rows.extend(start_rows(Engine::Sqlite, &place, size).await?);
        if size == largest && Engine::available().contains(&Engine::Postgres) {
            let on_postgres = Place::new(Engine::Postgres, &format!("cold_{size}")).await?;
            rows.extend(start_rows(Engine::Postgres, &on_postgres, size).await?);
            on_postgres.remove().await?;
        }
        let running = wiring::start(settings(&place.data())).await?;
        rows.extend(in_memory_rows(&running.parts().view, size)?);
        rows.extend(http_rows(&running, &place, size, extent.samples, round_ms).await?);
        running.shutdown().await;
        place.remove().await?;
    }
    Ok(rows)
}

fn settings(data: &Path) -> Settings {
    Settings { listen: ([127, 0, 0, 1], 0).into(), ..Settings::new(data.to_owned()) }
}

/// Fills a server, then starts it anew: how long until it is ready, and what an instance takes of its memory.
async fn start_rows(engine: Engine, place: &Place, size: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    let first = Server::start(&place.data(), place.url())?;
    whole::apply(&mut first.connect().await?, SHAPE).await?;
    first.stop()?;
    let empty = Server::start(&place.data(), place.url())?;
    let before = empty.resident_bytes()?;
    whole::import(&mut empty.connect().await?, size).await?;
    empty.stop()?;
    let full = Server::start(&place.data(), place.url())?;
    let (seconds, after) = (full.ready_after().as_secs_f64(), full.resident_bytes()?);
    full.stop()?;
    let name = engine.name();
    let each = after.saturating_sub(before) as f64 / size as f64;
    let mut start = Row::new(format!("cold start · {name}"), size, seconds, "s");
    let mut memory = Row::new(format!("resident memory of an instance · {name}"), size, each, "B/instance");
    if size >= JUDGED_SIZE {
        start = start.goal(Goal::ValueAtMost(5.0));
        memory = memory.goal(Goal::ValueAtMost(250.0));
    }
    Ok(vec![start, memory])
}

/// Finds, resolves and renders, one after another, all over the fleet.
fn in_memory_rows(view: &View, size: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (parity, mode) in MODES.iter().enumerate() {
        let ids: Vec<String> = (0..IN_MEMORY).map(|at| instance_text(scattered(at, size, parity))).collect();
        let mut times = Histogram::<u64>::new(3)?;
        let mut body = Vec::with_capacity(8 * 1024);
        for id in &ids {
            let started = Instant::now();
            resolve_one(view, id, &mut body)?;
            times.record(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))?;
        }
        let us = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
        rows.push(Row::new(format!("resolution in memory p50 · {mode}"), size, us(0.5), "us"));
        let p99 = Row::new(format!("resolution in memory p99 · {mode}"), size, us(0.99), "us");
        rows.push(p99.goal(Goal::ValueAtMost(20.0)));
    }
    Ok(rows)
}

/// A number of the wanted parity, far from the one before.
fn scattered(at: usize, size: usize, parity: usize) -> usize {
    at.wrapping_mul(2_654_435_761) % (size / 2) * 2 + parity
}

fn resolve_one(view: &View, id: &str, body: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let found = view.find(id).ok_or_else(|| format!("{id} is not in the view"))?;
    let (subject, topology) = (found.subject(), view.topology());
    let resolved = resolve(&topology.topology, &subject, None).ok_or("a product of the fleet is gone")?;
    body.clear();
    render(&resolved, &subject, &topology.topology, &topology.fragments, body);
    if resolved.nodes.len() != SHAPE.nodes_per_group as usize {
        return Err(format!("{id} is delivered {} nodes", resolved.nodes.len()).into());
    }
    Ok(())
}

/// Over HTTP: ours, the constant and the joins.
async fn http_rows(
    running: &Running,
    place: &Place,
    size: usize,
    rounds: usize,
    round_ms: u64,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    resolve_one(&running.parts().view, &instance_text(0), &mut bytes)?;
    let mut joins = vec![("SQLite", Joined::on_sqlite(&place.file("join.db"), SHAPE, size).await?)];
    let mut joined_place = None;
    if Engine::available().contains(&Engine::Postgres) {
        let place = Place::new(Engine::Postgres, &format!("join_{size}")).await?;
        joins.push(("PostgreSQL", Joined::on_postgres(place.url().unwrap_or_default(), SHAPE, size).await?));
        joined_place = Some(place);
    }
    let beside = beside::serve(bytes, joins.iter().map(|(_, joined)| joined.clone()).collect()).await?;
    let load = |address, before: &str, after: &str, parity| Load {
        address,
        token_file: place.data().join("admin.token"),
        before: before.to_owned(),
        after: after.to_owned(),
        instances: size,
        parity,
        connections: CONNECTIONS,
        milliseconds: round_ms,
    };
    let mut rows = Vec::new();
    for (parity, mode) in MODES.iter().enumerate() {
        let ours = load(running.address(), "/v1/instances/", "/resolution", parity);
        let constant = load(beside, beside::CONSTANT, "", parity);
        let (ours, constant) = in_turn(&ours, &constant, rounds).await?;
        rows.extend(against_constant(mode, size, &ours, &constant));
        for (at, (engine, _)) in joins.iter().enumerate() {
            let join = Timed::run(&load(beside, &beside::join_path(at), "", parity)).await?;
            rows.push(against_join(mode, engine, size, &ours, &join));
        }
    }
    for (_, joined) in joins {
        joined.close().await;
    }
    if let Some(place) = joined_place {
        place.remove().await?;
    }
    Ok(rows)
}

/// A round of load, with the processor time that this process spent on a request.
struct Timed {
    found: Found,
    processor_us: f64,
}

impl Timed {
    async fn run(load: &Load) -> Result<Self, Box<dyn Error>> {
        let before = own_processor_time()?;
        let found = load.run_apart().await?;
        let spent = own_processor_time()?.saturating_sub(before).as_secs_f64();
        if found.failed > 0 {
            return Err(format!("{} answers of {} were no 200", found.failed, load.before).into());
        }
        let requests = found.per_s * load.milliseconds as f64 / 1_000.0;
        Ok(Self { processor_us: spent * 1e6 / requests.max(1.0), found })
    }
}

/// Two loads in alternating rounds; who goes first changes with every round.
async fn in_turn(ours: &Load, theirs: &Load, rounds: usize) -> Result<(Vec<Timed>, Vec<Timed>), Box<dyn Error>> {
    let (mut our_rounds, mut their_rounds) = (Vec::new(), Vec::new());
    // Unmeasured: connections, caches and the allocator warm up.
    Timed::run(&Load { milliseconds: QUICK_ROUND_MS / 2, ..ours.clone() }).await?;
    for round in 0..rounds {
        if round % 2 == 0 {
            our_rounds.push(Timed::run(ours).await?);
        }
        their_rounds.push(Timed::run(theirs).await?);
        if round % 2 == 1 {
            our_rounds.push(Timed::run(ours).await?);
        }
    }
    Ok((our_rounds, their_rounds))
}

fn of(rounds: &[Timed], figure: fn(&Timed) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}

fn against_constant(mode: &str, size: usize, ours: &[Timed], constant: &[Timed]) -> Vec<Row> {
    let row = |what: &str, figure: fn(&Timed) -> f64, unit| {
        let beside = format!("a constant of the same {:.0} bytes", of(constant, |it| it.found.body_bytes));
        Row::new(format!("{what} · {mode}"), size, of(ours, figure), unit).against(beside, of(constant, figure))
    };
    vec![
        row("resolution over HTTP", |it| it.found.per_s, "requests/s").goal(Goal::RatioAtLeast(0.8)),
        row("resolution over HTTP p99", |it| it.found.p99_us, "us"),
        row("processor time of the server for a request", |it| it.processor_us, "us"),
    ]
}

fn against_join(mode: &str, engine: &str, size: usize, ours: &[Timed], join: &Timed) -> Row {
    Row::new(format!("resolution over HTTP · {mode}"), size, of(ours, |it| it.found.per_s), "requests/s")
        .against(format!("the join by hand on {engine}, same server"), join.found.per_s)
        .goal(Goal::RatioAtLeast(20.0))
}
