//! An intake replica without its log: it takes reports in turn, cuts generations and flushes them as the real one does.
//!
//! What it remembers is gone when it is dropped, as a disk is. Reporters keep what they sent, as real ones keep what is
//! not committed, so that a test can repeat it.

#![allow(clippy::unwrap_used, reason = "what stands here is right or the test fails")]

use std::collections::BTreeMap;

use domain::aggregation::{GenerationIndex, Hour, Minute, ShardIndex, ShardSet, Traffic, Vector, advance};
use domain::ids::{InstanceId, NodeId, ReplicaId};
use domain::time::Micros;
use store::{
    CumulativeTotal, GenerationParts, Homing, LedgerAdd, ParkedAdd, ParkedWhy, ReporterPart, ReporterTotals, Result,
    ShardCommit, Store, Stranded, UsageAdd,
};

use crate::ground::NOW;

/// What a report says of one instance.
#[derive(Debug, Clone)]
pub struct Item {
    pub instance: InstanceId,
    pub traffic: Traffic,
    pub fate: Fate,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Count,
    Park,
    Reject,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Report {
    pub reporter: NodeId,
    pub incarnation: u64,
    pub sequence: u64,
    /// Whether its figures are running totals.
    pub is_cumulative: bool,
    pub items: Vec<Item>,
}

/// What an intake says to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Applied,
    Duplicate,
    Gap { expected: u64 },
    Elsewhere(ReplicaId),
}

/// A report as it counts.
#[derive(Debug, Clone)]
struct Effect {
    report: Report,
    /// What each item adds.
    deltas: Vec<Traffic>,
    /// Shards that have it already.
    skipped: ShardSet,
}

#[derive(Debug, Clone)]
struct Sealed {
    generation: GenerationIndex,
    effects: Vec<Effect>,
}

/// What is known of one life of a reporter.
#[derive(Debug, Clone, Default)]
struct Known {
    last: u64,
    vector: Vector,
    baselines: BTreeMap<InstanceId, Traffic>,
}

#[derive(Debug, Clone)]
pub struct Intake {
    pub replica: ReplicaId,
    known: BTreeMap<(NodeId, u64), Known>,
    open: Vec<Effect>,
    sealed: Vec<Sealed>,
    pub last_cut: GenerationIndex,
}

pub fn node(id: &str) -> NodeId {
    NodeId::parse(id).unwrap()
}

pub fn instance(id: &str) -> InstanceId {
    InstanceId::parse(id).unwrap()
}

pub fn item(id: &str, up: u64, down: u64) -> Item {
    Item { instance: instance(id), traffic: Traffic { up, down }, fate: Fate::Count }
}

pub fn report(reporter: &str, sequence: u64, items: &[Item]) -> Report {
    Report { reporter: node(reporter), incarnation: 1, sequence, is_cumulative: false, items: items.to_vec() }
}

pub fn generation(number: u64) -> GenerationIndex {
    GenerationIndex(number)
}

impl Intake {
    pub async fn open(store: &Store, name: &str) -> Self {
        let replica = ReplicaId::parse(name).unwrap();
        let marks = store.open_replica(&replica, NOW).await.unwrap();
        let last_cut = marks.largest();
        Self { replica, known: BTreeMap::new(), open: Vec::new(), sealed: Vec::new(), last_cut }
    }

    /// Opens a replica whose disk is empty.
    pub async fn recover(store: &Store, name: &str) -> Self {
        let mut intake = Self::open(store, name).await;
        let recovered = store.recover(&intake.replica, NOW, "test").await.unwrap();
        intake.last_cut = recovered.resume_after;
        intake
    }

    /// Takes a report in.
    pub async fn accept(&mut self, store: &Store, report: &Report) -> Said {
        let key = (report.reporter.clone(), report.incarnation);
        if !self.known.contains_key(&key) {
            match store.claim_reporter_home(&key.0, key.1, &self.replica, NOW).await.unwrap() {
                Homing::Here(_) => {}
                Homing::Elsewhere(home) => return Said::Elsewhere(home.replica),
                Homing::Stale { current } => panic!("{key:?} is stale, {current} is not"),
            }
            let vector = store.load_reporter(&key.0, key.1).await.unwrap().unwrap().vector;
            let baselines = store.cumulative_baselines(&key.0, key.1).await.unwrap().into_iter().collect();
            self.known.insert(key.clone(), Known { last: vector.through(), vector, baselines });
        }
        let known = self.known.get_mut(&key).unwrap();
        if report.sequence <= known.last {
            return Said::Duplicate;
        }
        if report.sequence > known.last + 1 {
            return Said::Gap { expected: known.last + 1 };
        }
        known.last = report.sequence;
        let skipped = known.vector.skipped(report.sequence);
        let mut deltas = Vec::new();
        for it in &report.items {
            let is_skipped = skipped.contains(ShardIndex::of(&it.instance));
            let mut delta = it.traffic;
            if report.is_cumulative {
                let step = advance(known.baselines.get(&it.instance).copied(), it.traffic);
                delta = step.delta;
                if !is_skipped {
                    known.baselines.insert(it.instance.clone(), step.baseline);
                }
            }
            deltas.push(delta);
        }
        self.open.push(Effect { report: report.clone(), deltas, skipped });
        Said::Applied
    }

    /// Closes a generation, if there is anything in it.
    pub fn cut(&mut self) {
        if !self.open.is_empty() {
            self.last_cut.0 += 1;
            let effects = std::mem::take(&mut self.open);
            self.sealed.push(Sealed { generation: self.last_cut, effects });
        }
    }

    /// What its generations hold of their reporters.
    pub fn parts(&self) -> Vec<GenerationParts> {
        self.sealed.iter().map(parts_of).collect()
    }

    /// Bytes received of a shard in memory, above a generation.
    pub fn received_above(&self, shard: ShardIndex, mark: GenerationIndex) -> u64 {
        let sealed = self.sealed.iter().filter(|it| it.generation > mark).flat_map(|it| &it.effects);
        sealed.chain(&self.open).flat_map(|it| of_shard(it, shard)).map(|(_, delta)| bytes(delta)).sum()
    }

    /// Writes the blobs of what no shard can have passed yet.
    pub async fn put_blobs(&self, store: &Store) -> Result<Vec<Stranded>> {
        store.put_reporter_blobs(&self.replica, &self.parts(), NOW).await
    }

    /// Flushes one shard from a watermark to a generation; one that holds nothing is skipped over.
    pub async fn commit(
        &self,
        store: &Store,
        shard: ShardIndex,
        from: GenerationIndex,
        to: GenerationIndex,
    ) -> Result<()> {
        let rows = self.rows(shard, from, to, &[]);
        if rows.ledger.is_empty() {
            return store.skip_shards(&self.replica, &[shard], from, to, NOW).await;
        }
        store.commit_shard(rows.commit(&self.replica, shard, from, to)).await
    }

    /// Flushes everything that is sealed, and forgets it.
    pub async fn flush(&mut self, store: &Store) {
        self.cut();
        let stranded = self.put_blobs(store).await.unwrap();
        let marks = store.replica_marks(&self.replica).await.unwrap().unwrap();
        let to = self.last_cut;
        let mut empty: BTreeMap<GenerationIndex, Vec<ShardIndex>> = BTreeMap::new();
        for shard in ShardIndex::all().filter(|shard| marks.of(*shard) < to) {
            let from = marks.of(shard);
            let rows = self.rows(shard, from, to, &stranded);
            if rows.ledger.is_empty() {
                empty.entry(from).or_default().push(shard);
            } else {
                store.commit_shard(rows.commit(&self.replica, shard, from, to)).await.unwrap();
            }
        }
        for (from, shards) in empty {
            store.skip_shards(&self.replica, &shards, from, to, NOW).await.unwrap();
        }
        self.sealed.clear();
    }

    /// Folds all that may be folded.
    pub async fn fold(&self, store: &Store) -> GenerationIndex {
        store.fold_generations(&self.replica, self.last_cut, NOW.plus_seconds(1)).await.unwrap().folded
    }

    /// What generations hold of a shard.
    pub fn rows(&self, shard: ShardIndex, from: GenerationIndex, to: GenerationIndex, stranded: &[Stranded]) -> Rows {
        let mut rows = Rows::default();
        for sealed in self.sealed.iter().filter(|it| from < it.generation && it.generation <= to) {
            rows.add(sealed, shard, stranded);
        }
        rows
    }
}

/// The items of an effect in a shard that has not got them.
fn of_shard(effect: &Effect, shard: ShardIndex) -> impl Iterator<Item = (&Item, Traffic)> {
    let items = effect.report.items.iter().zip(effect.deltas.iter().copied());
    items.filter(move |(it, _)| ShardIndex::of(&it.instance) == shard && !effect.skipped.contains(shard))
}

pub fn bytes(traffic: Traffic) -> u64 {
    traffic.bytes().unwrap()
}

fn parts_of(sealed: &Sealed) -> GenerationParts {
    let mut parts: BTreeMap<(NodeId, u64), ReporterPart> = BTreeMap::new();
    for Effect { report, deltas, skipped } in &sealed.effects {
        let (reporter, incarnation) = (report.reporter.clone(), report.incarnation);
        let totals = ReporterTotals::default();
        let part = ReporterPart { reporter: reporter.clone(), incarnation, through: 0, totals };
        let part = parts.entry((reporter, incarnation)).or_insert(part);
        part.through = report.sequence;
        for (it, delta) in report.items.iter().zip(deltas) {
            let delta = bytes(*delta);
            part.totals.received += delta;
            let fate = if skipped.contains(ShardIndex::of(&it.instance)) { Fate::Count } else { it.fate };
            match fate {
                Fate::Count => part.totals.counted += delta,
                Fate::Park => part.totals.parked += delta,
                Fate::Reject => part.totals.rejected += delta,
            }
        }
    }
    GenerationParts { generation: sealed.generation, parts: parts.into_values().collect() }
}

/// What is written of a shard.
#[derive(Debug, Default, Clone)]
pub struct Rows {
    usage: BTreeMap<InstanceId, Traffic>,
    pub usage_rows: Vec<UsageAdd>,
    pub parked: Vec<ParkedAdd>,
    cumulative: BTreeMap<(NodeId, u64, InstanceId), Traffic>,
    cumulative_rows: Vec<CumulativeTotal>,
    pub ledger: Vec<LedgerAdd>,
    pub received: u64,
    pub rejected: u64,
}

impl Rows {
    fn add(&mut self, sealed: &Sealed, shard: ShardIndex, stranded: &[Stranded]) {
        let mut ledger = LedgerAdd {
            generation: sealed.generation,
            bucket_from: Minute::of(NOW).start(),
            bucket_to: Minute::of(NOW).end(),
            rows: 0,
            traffic: Traffic::ZERO,
            received: 0,
            parked: 0,
            rejected: 0,
            sealed: NOW,
        };
        let is_stranded = |it: &Report| {
            let (reporter, incarnation) = (it.reporter.clone(), it.incarnation);
            stranded.contains(&Stranded { generation: sealed.generation, reporter, incarnation })
        };
        let mut is_touched = false;
        for effect in sealed.effects.iter().filter(|it| !is_stranded(&it.report)) {
            for (it, delta) in of_shard(effect, shard) {
                is_touched = true;
                self.add_item(&mut ledger, &effect.report, it, delta);
            }
        }
        if is_touched {
            self.received += ledger.received;
            self.rejected += ledger.rejected;
            self.ledger.push(ledger);
        }
        let add = |(instance, traffic): (&InstanceId, &Traffic)| UsageAdd {
            instance: instance.clone(),
            period: Micros(0),
            hour: Hour::of(NOW),
            traffic: *traffic,
        };
        self.usage_rows = self.usage.iter().map(add).collect();
        let total = |((reporter, incarnation, instance), total): (&(NodeId, u64, InstanceId), &Traffic)| {
            let (reporter, incarnation, instance) = (reporter.clone(), *incarnation, instance.clone());
            CumulativeTotal { reporter, incarnation, instance, total: *total }
        };
        self.cumulative_rows = self.cumulative.iter().map(total).collect();
    }

    fn add_item(&mut self, ledger: &mut LedgerAdd, report: &Report, it: &Item, delta: Traffic) {
        ledger.received += bytes(delta);
        if report.is_cumulative && it.fate != Fate::Reject {
            self.cumulative.insert((report.reporter.clone(), report.incarnation, it.instance.clone()), it.traffic);
        }
        match it.fate {
            Fate::Count => {
                let sum = self.usage.entry(it.instance.clone()).or_default();
                *sum = sum.checked_add(delta).unwrap();
                ledger.traffic = ledger.traffic.checked_add(delta).unwrap();
                ledger.rows += 1;
            }
            Fate::Park => {
                ledger.parked += bytes(delta);
                self.parked.push(ParkedAdd {
                    generation: ledger.generation,
                    reporter: report.reporter.clone(),
                    incarnation: report.incarnation,
                    sequence: report.sequence,
                    instance: it.instance.clone(),
                    minute: Minute::of(NOW),
                    traffic: delta,
                    why: ParkedWhy::InstanceUnknown,
                });
            }
            Fate::Reject => ledger.rejected += bytes(delta),
        }
    }

    pub fn commit<'a>(
        &'a self,
        replica: &'a ReplicaId,
        shard: ShardIndex,
        from: GenerationIndex,
        to: GenerationIndex,
    ) -> ShardCommit<'a> {
        ShardCommit {
            replica,
            shard,
            from,
            to,
            now: NOW,
            actor: "test",
            usage: &self.usage_rows,
            parked: &self.parked,
            cumulative: &self.cumulative_rows,
            ledger: &self.ledger,
            received: self.received,
            rejected: self.rejected,
        }
    }
}
