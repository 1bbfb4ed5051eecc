//! Reports over HTTP until they are acknowledged, which is after the fsync, beside the same reports to Redis.
//!
//! The real server, filled with instances that have owners; the load comes from another process. Ours and Redis run in
//! turn, so a machine that slows down slows both. Every answer is a success or the bench fails.

use std::error::Error;

use super::load::{ReportLoad, Target};
use super::redis::{Fsync, Redis};
use crate::database::{Engine, Place};
use crate::fleet::Shape;
use crate::generator::Found;
use crate::report::{Goal, Row, median};
use crate::server::Server;
use crate::whole;

/// A thousand nodes; the load speaks for the first of them.
const SHAPE: Shape = Shape { groups: 50, nodes_per_group: 20 };

/// Entries of a report: a small node's minute and a large one's.
const ENTRIES: [usize; 2] = [100, 1_000];

/// Connections of the load, and so reporters: an fsync is shared by as many as wait for it.
const CONNECTIONS: usize = 64;

/// How long one round of load runs.
const ROUND_MS: u64 = 3_000;

/// How long one runs in a quick bench.
const QUICK_ROUND_MS: u64 = 1_000;

/// The id of the node that a connection speaks for.
pub fn reporter(at: usize) -> String {
    let each = SHAPE.nodes_per_group as usize;
    format!("n{:04}-{:02}", at / each, at % each)
}

/// Whom the load is put on.
struct Sides {
    ours: ReportLoad,
    redis: Option<Redis>,
}

/// Rounds of one kind of load.
type Rounds = Vec<Found>;

impl Sides {
    /// One round on us.
    async fn on_us(&mut self, target: Target) -> Result<Found, Box<dyn Error>> {
        self.ours.incarnation += 1;
        ReportLoad { target, ..self.ours.clone() }.run_apart().await
    }

    /// One round on Redis, if there is one.
    async fn on_redis(&mut self, fsync: Fsync) -> Result<Option<Found>, Box<dyn Error>> {
        let Some(redis) = &self.redis else { return Ok(None) };
        redis.set(fsync).await?;
        self.ours.incarnation += 1;
        let (address, secret) = (redis.address, redis.script.clone());
        let load = ReportLoad { target: Target::Redis, address, secret, ..self.ours.clone() };
        Ok(Some(load.run_apart().await?))
    }
}

/// Measures one size.
///
/// # Errors
/// Whatever stood in the way, a report that was refused among it.
pub async fn rows(size: usize, samples: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    let place = Place::new(Engine::Sqlite, &format!("counting_{size}")).await?;
    let server = Server::start(&place.data(), place.url())?;
    let mut connection = server.connect().await?;
    whole::apply(&mut connection, SHAPE).await?;
    whole::import(&mut connection, size).await?;
    let mut sides = Sides {
        ours: ReportLoad {
            target: Target::Protobuf,
            address: server.address(),
            secret: place.data().join("admin.token").display().to_string(),
            entries: ENTRIES[0],
            instances: size,
            connections: CONNECTIONS,
            incarnation: 0,
            milliseconds: if samples > 1 { ROUND_MS } else { QUICK_ROUND_MS },
        },
        redis: Redis::find().await?,
    };
    let mut rows = Vec::new();
    for entries in ENTRIES {
        sides.ours.entries = entries;
        rows.extend(of_entries(&mut sides, size, samples).await?);
    }
    let balance = connection.ask("GET", "/v1/conservation", "", &[]).await?;
    let balance: serde_json::Value = serde_json::from_slice(&balance)?;
    if balance["balanced"] != true {
        return Err("the counts do not balance after the load".into());
    }
    server.stop()?;
    place.remove().await?;
    Ok(rows)
}

async fn of_entries(sides: &mut Sides, size: usize, samples: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    let (mut protobuf, mut json): (Rounds, Rounds) = Default::default();
    let (mut always, mut every_second): (Rounds, Rounds) = Default::default();
    // Unmeasured: names, caches and the files of both warm up.
    sides.on_us(Target::Protobuf).await?;
    sides.on_redis(Fsync::Always).await?;
    for round in 0..samples {
        if round % 2 == 0 {
            protobuf.push(sides.on_us(Target::Protobuf).await?);
        }
        always.extend(sides.on_redis(Fsync::Always).await?);
        if round % 2 == 1 {
            protobuf.push(sides.on_us(Target::Protobuf).await?);
        }
        json.push(sides.on_us(Target::Json).await?);
        every_second.extend(sides.on_redis(Fsync::EverySecond).await?);
    }
    let entries = sides.ours.entries;
    let name = |what: &str, how: &str| format!("{what} · {how} · reports of {entries}");
    let rate = |found: &Rounds| entries as f64 * of(found, |it| it.per_s);
    let mut rows = Vec::new();
    for (how, ours, goal) in [("protobuf", &protobuf, Some(Goal::RatioAtLeast(5.0))), ("JSON", &json, None)] {
        let mut row = Row::new(name("durable intake", how), size, rate(ours), "entries/s");
        if !always.is_empty() {
            row = row.against("Redis script, appendfsync always", rate(&always));
            row = goal.map_or(row.clone(), |goal| row.goal(goal));
        }
        rows.push(row);
        if how == "protobuf" && !every_second.is_empty() {
            let row = Row::new(name("durable intake", how), size, rate(ours), "entries/s");
            rows.push(row.against("Redis script, appendfsync everysec", rate(&every_second)));
        }
        for (what, figure) in [("p50", (|it| it.p50_us) as fn(&Found) -> f64), ("p99", |it| it.p99_us)] {
            let title = name(&format!("acknowledgement with fsync {what}"), how);
            let row = Row::new(title, size, of(ours, figure) / 1_000.0, "ms");
            rows.push(match always.is_empty() {
                true => row,
                false => {
                    row.against("Redis script, appendfsync always, 8 in a pipeline", of(&always, figure) / 1_000.0)
                }
            });
        }
    }
    Ok(rows)
}

fn of(rounds: &Rounds, figure: fn(&Found) -> f64) -> f64 {
    median(&rounds.iter().map(figure).collect::<Vec<_>>())
}
