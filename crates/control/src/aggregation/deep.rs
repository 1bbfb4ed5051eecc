//! Counts again: the usage rows against the watermarks and the ledger, the ledger against the log (`--deep`).
//!
//! Three records of the same bytes that were written in different ways. The first difference is named; nothing is
//! mended. The log has generations for as long as it keeps them, so the comparison with it covers the last ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::aggregation::ShardIndex;
use store::{LedgerFilter, LedgerState, PAGE_MAX, StoreError};
use wire::conservation::{Deep, Difference};
use wire::ledger::{LedgerRow, LedgerState as Told};

use super::hot::{Names, ShardSums};
use super::log::LogError;
use super::reading::Reading;
use super::replay::{Withheld, replay};

/// The counting again could not run.
#[derive(Debug, thiserror::Error)]
pub enum DeepError {
    #[error("the store did not take part")]
    Store(#[from] StoreError),
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    #[error("reading the log panicked")]
    Panicked,
}

/// What the log says of a (generation, shard).
type Logged = BTreeMap<(u64, u8), ShardSums>;

impl Reading {
    /// Counts everything again.
    ///
    /// # Errors
    /// [`DeepError`] when the store or the log cannot be read.
    pub async fn recount(&self) -> Result<Deep, DeepError> {
        let counted = self.store.recount_counting().await?;
        let by_store = counted.differences.first().map(|it| Difference {
            between: format!("{:?}", it.between),
            replica: it.replica.as_ref().map(ToString::to_string),
            shard: it.shard.map(|it| u32::from(it.get())),
            generation: None,
            instance: None,
            expected: u64::try_from(it.recorded).unwrap_or(0),
            found: u64::try_from(it.counted).unwrap_or(0),
            detail: format!("{} recorded, {} counted again", it.recorded, it.counted),
        });
        let (logged, log_records) = self.logged().await?;
        let by_log = if by_store.is_none() { self.compare(&logged).await? } else { None };
        let (usage_rows, ledger_rows) = (counted.usage_rows, counted.ledger_rows);
        Ok(Deep { usage_rows, ledger_rows, log_records, difference: by_store.or(by_log) })
    }

    /// The sums of each sealed generation that the log still has.
    async fn logged(&self) -> Result<(Logged, u64), DeepError> {
        let counting = Arc::clone(&self.counting);
        let reading = tokio::task::spawn_blocking(move || {
            let (mut sums, mut reports) = (Logged::new(), 0);
            let generations = {
                let mut log = counting.log();
                log.mend()?;
                log.generations()?
            };
            for logged in generations.iter().filter(|it| it.cut.is_some()) {
                let mut names = Names::default();
                // The lock is taken for one generation at a time: the writer goes on between two.
                let open = replay(&counting.log(), logged, &mut names, &Withheld::new(), |_, _, _| reports += 1)?;
                for (shard, held) in (0u8..).zip(open.sums.iter()) {
                    sums.insert((logged.generation.0, shard), *held);
                }
            }
            Ok::<_, LogError>((sums, reports))
        });
        Ok(reading.await.map_err(|_| DeepError::Panicked)??)
    }

    /// The first row of the ledger that says other than the log.
    async fn compare(&self, logged: &Logged) -> Result<Option<Difference>, DeepError> {
        let Some(((oldest, _), _)) = logged.first_key_value() else { return Ok(None) };
        let replica = self.counting.replica.clone();
        let filter = LedgerFilter { replica: Some(replica.clone()), shard: None, state: Some(LedgerState::Committed) };
        let mut after = None;
        loop {
            let rows = self.store.list_ledger(&filter, after.as_ref(), PAGE_MAX).await?;
            for row in rows.iter().take_while(|it| it.key.generation.0 >= *oldest) {
                let Some(sums) = logged.get(&(row.key.generation.0, row.key.shard.get())) else { continue };
                let by_log = [sums.counted(), sums.received, sums.parked, sums.rejected];
                let by_ledger = [row.traffic.up + row.traffic.down, row.received, row.parked, row.rejected];
                let names = ["counted", "received", "parked", "rejected"];
                let differs = by_log.iter().zip(by_ledger).zip(names).find(|((log, ledger), _)| *log != ledger);
                if let Some(((expected, found), what)) = differs {
                    return Ok(Some(Difference {
                        between: "log and ledger".to_owned(),
                        replica: Some(replica.to_string()),
                        shard: Some(u32::from(row.key.shard.get())),
                        generation: Some(row.key.generation.0),
                        instance: None,
                        expected: *expected,
                        found,
                        detail: format!("bytes {what}: {expected} in the log, {found} in the ledger"),
                    }));
                }
            }
            match rows.last().filter(|last| rows.len() >= PAGE_MAX as usize && last.key.generation.0 >= *oldest) {
                Some(last) => after = Some(last.key.clone()),
                None => return Ok(None),
            }
        }
    }

    /// Rows of the ledger that are not written yet: sealed generations in memory, newest first.
    pub fn sealed(&self, filter: &LedgerFilter, limit: u32) -> Vec<LedgerRow> {
        let replica = &self.counting.replica;
        if filter.replica.as_ref().is_some_and(|it| it != replica) || filter.state.is_some() {
            return Vec::new();
        }
        let hot = self.counting.hot();
        let generations = hot.backlog.sets().iter().rev().flat_map(|set| set.generations.iter().rev());
        let is_asked = |shard: ShardIndex| filter.shard.is_none_or(|it| it == shard);
        let row = |it: &super::hot::GenerationSums, shard: ShardIndex| {
            let sums = it.shards[shard.index()];
            let is_due = hot.backlog.marks[shard.index()] < it.generation && !sums.is_zero();
            is_due.then(|| LedgerRow {
                replica: replica.to_string(),
                shard: u32::from(shard.get()),
                generation: it.generation,
                bucket_from: it.bucket_from.start(),
                bucket_to: it.bucket_to.end(),
                rows: u64::from(it.rows[shard.index()]),
                up: sums.up,
                down: sums.down,
                state: Told::Sealed,
                at: it.sealed,
                by: None,
            })
        };
        let rows = generations
            .flat_map(|it| ShardIndex::all().filter(|it| is_asked(*it)).filter_map(move |shard| row(it, shard)));
        rows.take(limit as usize).collect()
    }
}
