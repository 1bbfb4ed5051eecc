//! Measures the hot paths of the store: import, allocation and the load of a view, on a new database.
//!
//! `cargo run --release -p tenure-store --example throughput -- [INSTANCES] [GROUPS] [postgres://… | FILE]`
//! The database named must be empty; without one a temporary SQLite file is used.

mod clock;
#[path = "../../tests/it/fleet.rs"]
mod fleet;

use clock::Stopwatch;
use domain::orchestration::Ask;
use domain::time::Micros;
use store::{InstanceWrite, Intent, Location, Store};

/// The time of the first change.
const NOW: Micros = Micros(1_795_219_200_000_000);

/// Instances in one change of the import.
const CHUNK: usize = 10_000;

/// Decisions in one batch.
const BATCH: usize = 5_000;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "it prints what it measured")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let instances: usize = arguments.next().map_or(200_000, |it| it.parse().expect("a number of instances"));
    let groups: usize = arguments.next().map_or(1_000, |it| it.parse().expect("a number of groups"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let location =
        arguments.next().map_or_else(|| Location::Sqlite(folder.path().join("tenure.db")), |it| Location::parse(&it));
    let store = Store::open(&location, 1).await.expect("a database");
    let report = |what: &str, count: usize, since: Stopwatch| {
        let (seconds, busy) = (since.elapsed_s(), since.busy_s());
        let (rate, each) = (count as f64 / seconds, busy / count as f64 * 1e6);
        println!("{what:<12} {count:>9} in {seconds:>7.3} s = {rate:>9.0}/s, {each:>6.2} µs of processor each");
    };
    let since = Stopwatch::start();
    let objects = fleet::fleet(10, groups / 10);
    fleet::put_all(&store, &objects, NOW).await;
    report("topology", objects.len(), since);

    let all: Vec<InstanceWrite> = (0..instances)
        .map(|n| {
            let product = if n % 4 == 0 { "roaming" } else { "basic" };
            InstanceWrite { instance: fleet::instance(&fleet::instance_id(n), product), is_expired: false }
        })
        .collect();
    for round in ["import", "again"] {
        let since = Stopwatch::start();
        for chunk in all.chunks(CHUNK) {
            let mut change = store.begin(Intent::Instances, "measure", NOW).await.expect("a change");
            change.put_instances(chunk).await.expect("instances");
            change.commit().await.expect("a commit");
        }
        report(round, all.len(), since);
    }

    let mut leader = fleet::Leader::begin(&store, "measure", fleet::LEASE_TTL_US).await;
    let rows = fleet::all_rows(&store).await;
    let (mut deciding, since) = (0.0, Stopwatch::start());
    for part in rows.chunks(BATCH) {
        let asked: Vec<_> = part.iter().map(|row| (row, Ask::Allocate)).collect();
        let start = Stopwatch::start();
        let decided = leader.decide(&asked);
        deciding += start.busy_s();
        leader.commit_decided(&asked, decided, &[]).await.expect("a batch");
    }
    report("allocate", rows.len(), since);
    println!("  of which deciding took {:.2} µs of processor each", deciding / rows.len() as f64 * 1e6);

    for round in ["load", "load again"] {
        let since = Stopwatch::start();
        let loaded = fleet::all_rows(&store).await;
        report(round, loaded.len(), since);
    }
    let since = Stopwatch::start();
    let recount = store.recount().await.expect("a recount");
    report("recount", usize::try_from(recount.owners).expect("a count"), since);
    assert_eq!(recount.differences, []);
    while store.append_audit(1_000).await.expect("the audit log") > 0 {}
    store.close().await;
}
