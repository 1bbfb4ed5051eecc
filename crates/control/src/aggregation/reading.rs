//! What is visible: durable usage and what memory holds above the watermark that was read with it (I14).
//!
//! Durable rows and watermark come from one snapshot. When memory cannot say exactly what lies above, both are read
//! again, three times; then the answer says that it is incomplete. Nothing here writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::aggregation::{Account, GenerationIndex, Hour, ShardIndex, Traffic};
use domain::ids::{InstanceId, NodeId, ReplicaId};
use domain::time::Micros;
use store::{CountingSnapshot, ReplicaMarks, Store, StoreError, UsageRange};

use super::hot::{Calendar, Covered, GenerationSums, Hot, ShardSums, hash_of, period_in_life, shard_of};
use super::writer::Counting;

/// Reads before an answer says that it is incomplete.
const READS_MAX: usize = 3;

/// What an instance used in an hour of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibleRow {
    pub period: Micros,
    pub hour: Hour,
    pub traffic: Traffic,
}

/// What an instance used.
#[derive(Debug, Default)]
pub struct Visible {
    pub durable: Traffic,
    pub pending: Traffic,
    /// Another process may hold more, or memory could not say what lies above the watermark.
    pub is_complete: bool,
    /// By hour, then period; durable and pending together.
    pub rows: Vec<VisibleRow>,
}

/// A line of conservation.
#[derive(Debug, Clone)]
pub struct Line<K> {
    pub of: K,
    pub account: Account,
}

/// All lines at one snapshot.
#[derive(Debug)]
pub struct Balance {
    pub shards: Vec<Line<(ReplicaId, ShardIndex)>>,
    pub reporters: Vec<Line<NodeId>>,
    pub is_complete: bool,
}

/// Reads what is visible.
pub struct Reading {
    pub store: Store,
    pub counting: Arc<Counting>,
    pub calendar: Arc<Calendar>,
}

impl Reading {
    /// What an instance used.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn usage(&self, instance: &InstanceId, range: &UsageRange) -> Result<Visible, StoreError> {
        let mut last = Visible::default();
        for _ in 0..READS_MAX {
            let read = self.store.usage(instance, *range).await?;
            let here = read.marks.iter().find(|(replica, _)| *replica == self.counting.replica);
            let others = read.marks.iter().any(|(replica, _)| *replica != self.counting.replica);
            let mut pending = here.and_then(|(_, mark)| self.pending(instance, *mark));
            if pending.as_ref().is_some_and(|rows| !rows.is_empty()) && !self.is_still_ours().await? {
                pending = None;
            }
            let mut rows: BTreeMap<(Hour, Micros), Traffic> = BTreeMap::new();
            for row in &read.rows {
                put(&mut rows, row.hour, row.period, row.traffic);
            }
            let is_served = pending.is_some();
            let mut above = Traffic::ZERO;
            for row in pending.unwrap_or_default().into_iter().filter(|row| is_inside(row, range)) {
                put(&mut rows, row.hour, row.period, row.traffic);
                above = Traffic { up: above.up + row.traffic.up, down: above.down + row.traffic.down };
            }
            let row = |((hour, period), traffic)| VisibleRow { period, hour, traffic };
            last = Visible {
                durable: read.durable,
                pending: above,
                is_complete: is_served && !(others && self.others_count().await?),
                rows: rows.into_iter().map(row).collect(),
            };
            if is_served {
                return Ok(last);
            }
        }
        Ok(last)
    }

    /// The second look: whether the replica is still this process's. A reader that asks only once could meet a report
    /// here and again where its reporter was sent after a retirement.
    async fn is_still_ours(&self) -> Result<bool, StoreError> {
        let marks = self.store.replica_marks(&self.counting.replica).await?;
        let is_ours = marks.is_some_and(|it| it.closed.is_none() && it.life == self.counting.life);
        if !is_ours {
            self.counting.close();
        }
        Ok(is_ours && !self.counting.is_closed())
    }

    /// Whether another replica is open that has reporters: what it holds in memory is not known here.
    async fn others_count(&self) -> Result<bool, StoreError> {
        let replicas = self.store.list_replicas().await?;
        let is_other = |it: &&ReplicaMarks| it.replica != self.counting.replica && it.closed.is_none();
        for marks in replicas.iter().filter(is_other) {
            if self.store.preview_retire(&marks.replica).await?.is_some_and(|it| it.reporters > 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What memory holds of an instance above a watermark; `None` when it cannot say.
    fn pending(&self, instance: &InstanceId, mark: GenerationIndex) -> Option<Vec<VisibleRow>> {
        let hash = hash_of(instance.as_str());
        let (mut rows, mut minutes, cuts, name) = {
            let hot = self.counting.hot();
            let shard = shard_of(hash);
            let Covered::By(sets) = hot.backlog.above(usize::from(shard), mark.0, next_unsealed(&hot)) else {
                return None;
            };
            let Some(name) = hot.names.find(hash, instance.as_str()) else { return Some(Vec::new()) };
            let rows: Vec<VisibleRow> = sets
                .iter()
                .flat_map(|set| set.of_name(shard, name))
                .map(|row| VisibleRow {
                    period: row.period,
                    hour: row.hour,
                    traffic: Traffic { up: row.up, down: row.down },
                })
                .collect();
            (rows, hot.open.of_name(&hot.names, name), hot.cut.clone(), name)
        };
        // A generation that is not sealed yet is in no order; it is looked through without the lock.
        for cut in cuts {
            let slots = cut.open.slots.iter().filter(|slot| slot.name == name);
            minutes.extend(slots.map(|slot| (slot.minute, slot.up, slot.down)));
        }
        let (resets, created) = self.calendar.of(instance.as_str());
        rows.extend(minutes.into_iter().filter(|(_, up, down)| up + down > 0).map(|(minute, up, down)| VisibleRow {
            period: period_in_life(&resets, created, minute.start()).start,
            hour: minute.hour(),
            traffic: Traffic { up, down },
        }));
        Some(rows)
    }

    /// Whether every byte is somewhere, and only there: per shard and, separately, per reporter.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn balance(&self) -> Result<Balance, StoreError> {
        let mut last = None;
        for _ in 0..READS_MAX {
            let snapshot = self.store.counting_snapshot().await?;
            let mut above = self.above(&snapshot);
            if above.is_some() && !self.is_still_ours().await? {
                above = None;
            }
            let is_served = above.is_some();
            let is_complete = is_served && !self.others_count().await?;
            last = Some(balance_of(&snapshot, above.unwrap_or_default(), &self.counting.replica, is_complete));
            if is_served {
                break;
            }
        }
        Ok(last.unwrap_or_else(|| Balance { shards: Vec::new(), reporters: Vec::new(), is_complete: false }))
    }

    /// What memory holds above the marks of a snapshot; `None` when it cannot say.
    fn above(&self, snapshot: &CountingSnapshot) -> Option<Above> {
        let marks = snapshot.replicas.iter().find(|it| it.replica == self.counting.replica)?;
        let hot = self.counting.hot();
        let (mut above, next) = (Above::default(), next_unsealed(&hot));
        let unsealed = || hot.cut.iter().map(|it| &it.open).chain([&hot.open]);
        for mark in &marks.shards {
            let shard = mark.shard.index();
            let Covered::By(sets) = hot.backlog.above(shard, mark.generation.0, next) else { return None };
            let sealed = sets.iter().flat_map(|set| &set.generations).filter(|it| it.generation > mark.generation.0);
            let sums = sealed.map(|it| it.shards[shard]).chain(unsealed().map(|it| it.sums[shard]));
            above.shards.push(sums.fold(ShardSums::default(), |a, b| ShardSums {
                up: a.up + b.up,
                down: a.down + b.down,
                received: a.received + b.received,
                parked: a.parked + b.parked,
                rejected: a.rejected + b.rejected,
            }));
        }
        // Reporters are told at the smallest watermark, so generations of which some shards are committed count too.
        let smallest = marks.smallest().0;
        let held = hot.backlog.held_above(smallest, next)?;
        let sealed = held.iter().flat_map(|it: &&GenerationSums| &it.parts);
        for part in sealed.chain(unsealed().flat_map(|it| &it.parts)) {
            let account = above.reporters.entry(part.reporter.clone()).or_default();
            account.received += part.totals.received;
            account.pending += part.totals.counted;
            account.parked += part.totals.parked;
            account.rejected += part.totals.rejected;
        }
        Some(above)
    }
}

/// What memory holds above the marks.
#[derive(Default)]
struct Above {
    shards: Vec<ShardSums>,
    reporters: BTreeMap<NodeId, Account>,
}

/// The first generation that is not sealed.
fn next_unsealed(hot: &Hot) -> u64 {
    hot.cut.first().map_or(hot.open.generation, |cut| cut.open.generation)
}

fn put(rows: &mut BTreeMap<(Hour, Micros), Traffic>, hour: Hour, period: Micros, traffic: Traffic) {
    let sum = rows.entry((hour, period)).or_default();
    *sum = Traffic { up: sum.up + traffic.up, down: sum.down + traffic.down };
}

fn is_inside(row: &VisibleRow, range: &UsageRange) -> bool {
    match range {
        UsageRange::Hours { from, to } => (*from..*to).contains(&row.hour),
        UsageRange::Period(start) => row.period == *start,
    }
}

fn balance_of(snapshot: &CountingSnapshot, above: Above, here: &ReplicaId, is_complete: bool) -> Balance {
    let mut shards = Vec::new();
    for marks in &snapshot.replicas {
        for (at, mark) in marks.shards.iter().enumerate() {
            let held = if marks.replica == *here { above.shards.get(at).copied() } else { None }.unwrap_or_default();
            let totals = mark.totals;
            let account = Account {
                received: totals.received + held.received,
                durable: totals.durable,
                pending: held.counted(),
                parked: totals.parked + held.parked,
                rejected: totals.rejected + held.rejected,
            };
            shards.push(Line { of: (marks.replica.clone(), mark.shard), account });
        }
    }
    let mut reporters = above.reporters;
    for line in &snapshot.reporters {
        let account = reporters.entry(line.reporter.clone()).or_default();
        account.received += line.totals.received;
        account.durable += line.totals.counted;
        account.parked += line.totals.parked;
        account.rejected += line.totals.rejected;
    }
    let reporters = reporters.into_iter().map(|(of, account)| Line { of, account }).collect();
    Balance { shards, reporters, is_complete }
}
