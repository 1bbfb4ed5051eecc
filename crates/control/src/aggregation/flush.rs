//! Brings what is logged into the master data: cut, seal, then one transaction for each shard.
//!
//! Belongs to the process that has the log. Who reported is written before any count; a shard's watermark moves in the
//! transaction that writes its rows, by compare-and-set. Whatever fails is done again from where the watermark stands:
//! a reply that was lost, a database that went back in time, a reporter whose home is elsewhere by now.

use std::sync::Arc;

use domain::aggregation::{GenerationIndex, SHARD_COUNT, ShardIndex, Traffic};
use domain::ids::InstanceId;
use domain::time::Micros;
use store::{
    BLOBS_PER_CALL_MAX, CumulativeTotal, GenerationParts, LedgerAdd, ParkedAdd, ParkedWhy, ShardCommit, Store,
    StoreError, UsageAdd,
};

use super::hot::{Calendar, Sealed, hash_of};
use super::replay::Withheld;
use super::start::{marks_of, sealed_anew};
use super::writer::{Counting, chain};
use crate::faults;
use crate::tasks::{Status, Task, TaskError};

/// How often a set is looked at again after the store said that it stands elsewhere than memory thinks.
const ROUNDS_MAX: usize = 4;

/// The task that flushes.
pub struct Flush {
    pub store: Store,
    pub counting: Arc<Counting>,
    pub calendar: Arc<Calendar>,
    /// Reporters whose home is elsewhere, by generation: their effects are not committed from here.
    pub withheld: Withheld,
}

/// Why a set was not brought in.
#[derive(Debug, thiserror::Error)]
enum FlushError {
    #[error("the store did not take part")]
    Store(#[from] StoreError),
    #[error("reporters of this set are at home elsewhere")]
    Stranded,
    /// Stands for a reply that was lost.
    #[error(transparent)]
    Fault(#[from] faults::Fault),
    #[error("preparing a shard panicked")]
    Panicked,
}

/// What of a set goes into one shard.
struct ShardRows {
    usage: Vec<UsageAdd>,
    parked: Vec<ParkedAdd>,
    totals: Vec<CumulativeTotal>,
    ledger: Vec<LedgerAdd>,
    received: u64,
    rejected: u64,
}

impl Task for Flush {
    fn name(&self) -> &'static str {
        "flush"
    }

    async fn activated(&self) {
        self.counting.cut_due.notified().await;
    }

    async fn run_once(&mut self, now: Micros) -> Result<Status, TaskError> {
        if self.counting.is_closed() {
            return Ok(Status { detail: "the replica is closed".to_owned(), ..Status::idle() });
        }
        self.counting.hot().backlog.forget_recent();
        // A log that takes no cut still has sealed generations to bring in.
        let cut = self.counting.cut().await;
        if matches!(cut, Ok(Some(_))) {
            faults::pass("after-cut").await.map_err(found)?;
        }
        self.seal().await?;
        let (mut rows, mut rounds) = (0, 0);
        loop {
            let begun = self.counting.hot().backlog.begin();
            let Some(set) = begun else { break };
            match self.bring_in(&set, now).await {
                Ok(done) => {
                    rows += done;
                    self.settled(&set);
                }
                Err(error) => {
                    rounds += 1;
                    if !self.is_mended(error, rounds).await? {
                        break;
                    }
                }
            }
        }
        cut.map_err(|error| TaskError::Found { what: chain(&error) })?;
        let backlog = self.counting.hot().backlog.rows() as u64;
        Ok(Status { done: rows, backlog, ..Status::idle() })
    }
}

fn found(error: impl std::fmt::Display) -> TaskError {
    TaskError::Found { what: error.to_string() }
}

impl Flush {
    /// Seals what was cut, off the threads that serve.
    async fn seal(&self) -> Result<(), TaskError> {
        loop {
            let (cut, marks) = {
                let hot = self.counting.hot();
                match hot.cut.first() {
                    Some(cut) => (Arc::clone(cut), hot.backlog.marks),
                    None => return Ok(()),
                }
            };
            let (counting, calendar) = (Arc::clone(&self.counting), Arc::clone(&self.calendar));
            let sealing = tokio::task::spawn_blocking(move || {
                Sealed::of(&cut.open, cut.at, &marks, &calendar, |look| look(&counting.hot().names))
            });
            let sealed = sealing.await.map_err(|_| TaskError::Found { what: "sealing panicked".to_owned() })?;
            let mut hot = self.counting.hot();
            hot.cut.remove(0);
            hot.backlog.push(sealed);
        }
    }

    /// Commits a set; answers how many rows it had.
    async fn bring_in(&mut self, set: &Arc<Sealed>, now: Micros) -> Result<u64, FlushError> {
        if self.put_blobs(set, now).await? {
            return Err(FlushError::Stranded);
        }
        faults::pass("after-blob").await?;
        let marks = self.counting.hot().backlog.marks;
        self.skip_empty(set, &marks, now).await?;
        let due: Vec<u8> =
            (0..SHARD_COUNT).filter(|it| marks[usize::from(*it)] < set.to && !set.is_empty((*it).into())).collect();
        let mut next = due.first().map(|shard| self.prepare(set, *shard, marks[usize::from(*shard)]));
        let mut rows = 0;
        for (at, shard) in due.iter().enumerate() {
            let Some(preparing) = next.take() else { break };
            let prepared = preparing.await.map_err(|_| FlushError::Panicked)?;
            // The next shard is prepared on another core while this one is written.
            next = due.get(at + 1).map(|shard| self.prepare(set, *shard, marks[usize::from(*shard)]));
            rows += prepared.usage.len() as u64;
            self.commit(set, *shard, marks[usize::from(*shard)], &prepared, now).await?;
            faults::pass("between-shards").await?;
        }
        Ok(rows)
    }

    /// Writes who reported; true when some of them are at home elsewhere and more is withheld than before.
    async fn put_blobs(&mut self, set: &Sealed, now: Micros) -> Result<bool, StoreError> {
        let generations: Vec<GenerationParts> = set
            .generations
            .iter()
            .map(|it| GenerationParts { generation: GenerationIndex(it.generation), parts: it.parts.clone() })
            .collect();
        let mut is_more = false;
        for chunk in generations.chunks(BLOBS_PER_CALL_MAX) {
            for it in self.store.put_reporter_blobs(&self.counting.replica, chunk, now).await? {
                self.counting.hot().reporters.estrange(&it.reporter, it.incarnation);
                is_more |= self.withheld.insert((it.generation, it.reporter, it.incarnation));
            }
        }
        Ok(is_more)
    }

    async fn skip_empty(
        &self,
        set: &Sealed,
        marks: &[u64; SHARD_COUNT as usize],
        now: Micros,
    ) -> Result<(), StoreError> {
        let mut by_mark: std::collections::BTreeMap<u64, Vec<ShardIndex>> = std::collections::BTreeMap::new();
        for shard in ShardIndex::all().filter(|it| set.is_empty(it.index()) && marks[it.index()] < set.to) {
            by_mark.entry(marks[shard.index()]).or_default().push(shard);
        }
        for (from, shards) in by_mark {
            let (from, to) = (GenerationIndex(from), GenerationIndex(set.to));
            let skip = async || self.store.skip_shards(&self.counting.replica, &shards, from, to, now).await;
            store::retry(skip).await?;
            let mut hot = self.counting.hot();
            shards.iter().for_each(|shard| hot.backlog.committed(shard.index(), set.to));
        }
        Ok(())
    }

    /// Makes the rows of a shard, in key order, off the threads that serve.
    fn prepare(&self, set: &Arc<Sealed>, shard: u8, mark: u64) -> tokio::task::JoinHandle<ShardRows> {
        let (set, counting) = (Arc::clone(set), Arc::clone(&self.counting));
        tokio::task::spawn_blocking(move || rows_of(&set, shard, mark, &counting))
    }

    async fn commit(
        &self,
        set: &Sealed,
        shard: u8,
        from: u64,
        rows: &ShardRows,
        now: Micros,
    ) -> Result<(), FlushError> {
        let shard = ShardIndex::new(shard).expect("shards are counted from 0 to 63");
        faults::pass("before-shard-commit").await?;
        let commit = async || {
            let commit = ShardCommit {
                replica: &self.counting.replica,
                shard,
                from: GenerationIndex(from),
                to: GenerationIndex(set.to),
                now,
                actor: self.counting.replica.as_str(),
                usage: &rows.usage,
                parked: &rows.parked,
                cumulative: &rows.totals,
                ledger: &rows.ledger,
                received: rows.received,
                rejected: rows.rejected,
            };
            self.store.commit_shard(commit).await
        };
        store::retry(commit).await?;
        faults::pass("after-shard-commit").await?;
        let mut hot = self.counting.hot();
        hot.backlog.committed(shard.index(), set.to);
        for parked in &rows.parked {
            if let Some(at) = hot.reporters.find(&parked.reporter) {
                let reporter = hot.reporters.get_mut(at);
                reporter.parked_pending = reporter.parked_pending.saturating_sub(1);
                reporter.parked_stored += 1;
            }
        }
        self.counting.meters.flushed_rows.inc_by(rows.usage.len() as u64);
        Ok(())
    }

    /// All shards hold the set: its reporters are told so.
    fn settled(&self, set: &Sealed) {
        let mut hot = self.counting.hot();
        for part in set.generations.iter().flat_map(|it| &it.parts) {
            if let Some(at) = hot.reporters.find(&part.reporter) {
                let reporter = hot.reporters.get_mut(at);
                if reporter.incarnation == part.incarnation {
                    reporter.committed = reporter.committed.max(part.through);
                }
            }
        }
        hot.backlog.finish();
    }

    /// Looks where the store stands and makes the sets anew from the log; false when there is nothing to go on with.
    async fn is_mended(&mut self, error: FlushError, rounds: usize) -> Result<bool, TaskError> {
        match error {
            FlushError::Store(
                error @ (StoreError::ReplicaClosed { .. } | StoreError::FormerLife { .. } | StoreError::TwoLogs { .. }),
            ) => {
                self.counting.close();
                tracing::error!(error = chain(&error), "this replica acknowledges nothing any more");
                return Err(error.into());
            }
            FlushError::Store(StoreError::WatermarkMoved { .. }) | FlushError::Stranded | FlushError::Fault(_) => {}
            FlushError::Store(error) => return Err(error.into()),
            FlushError::Panicked => return Err(found(error)),
        }
        if rounds > ROUNDS_MAX {
            return Err(found("the store stands elsewhere than memory again and again"));
        }
        let Some(marks) = self.store.replica_marks(&self.counting.replica).await? else {
            return Err(found("the store does not know this replica any more"));
        };
        let next = self.counting.hot().open.generation;
        if marks.largest().0 >= next {
            // Somebody commits in our name what we never cut.
            self.counting.close();
            return Err(TaskError::Found { what: format!("the store is at {}, ahead of this log", marks.largest()) });
        }
        let begins_after = self.counting.log().begins_after();
        if marks.smallest() < begins_after {
            // What the log does not have any more would be taken for empty, and its reports for counted.
            self.counting.close();
            return Err(found(format!(
                "the database went back to generation {}, the log begins after {begins_after}: nothing is taken until \
                 the process is started again, which says what is missing",
                marks.smallest()
            )));
        }
        let marks = marks_of(&marks);
        let (counting, calendar, withheld) =
            (Arc::clone(&self.counting), Arc::clone(&self.calendar), self.withheld.clone());
        let making = tokio::task::spawn_blocking(move || {
            let mut log = counting.log();
            log.mend()?;
            let last = counting.hot().open.generation - 1;
            let names = |look: &mut dyn FnMut(&mut super::hot::Names)| look(&mut counting.hot().names);
            let sets = sealed_anew(&log, &marks, &withheld, &calendar, names)?;
            drop(log);
            let mut hot = counting.hot();
            // Cuts that fell meanwhile are sealed later, from memory.
            let sets =
                sets.into_iter().filter(|set| set.to <= last && hot.cut.iter().all(|it| it.open.generation != set.to));
            let sets: Vec<Sealed> = sets.collect();
            hot.backlog.replace(sets, marks);
            Ok::<(), super::log::LogError>(())
        });
        let made = making.await.map_err(|_| TaskError::Found { what: "reading the log back panicked".to_owned() })?;
        made.map_err(|error| TaskError::Found { what: chain(&error) })?;
        Ok(true)
    }
}

fn rows_of(set: &Sealed, shard: u8, mark: u64, counting: &Counting) -> ShardRows {
    let part = &set.shards[usize::from(shard)];
    let mut usage: Vec<UsageAdd> = Vec::with_capacity(part.rows.len());
    for rows in part.rows.chunks(4_096) {
        let hot = counting.hot();
        usage.extend(rows.iter().map(|row| UsageAdd {
            instance: id_of(hot.names.text(row.name)),
            period: row.period,
            hour: row.hour,
            traffic: Traffic { up: row.up, down: row.down },
        }));
    }
    usage.sort_unstable_by(|a, b| (&a.instance, a.period, a.hour).cmp(&(&b.instance, b.period, b.hour)));
    let hot = counting.hot();
    let parked = part.parked.iter().map(|(generation, it)| ParkedAdd {
        generation: GenerationIndex(*generation),
        reporter: it.reporter.clone(),
        incarnation: it.incarnation,
        sequence: it.sequence,
        instance: id_of(hot.names.text(it.name)),
        minute: it.minute,
        traffic: Traffic { up: it.up, down: it.down },
        why: ParkedWhy::InstanceUnknown,
    });
    let totals = part.totals.iter().map(|((reporter, incarnation, name), total)| CumulativeTotal {
        reporter: reporter.clone(),
        incarnation: *incarnation,
        instance: id_of(hot.names.text(*name)),
        total: *total,
    });
    let (parked, totals) = (parked.collect(), totals.collect());
    drop(hot);
    let of_shard = |it: &super::hot::GenerationSums| it.shards[usize::from(shard)];
    let due = || set.generations.iter().filter(|it| it.generation > mark);
    let mut ledger: Vec<LedgerAdd> =
        due().filter(|it| !of_shard(it).is_zero()).map(|it| ledger_row(it, usize::from(shard))).collect();
    if ledger.is_empty() {
        // A running total may have changed with no byte counted: the last generation stands for it.
        ledger.extend(due().next_back().map(|it| ledger_row(it, usize::from(shard))));
    }
    ShardRows {
        usage,
        parked,
        totals,
        ledger,
        received: due().map(|it| of_shard(it).received).sum(),
        rejected: due().map(|it| of_shard(it).rejected).sum(),
    }
}

fn ledger_row(it: &super::hot::GenerationSums, shard: usize) -> LedgerAdd {
    let sums = it.shards[shard];
    LedgerAdd {
        generation: GenerationIndex(it.generation),
        bucket_from: it.bucket_from.start(),
        bucket_to: it.bucket_to.end(),
        rows: u64::from(it.rows[shard]),
        traffic: Traffic { up: sums.up, down: sums.down },
        received: sums.received,
        parked: sums.parked,
        rejected: sums.rejected,
        sealed: it.sealed,
    }
}

fn id_of(text: &str) -> InstanceId {
    debug_assert!(hash_of(text) != 0 || !text.is_empty());
    InstanceId::parse(text).expect("names are ids: they were parsed at the door")
}
