//! Counting under random interleavings, compared with an oracle that only adds.
//!
//! Three reporters, one of them with running totals, send reports over eight instances of different shards to two
//! replicas that cut, write blobs, flush single shards, fold, race themselves, lose their disks and are retired, in any
//! order. After each step conservation holds and no byte is in a shard twice; in the end every acknowledged byte is
//! there once (I10, I11, I12).

use std::collections::BTreeMap;

use domain::aggregation::{ShardIndex, Traffic};
use domain::ids::NodeId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use store::{Store, StoreError};

use crate::counting::{assert_conserved, bytes_of, shard};
use crate::counting_lost::{create, unpark};
use crate::ground::{Ground, NOW, on_postgres, on_sqlite};
use crate::intake::{Fate, Intake, Item, Report, Said, bytes, instance, node};

const REPLICAS: [&str; 2] = ["here", "there"];
const REPORTERS: [&str; 3] = ["n1", "n2", "running"];
/// The last two do not exist until they are created; their items are parked.
const INSTANCES: [&str; 8] = ["svc-1", "svc-2", "svc-3", "svc-4", "svc-5", "svc-6", "new-1", "new-2"];

#[derive(Debug, Clone)]
enum Step {
    Report { reporter: usize, items: Vec<(usize, u64, bool)> },
    Repeat { reporter: usize },
    NewLife { reporter: usize },
    Cut { replica: usize },
    Blobs { replica: usize },
    Commit { replica: usize, instance: usize },
    Race { replica: usize, instance: usize },
    Flush { replica: usize },
    Fold { replica: usize },
    LoseDisk { replica: usize },
    Retire,
    Create { instance: usize },
    Unpark,
}

fn step() -> impl Strategy<Value = Step> {
    let replica = 0..REPLICAS.len();
    let reporter = 0..REPORTERS.len();
    let any_instance = 0..INSTANCES.len();
    let items = vec((any_instance.clone(), 0..1_000u64, prop::bool::weighted(0.1)), 1..5);
    prop_oneof![
        8 => (reporter.clone(), items).prop_map(|(reporter, items)| Step::Report { reporter, items }),
        2 => reporter.clone().prop_map(|reporter| Step::Repeat { reporter }),
        1 => reporter.prop_map(|reporter| Step::NewLife { reporter }),
        4 => replica.clone().prop_map(|replica| Step::Cut { replica }),
        3 => replica.clone().prop_map(|replica| Step::Blobs { replica }),
        6 => (replica.clone(), any_instance.clone()).prop_map(|(replica, instance)| Step::Commit { replica, instance }),
        2 => (replica.clone(), any_instance).prop_map(|(replica, instance)| Step::Race { replica, instance }),
        3 => replica.clone().prop_map(|replica| Step::Flush { replica }),
        2 => replica.clone().prop_map(|replica| Step::Fold { replica }),
        2 => replica.prop_map(|replica| Step::LoseDisk { replica }),
        1 => Just(Step::Retire),
        1 => (6..8usize).prop_map(|instance| Step::Create { instance }),
        2 => Just(Step::Unpark),
    ]
}

/// A reporter that keeps all that it ever sent.
struct Reporter {
    name: NodeId,
    incarnation: u64,
    sent: BTreeMap<u64, Vec<Report>>,
    /// Its running totals in this life.
    totals: BTreeMap<usize, Traffic>,
    /// The replica it sends to first.
    prefers: usize,
}

struct World {
    store: Store,
    /// None: retired.
    replicas: Vec<Option<Intake>>,
    reporters: Vec<Reporter>,
    /// What every acknowledged report says, added once: bytes that count or wait, and bytes that were refused.
    told: BTreeMap<usize, (u64, u64)>,
}

impl World {
    async fn new(store: Store) -> Self {
        let mut replicas = Vec::new();
        for name in REPLICAS {
            replicas.push(Some(Intake::open(&store, name).await));
        }
        let reporter = |(at, name): (usize, &&str)| {
            let (sent, totals) = (BTreeMap::new(), BTreeMap::new());
            Reporter { name: node(name), incarnation: 1, sent, totals, prefers: at % REPLICAS.len() }
        };
        let reporters = REPORTERS.iter().enumerate().map(reporter).collect();
        Self { store, replicas, reporters, told: BTreeMap::new() }
    }

    /// Sends a report to the home of its reporter, wherever that is.
    async fn send(&mut self, prefers: usize, report: &Report) -> Said {
        let mut at = if self.replicas[prefers].is_some() { prefers } else { 1 - prefers };
        for _ in 0..2 {
            match self.replicas[at].as_mut().unwrap().accept(&self.store, report).await {
                Said::Elsewhere(home) => at = REPLICAS.iter().position(|it| *it == home.as_str()).unwrap(),
                said => return said,
            }
        }
        panic!("two replicas send {report:?} to each other");
    }

    async fn report(&mut self, at: usize, items: &[(usize, u64, bool)]) {
        let reporter = &mut self.reporters[at];
        let is_cumulative = reporter.name.as_str() == "running";
        let mut lines = Vec::new();
        for (of, up, is_refused) in items {
            let delta = Traffic { up: *up, down: up / 2 };
            let total = reporter.totals.entry(*of).or_default();
            *total = total.checked_add(delta).unwrap();
            let fate = match is_refused {
                true if !is_cumulative => Fate::Reject,
                _ if INSTANCES[*of].starts_with("new") => Fate::Park,
                _ => Fate::Count,
            };
            let told = self.told.entry(*of).or_default();
            if fate == Fate::Reject {
                told.1 += bytes(delta);
            } else {
                told.0 += bytes(delta);
            }
            let traffic = if is_cumulative { *total } else { delta };
            lines.push(Item { instance: instance(INSTANCES[*of]), traffic, fate });
        }
        let sent = reporter.sent.entry(reporter.incarnation).or_default();
        let report = Report {
            reporter: reporter.name.clone(),
            incarnation: reporter.incarnation,
            sequence: sent.len() as u64 + 1,
            is_cumulative,
            items: lines,
        };
        sent.push(report.clone());
        let prefers = reporter.prefers;
        assert_eq!(self.send(prefers, &report).await, Said::Applied, "{report:?}");
    }

    /// Every reporter repeats all of its present life: what is durable must count as a repetition.
    async fn replay(&mut self) {
        for at in 0..self.reporters.len() {
            let reporter = &self.reporters[at];
            let (prefers, reports) = (reporter.prefers, reporter.sent.get(&reporter.incarnation).cloned());
            for report in reports.unwrap_or_default() {
                let said = self.send(prefers, &report).await;
                assert!(matches!(said, Said::Applied | Said::Duplicate), "{said:?} to {report:?}");
            }
        }
    }

    /// A life that is over cannot be repeated, so it ends only when all of it is durable.
    async fn new_life(&mut self, at: usize) {
        self.flush_all().await;
        self.reporters[at].incarnation += 1;
        self.reporters[at].totals.clear();
    }

    async fn flush_all(&mut self) {
        for intake in self.replicas.iter_mut().flatten() {
            intake.flush(&self.store).await;
        }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Report { reporter, items } => self.report(*reporter, items).await,
            Step::Repeat { reporter } => {
                let it = &self.reporters[*reporter];
                let last = it.sent.get(&it.incarnation).and_then(|sent| sent.last()).cloned();
                if let Some(last) = last {
                    let prefers = it.prefers;
                    assert_eq!(self.send(prefers, &last).await, Said::Duplicate);
                }
            }
            Step::NewLife { reporter } => self.new_life(*reporter).await,
            Step::LoseDisk { replica } => {
                if self.replicas[*replica].take().is_some() {
                    self.replicas[*replica] = Some(Intake::recover(&self.store, REPLICAS[*replica]).await);
                    self.replay().await;
                }
            }
            Step::Retire => self.retire().await,
            Step::Create { instance } => create(&self.store, &[INSTANCES[*instance]]).await,
            Step::Unpark => {
                unpark(&self.store).await;
            }
            Step::Cut { replica }
            | Step::Blobs { replica }
            | Step::Commit { replica, .. }
            | Step::Race { replica, .. }
            | Step::Flush { replica }
            | Step::Fold { replica } => {
                if let Some(intake) = self.replicas[*replica].as_mut() {
                    work(&self.store, intake, step).await;
                }
            }
        }
    }

    /// The first replica goes for good, and tries to go on.
    async fn retire(&mut self) {
        if let Some(intake) = self.replicas[0].take() {
            self.store.retire(&intake.replica, NOW, "test").await.unwrap();
            let marks = self.store.replica_marks(&intake.replica).await.unwrap().unwrap();
            let at = shard(INSTANCES[0]);
            let mut next = marks.of(at);
            next.0 += 1;
            let zombie = intake.commit(&self.store, at, marks.of(at), next).await;
            assert!(matches!(zombie, Err(StoreError::ReplicaClosed { .. })), "{zombie:?}");
            self.replay().await;
        }
    }

    /// No byte is in a shard twice and none is missing: what the watermarks say, with what is above them in memory.
    async fn check(&self) {
        let snapshot = self.store.counting_snapshot().await.unwrap();
        let mut told: BTreeMap<ShardIndex, u64> = BTreeMap::new();
        for (of, (counts, refused)) in &self.told {
            *told.entry(shard(INSTANCES[*of])).or_default() += counts + refused;
        }
        for at in ShardIndex::all() {
            let mut received = 0;
            for marks in &snapshot.replicas {
                let mark = &marks.shards[at.index()];
                received += mark.totals.received;
                let open = self.replicas.iter().flatten().find(|it| it.replica == marks.replica);
                received += open.map_or(0, |it| it.received_above(at, mark.generation));
            }
            assert_eq!(received, told.get(&at).copied().unwrap_or_default(), "shard {at}");
        }
        assert_conserved(&self.store).await;
    }

    /// Everything becomes durable, and every instance has what was told of it.
    async fn finish(mut self) {
        self.flush_all().await;
        create(&self.store, &["new-1", "new-2"]).await;
        unpark(&self.store).await;
        for intake in self.replicas.iter().flatten() {
            intake.fold(&self.store).await;
        }
        self.check().await;
        for (at, id) in INSTANCES.iter().enumerate() {
            let (counts, _) = self.told.get(&at).copied().unwrap_or_default();
            assert_eq!(bytes_of(&self.store, id).await, counts, "{id}");
        }
        assert_eq!(self.store.list_parked(None, 10).await.unwrap(), []);
        for reporter in &self.reporters {
            let sent = reporter.sent.get(&reporter.incarnation).map_or(0, Vec::len) as u64;
            let state = self.store.load_reporter(&reporter.name, reporter.incarnation).await.unwrap();
            assert_eq!(state.map_or(0, |it| it.vector.through()), sent, "{}", reporter.name);
        }
        self.store.close().await;
    }
}

/// What a replica does for itself.
async fn work(store: &Store, intake: &mut Intake, step: &Step) {
    if matches!(step, Step::Race { .. }) {
        intake.cut();
    }
    let marks = store.replica_marks(&intake.replica).await.unwrap().unwrap();
    let to = intake.last_cut;
    match step {
        Step::Cut { .. } => intake.cut(),
        Step::Blobs { .. } => assert_eq!(intake.put_blobs(store).await.unwrap(), []),
        Step::Flush { .. } => intake.flush(store).await,
        Step::Fold { .. } => {
            intake.fold(store).await;
        }
        Step::Commit { instance, .. } | Step::Race { instance, .. } => {
            let at = shard(INSTANCES[*instance]);
            let from = marks.of(at);
            if from == to {
                return;
            }
            intake.put_blobs(store).await.unwrap();
            if matches!(step, Step::Commit { .. }) {
                intake.commit(store, at, from, to).await.unwrap();
                // Its reply was lost, so it is done again.
                let again = intake.commit(store, at, from, to).await;
                assert!(matches!(again, Err(StoreError::WatermarkMoved { found, .. }) if found == to), "{again:?}");
                return;
            }
            let flush = || store::retry(|| intake.commit(store, at, from, to));
            let (one, two) = futures::future::join(flush(), flush()).await;
            let won = [&one, &two].iter().filter(|it| it.is_ok()).count();
            assert_eq!(won, 1, "{one:?} {two:?}");
        }
        _ => unreachable!("not for a replica"),
    }
}

async fn run(ground: Ground, steps: Vec<Step>) {
    let mut world = World::new(ground.open().await).await;
    for step in &steps {
        world.step(step).await;
        world.check().await;
    }
    world.finish().await;
}

fn check(cases: u32, on: fn(Vec<Step>)) {
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(step(), 1..40), |steps| {
        on(steps);
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

mod any_interleaving_counts_every_byte_once {
    use super::*;

    #[test]
    fn sqlite() {
        check(cases(24), |steps| on_sqlite(|ground| run(ground, steps)));
    }

    #[test]
    fn postgres() {
        check(cases(6), |steps| on_postgres(|ground| run(ground, steps)));
    }

    /// So many more when asked for by the variable that proptest knows.
    fn cases(usual: u32) -> u32 {
        std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
    }
}
