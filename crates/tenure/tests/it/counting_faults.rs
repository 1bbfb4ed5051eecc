//! The fault run of counting: the real program, killed, cut off, slowed down and robbed of its disk while nodes report.
//!
//! After each fault every report is repeated until it is acknowledged; then each byte is visible exactly once, every
//! line of the conservation balances, counting again finds the same, and the doctor is content (I10 to I14).
//! `TENURE_FAULT_ROUNDS` makes more rounds, `TENURE_FAULT_SEED` other moments.

mod oracle;
mod proxy;
mod reporter;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use wire::report::{Encoding, ReportKind};

use crate::fleet;
use crate::postgres::Database;

use proxy::{Proxy, Wire};
use reporter::{Reporter, Tally};
use world::{World, copy_folder};

/// A dozen faults in well under a minute for each engine; a long run passes all of them again and again.
const ROUNDS: u64 = 12;

/// Few enough that each round touches each, enough that most shards have some.
const INSTANCES: usize = 40;

/// How long nodes report before the fault, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 200..1_200;

/// How long an armed fault is waited for.
const ARMED_MAX: Duration = Duration::from_millis(2_500);

/// Places of the protocol and what happens there. A kill is a crash in that window, an error a reply that was lost.
const PLACES: &[(&str, &str)] = &[
    ("before-log-fsync", "kill"),
    ("before-log-fsync", "error"),
    ("after-log-fsync", "kill"),
    ("after-log-fsync", "error"),
    ("after-cut", "kill"),
    ("after-cut", "error"),
    ("after-blob", "kill"),
    ("after-blob", "error"),
    ("before-shard-commit", "kill"),
    ("before-shard-commit", "error"),
    ("before-shard-commit", "delay-900"),
    ("after-shard-commit", "kill"),
    ("after-shard-commit", "error"),
    ("between-shards", "kill"),
    ("between-shards", "error"),
    ("before-cleanup", "kill"),
    ("after-store-cleanup", "kill"),
    ("after-store-cleanup", "error"),
    ("after-log-cleanup", "kill"),
];

/// Passages of a place before it happens.
const PASSAGES_MAX: u64 = 9;

/// What goes wrong in a round.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    KilledAtBirth,
    Stopped,
    At(&'static str, &'static str),
    DiskLost,
    DiskLostInFlush,
    DiskPutBack,
    /// The embedded database is put back from a copy: its last commits are lost, the log has them.
    DatabasePutBack,
    DatabaseCut,
    RepliesLost,
    CommitsDelayed,
    /// The server hangs, its disk is cloned, another takes its place, and the first wakes up.
    FormerLife,
}

impl Fault {
    fn all(is_sqlite: bool) -> Vec<Self> {
        let anywhere = [Self::Killed, Self::KilledAtBirth, Self::Stopped, Self::DiskLost, Self::DiskLostInFlush];
        let mut all: Vec<Self> = anywhere.into_iter().chain([Self::DiskPutBack]).collect();
        if is_sqlite {
            all.push(Self::DatabasePutBack);
        } else {
            all.extend([Self::DatabaseCut, Self::RepliesLost, Self::CommitsDelayed, Self::FormerLife]);
        }
        all.extend(PLACES.iter().map(|(place, act)| Self::At(place, act)));
        all
    }

    fn name(self) -> String {
        match self {
            Self::At(place, act) => format!("{place}:{act}"),
            other => format!("{other:?}"),
        }
    }
}

#[test]
fn every_acknowledged_byte_counts_once_on_sqlite() {
    run("SQLite", World::new(None));
}

#[test]
fn every_acknowledged_byte_counts_once_on_postgres() {
    let Some(database) = Database::new() else { return };
    run("PostgreSQL", World::new(Some(Proxy::to(&database.url()))));
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// Faults by name: how often, and how often an armed place was reached.
type Done = BTreeMap<String, (u64, u64)>;

fn run(engine: &str, mut world: World) {
    let seed = number("TENURE_FAULT_SEED", 1);
    let rounds = number("TENURE_FAULT_ROUNDS", ROUNDS);
    let (started, mut random) = (Instant::now(), StdRng::seed_from_u64(seed));
    fleet::put(&world.ground, world.server(), INSTANCES);
    let runtime = crate::caller::runtime();
    let mut reporters = reporters(seed);
    let (mut done, mut order) = (Done::new(), Vec::new());
    for round in 0..rounds {
        let fault = order.pop().unwrap_or_else(|| {
            order = Fault::all(world.is_sqlite());
            order.shuffle(&mut random);
            order.pop().expect("there are faults")
        });
        eprintln!("{engine}, TENURE_FAULT_SEED={seed}, round {round}: {}", fault.name());
        // An instance that exists only when the round is over: its bytes wait.
        let late = format!("later-{round}");
        let known = (0..INSTANCES).map(|at| format!("svc-{at}"));
        let instances: Arc<Vec<String>> = Arc::new(known.chain([late.clone()]).collect());
        world.place.is_over.store(false, Ordering::Release);
        let living: Vec<_> = reporters
            .into_iter()
            .map(|it| runtime.spawn(it.live(Arc::clone(&world.place), Arc::clone(&instances))))
            .collect();
        std::thread::sleep(Duration::from_millis(random.random_range(LIFE_MS)));
        let was_reached = happen(&mut world, fault, &mut random);
        std::thread::sleep(Duration::from_millis(100));
        world.place.is_over.store(true, Ordering::Release);
        reporters = living.into_iter().map(|it| runtime.block_on(it).unwrap()).collect();
        world.place.is_disk_lost.store(false, Ordering::Release);
        let (status, body) = runtime.block_on(world.caller().put(&late)).unwrap();
        assert!(matches!(status, 200..300), "{status}: {body}");
        oracle::check(&world, &reporters);
        if random.random_range(0..3) == 0 {
            oracle::committed(&world);
            reporters.iter_mut().step_by(2).for_each(Reporter::restart);
        }
        let entry = done.entry(fault.name()).or_default();
        *entry = (entry.0 + 1, entry.1 + u64::from(was_reached));
    }
    summary(engine, &done, &reporters, started.elapsed());
}

fn reporters(seed: u64) -> Vec<Reporter> {
    use {Encoding::*, ReportKind::*};
    let kinds = [
        ("eu-a-1", Delta, Json),
        ("eu-a-2", Delta, Protobuf),
        ("eu-b-1", Cumulative, Json),
        ("us-a-1", Cumulative, Protobuf),
    ];
    (1..).zip(kinds).map(|(at, (id, kind, encoding))| Reporter::new(id, kind, encoding, seed * 100 + at)).collect()
}

/// Lets it happen, and brings back a server that runs undisturbed; false when an armed place was not reached.
fn happen(world: &mut World, fault: Fault, random: &mut StdRng) -> bool {
    let life = Duration::from_millis(random.random_range(LIFE_MS));
    let live = || std::thread::sleep(life);
    match fault {
        Fault::Killed => world.kill(),
        Fault::Stopped => world.stop(),
        Fault::KilledAtBirth => {
            world.kill();
            world.die_at_birth(life / 2);
        }
        Fault::At(place, act) => return reach(world, place, act, random.random_range(1..=PASSAGES_MAX)),
        Fault::DiskLost => {
            world.kill();
            world.lose_log();
        }
        Fault::DiskLostInFlush => {
            let was_reached = reach_and_die(world, "between-shards", "kill", random.random_range(1..60));
            world.lose_log();
            world.start();
            return was_reached;
        }
        Fault::DiskPutBack => {
            world.kill();
            let (log, aside) = (world.log_folder(), world.ground.path("aside"));
            copy_folder(&log, &aside);
            world.start();
            live();
            world.kill();
            world.lose_log();
            copy_folder(&aside, &log);
            std::fs::remove_dir_all(&aside).unwrap();
        }
        Fault::DatabasePutBack => put_database_back(world, life),
        Fault::DatabaseCut | Fault::RepliesLost | Fault::CommitsDelayed => {
            disturb(world, fault, life, random.random_range(0..2) == 0);
            if world.is_running() {
                return true;
            }
        }
        Fault::FormerLife => {
            sleep_and_wake(world, life);
            return true;
        }
    }
    world.start();
    true
}

/// Arms a place, waits for it, and starts the server again.
fn reach(world: &mut World, place: &str, act: &str, passages: u64) -> bool {
    let was_reached = reach_and_die(world, place, act, passages);
    world.start();
    was_reached
}

fn reach_and_die(world: &mut World, place: &str, act: &str, passages: u64) -> bool {
    world.kill();
    if !world.start_armed(&format!("{place}:{passages}:{act}")) {
        return true;
    }
    let was_reached = world.dies_within(ARMED_MAX);
    world.kill();
    // An error and a delay leave no trace to look for, and nine passages are few within that time.
    was_reached || act != "kill"
}

/// The database is put back from a copy; the log, which holds what was committed since, stays.
fn put_database_back(world: &mut World, life: Duration) {
    world.kill();
    let aside = world.ground.path("database-aside");
    std::fs::create_dir_all(&aside).unwrap();
    for file in world.database_files() {
        std::fs::copy(&file, aside.join(file.file_name().unwrap())).unwrap();
    }
    let folder = world.log_folder().parent().unwrap().to_owned();
    // What the copy does not have stays in the log for long enough.
    world.start_with(&["--flush-every", "150ms", "--retain-committed", "10m"]);
    std::thread::sleep(life);
    world.kill();
    for file in world.database_files() {
        std::fs::remove_file(file).unwrap();
    }
    copy_folder(&aside, &folder);
    std::fs::remove_dir_all(&aside).unwrap();
}

/// The wire to the database fails for a while, and the server may die meanwhile.
fn disturb(world: &mut World, fault: Fault, life: Duration, is_killed: bool) {
    let proxy = world.proxy.take().expect("only PostgreSQL has a wire");
    match fault {
        Fault::DatabaseCut => {
            proxy.set(Wire::Cut);
            std::thread::sleep(life * 2);
        }
        Fault::RepliesLost => {
            for _ in 0..4 {
                proxy.set(Wire::Deaf);
                std::thread::sleep(Duration::from_millis(250));
                proxy.set(Wire::Whole);
                std::thread::sleep(life / 2);
            }
        }
        _ => {
            proxy.delay(life / 10);
            std::thread::sleep(life * 2);
        }
    }
    if is_killed {
        world.kill();
    }
    proxy.set(Wire::Whole);
    proxy.delay(Duration::ZERO);
    world.proxy = Some(proxy);
}

/// Two processes of one replica: the former one wakes up with reports and commits in its hands.
fn sleep_and_wake(world: &mut World, life: Duration) {
    let former = world.leave();
    former.signal(rustix::process::Signal::STOP);
    world.clone_disk();
    world.start();
    std::thread::sleep(life);
    former.signal(rustix::process::Signal::CONT);
    std::thread::sleep(life);
    former.kill();
}

fn summary(engine: &str, done: &Done, reporters: &[Reporter], took: Duration) {
    let sum = |of: fn(&Tally) -> u64| reporters.iter().map(|it| of(&it.tally)).sum::<u64>();
    let rounds: u64 = done.values().map(|it| it.0).sum();
    let bytes: u64 = reporters.iter().map(Reporter::received).sum();
    let refused = sum(|it| it.refused.values().sum());
    eprintln!("{engine}: {rounds} rounds in {} s, differences: 0", took.as_secs());
    eprintln!("  reports {}, bytes {bytes}, sent {} times", sum(|it| it.reports), sum(|it| it.sent));
    eprintln!(
        "  duplicates answered {}, gaps answered {}, unanswered {}, refused {refused}, asked for again after a lost disk {}",
        sum(|it| it.duplicates),
        sum(|it| it.gaps),
        sum(|it| it.unanswered),
        sum(|it| it.replayed)
    );
    for (name, (rounds, reached)) in done {
        eprintln!("  {name:<32} {rounds:>4} rounds, {reached:>4} reached");
    }
    assert!(sum(|it| it.duplicates) > 0 && sum(|it| it.unanswered) > 0, "a run in which nothing went wrong");
}
