//! The flush beside the raw sorted bulk upsert of the same rows into the same engine.
//!
//! Both write the rows of all shards, one transaction for each, the flush with its watermark and its ledger. Rounds
//! insert rows of a new hour and then add to them; who goes first changes, so neither always finds the machine warm. At
//! the end the store counts everything again.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use domain::aggregation::{GenerationIndex, Hour, ShardIndex, Traffic};
use domain::ids::ReplicaId;
use domain::time::Micros;
use store::{GenerationParts, LedgerAdd, Location, ShardCommit, Store, UsageAdd};

use super::hot::NOW;
use super::raw::Rival;
use crate::database::{Engine, Place};
use crate::fleet::instance_id;
use crate::report::{Goal, Row, median};

/// The least that a raw upsert is reached by.
const OF_RAW_MIN: f64 = 0.9;

/// The least on the embedded engine.
const SQLITE_MIN_PER_S: f64 = 200_000.0;

/// Rows of one generation, by shard, in key order.
pub type Rows = BTreeMap<ShardIndex, Vec<UsageAdd>>;

/// A store of its own, with a replica.
pub struct Flushed {
    pub store: Store,
    pub replica: ReplicaId,
    place: Place,
}

impl Flushed {
    /// Opens one.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub async fn open(engine: Engine, name: &str) -> Result<Self, Box<dyn Error>> {
        let place = Place::new(engine, name).await?;
        let location = place.url().map_or_else(|| Location::Sqlite(place.file("tenure.db")), Location::parse);
        let store = Store::open(&location, 1).await?;
        let replica = ReplicaId::parse("here")?;
        store.open_replica(&replica, NOW).await?;
        Ok(Self { store, replica, place })
    }

    /// Commits all shards from one generation to another.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn commit(&self, from: u64, to: u64, rows: &Rows) -> Result<(), Box<dyn Error>> {
        let parts = |generation| GenerationParts { generation: GenerationIndex(generation), parts: Vec::new() };
        let generations: Vec<GenerationParts> = (from + 1..=to).map(parts).collect();
        self.store.put_reporter_blobs(&self.replica, &generations, NOW).await?;
        for (shard, usage) in rows {
            let traffic = usage.iter().try_fold(Traffic::ZERO, |sum, it| sum.checked_add(it.traffic));
            let traffic = traffic.ok_or("the bytes of a shard have no sum")?;
            let received = traffic.bytes().ok_or("the bytes of a shard have no sum")?;
            let ledger = ledger(from, to, usage.len() as u64, traffic, received);
            let commit = ShardCommit {
                replica: &self.replica,
                shard: *shard,
                from: GenerationIndex(from),
                to: GenerationIndex(to),
                now: NOW,
                actor: "measure",
                usage,
                parked: &[],
                cumulative: &[],
                ledger: &ledger,
                received,
                rejected: 0,
            };
            self.store.commit_shard(commit).await?;
        }
        Ok(())
    }

    /// Counts everything again and ends.
    ///
    /// # Errors
    /// When something differs.
    pub async fn close(self) -> Result<(), Box<dyn Error>> {
        let recount = self.store.recount_counting().await?;
        if let Some(difference) = recount.differences.first() {
            return Err(format!("after the flush the counts differ: {difference:?}").into());
        }
        self.store.close().await;
        Ok(self.place.remove().await?)
    }
}

/// A ledger row for each generation; the sums stand in the last, which is where the rows of this bench come from.
fn ledger(from: u64, to: u64, rows: u64, traffic: Traffic, received: u64) -> Vec<LedgerAdd> {
    let row = |generation: u64| {
        let is_last = generation == to;
        LedgerAdd {
            generation: GenerationIndex(generation),
            bucket_from: NOW,
            bucket_to: NOW.plus_seconds(60),
            rows: if is_last { rows } else { 0 },
            traffic: if is_last { traffic } else { Traffic::ZERO },
            received: if is_last { received } else { 0 },
            parked: 0,
            rejected: 0,
            sealed: NOW,
        }
    };
    (from + 1..=to).map(row).collect()
}

/// Measures one engine at one size.
///
/// # Errors
/// Whatever stood in the way.
pub async fn rows(engine: Engine, size: usize, samples: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    let flushed = Flushed::open(engine, &format!("flush_{size}")).await?;
    let beside = Place::new(engine, &format!("raw_{size}")).await?;
    let mut rival = match beside.url() {
        Some(url) => Rival::on_postgres(url).await?,
        None => Rival::on_sqlite(&beside.file("raw.db")).await?,
    };
    let mut generation = 0;
    // First rows of a new hour, then more for the same rows.
    let (mut ours, mut raw) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..samples.max(2) {
        let rows = usage(size, Hour(Hour::of(NOW).0 + u32::try_from(round)?));
        for kind in 0..2 {
            generation += 1;
            for turn in 0..2 {
                let started = Instant::now();
                if (turn + round) % 2 == 0 {
                    flushed.commit(generation - 1, generation, &rows).await?;
                    ours[kind].push(size as f64 / started.elapsed().as_secs_f64());
                } else {
                    rival.upsert(&rows).await?;
                    raw[kind].push(size as f64 / started.elapsed().as_secs_f64());
                }
            }
        }
    }
    rival.close().await?;
    beside.remove().await?;
    flushed.close().await?;
    let mut rows = Vec::new();
    for (kind, what) in ["new rows", "rows that are there"].into_iter().enumerate() {
        let row = Row::new(format!("flush of {what} · {}", engine.name()), size, median(&ours[kind]), "rows/s");
        let row = row.against("raw sorted bulk upsert, same transactions", median(&raw[kind]));
        rows.push(match engine {
            Engine::Postgres => row.goal(Goal::RatioAtLeast(OF_RAW_MIN)),
            Engine::Sqlite => row.goal(Goal::ValueAtLeast(SQLITE_MIN_PER_S)),
        });
    }
    Ok(rows)
}

fn usage(size: usize, hour: Hour) -> Rows {
    let mut shards = Rows::new();
    for number in 0..size {
        let traffic = Traffic { up: number as u64 % 1_000 + 1, down: number as u64 % 10_007 };
        let add = UsageAdd { instance: instance_id(number), period: Micros(0), hour, traffic };
        shards.entry(ShardIndex::of(&add.instance)).or_default().push(add);
    }
    shards
}
