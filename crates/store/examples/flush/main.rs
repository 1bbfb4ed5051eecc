//! Measures the flush: a generation of all shards into a new database, then another onto the same rows, beside the raw
//! bulk upsert of the same rows with the driver alone.
//!
//! `cargo run --release -p tenure-store --example flush -- [INSTANCES] [postgres://… | FILE]`
//! The database named must be empty; without one a temporary SQLite file is used. The raw upsert sorts its rows, binds
//! native arrays (PostgreSQL) or rows of values (SQLite), and commits as often as the flush does: it does all the work
//! of the engine and none of ours.

#[path = "../throughput/clock.rs"]
mod clock;
mod raw;

use std::collections::BTreeMap;

use clock::Stopwatch;
use domain::aggregation::{GenerationIndex, Hour, ShardIndex, Traffic};
use domain::ids::{InstanceId, ReplicaId};
use domain::time::Micros;
use store::{GenerationParts, LedgerAdd, Location, ShardCommit, Store, UsageAdd};

/// The time of the first flush.
const NOW: Micros = Micros(1_795_219_200_000_000);

/// Rounds: the first inserts, the others add to what is there, one of them in a new hour.
const ROUNDS: [(&str, u32); 4] = [("insert", 0), ("add", 0), ("next hour", 1), ("add again", 1)];

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it prints what it measured")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let instances: usize = arguments.next().map_or(200_000, |it| it.parse().expect("a number of instances"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let location =
        arguments.next().map_or_else(|| Location::Sqlite(folder.path().join("tenure.db")), |it| Location::parse(&it));
    let store = Store::open(&location, 1).await.expect("a database");
    let mut rival = raw::Rival::open(&location, &folder.path().join("raw.db")).await;
    let replica = ReplicaId::parse("here").expect("a name");
    store.open_replica(&replica, NOW).await.expect("a replica");
    for ((round, hours), generation) in ROUNDS.into_iter().zip(1..) {
        let rows = rows(instances, Hour(Hour::of(NOW).0 + hours));
        // Turn about, so that neither always finds the machine warm.
        let mut took = [(0.0, 0.0); 2];
        for turn in [generation % 2, 1 - generation % 2] {
            let since = Stopwatch::start();
            if turn == 0 {
                flush(&store, &replica, generation, &rows).await;
            } else {
                rival.upsert(&rows).await;
            }
            took[usize::from(turn == 1)] = (since.elapsed_s(), since.busy_s());
        }
        let [(ours, our_busy), (raw, raw_busy)] =
            took.map(|(seconds, busy)| (instances as f64 / seconds, busy / instances as f64 * 1e6));
        println!(
            "{round:<10} {ours:>9.0} rows/s flushed, {raw:>9.0} rows/s raw, ratio {:.2}; processor of this process each \
             {our_busy:.2} µs and {raw_busy:.2} µs",
            ours / raw
        );
    }
    let recount = store.recount_counting().await.expect("a recount");
    assert_eq!(recount.differences, []);
    store.close().await;
}

/// The rows of a generation by shard, in key order.
fn rows(instances: usize, hour: Hour) -> BTreeMap<ShardIndex, Vec<UsageAdd>> {
    let mut shards: BTreeMap<ShardIndex, Vec<UsageAdd>> = BTreeMap::new();
    for n in 0..instances {
        let instance = InstanceId::parse(&format!("svc-{n:07}")).expect("an id");
        let traffic = Traffic { up: n as u64 % 1_000, down: n as u64 % 10_007 };
        let add = UsageAdd { instance, period: Micros(0), hour, traffic };
        shards.entry(ShardIndex::of(&add.instance)).or_default().push(add);
    }
    shards
}

async fn flush(store: &Store, replica: &ReplicaId, generation: u64, rows: &BTreeMap<ShardIndex, Vec<UsageAdd>>) {
    let blob = GenerationParts { generation: GenerationIndex(generation), parts: Vec::new() };
    store.put_reporter_blobs(replica, &[blob], NOW).await.expect("a blob");
    for (shard, usage) in rows {
        let traffic = usage.iter().fold(Traffic::ZERO, |sum, it| sum.checked_add(it.traffic).expect("a sum"));
        let received = traffic.bytes().expect("a sum");
        let ledger = LedgerAdd {
            generation: GenerationIndex(generation),
            bucket_from: NOW,
            bucket_to: NOW.plus_seconds(60),
            rows: usage.len() as u64,
            traffic,
            received,
            parked: 0,
            rejected: 0,
            sealed: NOW,
        };
        let commit = ShardCommit {
            replica,
            shard: *shard,
            from: GenerationIndex(generation - 1),
            to: GenerationIndex(generation),
            now: NOW,
            actor: "measure",
            usage,
            parked: &[],
            cumulative: &[],
            ledger: &[ledger],
            received,
            rejected: 0,
        };
        store.commit_shard(commit).await.expect("a flush");
    }
}
