//! The account of every byte: what the watermarks and the reporters' totals say in one snapshot, and a recount of the
//! rows they speak of.
//!
//! Received bytes were counted at the parser and are never derived from the other terms (I11). The recount sums usage,
//! parked items and the ledger anew and names every figure that differs from the recorded one.

use std::collections::BTreeMap;

use domain::aggregation::ShardIndex;
use domain::ids::{NodeId, ReplicaId};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Transaction};

use super::blob::{ReporterTotals, read_blobs};
use super::replica::{ReplicaMarks, ShardTotals, read_marks, shard_of};
use super::reporter::{add, totals_of};
use crate::engine::{Store, integer, number, parsed, text};
use crate::error::{Result, during};

/// Bytes of a reporter, all its lives together, in generations that every shard of their replica has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReporterLine {
    pub reporter: NodeId,
    pub totals: ReporterTotals,
}

/// What stands beside the watermarks of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardAside {
    pub shard: ShardIndex,
    /// Bytes of usage rows that were deleted for their age: a part of what is durable.
    pub expired: u64,
    /// The sum of all corrections, signed: beside what is durable, no part of it.
    pub corrected: i64,
}

/// The account as it stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountingSnapshot {
    pub replicas: Vec<ReplicaMarks>,
    /// One for each shard, in order.
    pub shards: Vec<ShardAside>,
    /// By reporter.
    pub reporters: Vec<ReporterLine>,
}

/// Which two figures differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Between {
    /// In one watermark row: received, and durable + parked + rejected.
    ReceivedAndAccounted,
    /// Durable, and the ledger with what was parked before or is pruned.
    MarkAndLedger,
    /// Parked, and the items that wait.
    MarkAndParked,
    /// Durable of all replicas, and the usage rows with what has expired.
    MarksAndUsage,
    /// Of a reporter: received, and counted + parked + rejected.
    ReporterAccount,
}

/// A difference: what is recorded, and what a recount finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountingDifference {
    pub between: Between,
    pub replica: Option<ReplicaId>,
    pub shard: Option<ShardIndex>,
    pub reporter: Option<NodeId>,
    pub recorded: i128,
    pub counted: i128,
}

/// A recount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountingRecount {
    pub usage_rows: u64,
    pub ledger_rows: u64,
    pub parked_rows: u64,
    /// By shard, then by reporter; at most [`DIFFERENCES_MAX`].
    pub differences: Vec<CountingDifference>,
}

/// A hundred differences say that something is wrong as well as all of them would.
pub const DIFFERENCES_MAX: usize = 100;

const EXPIRED: &str = "SELECT shard, bytes FROM usage_expired";

const CORRECTED: &str = "SELECT shard, CAST(SUM(up + down) AS BIGINT) FROM usage_correction GROUP BY shard";

const TOTALS: &str = "SELECT reporter_id, CAST(SUM(received) AS BIGINT), CAST(SUM(counted) AS BIGINT),
  CAST(SUM(parked) AS BIGINT), CAST(SUM(rejected) AS BIGINT)
FROM reporter_total
GROUP BY reporter_id";

/// One shard in one statement, so that none takes long.
const USAGE: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(up + down), 0) AS BIGINT)
FROM usage_hour
WHERE shard = $1";

const LEDGER: &str = "SELECT replica_id, shard, COUNT(*), CAST(SUM(up + down) AS BIGINT)
FROM ledger
GROUP BY replica_id, shard";

const PARKED: &str = "SELECT replica_id, shard, COUNT(*), CAST(SUM(up + down) AS BIGINT)
FROM parked_item
GROUP BY replica_id, shard";

impl Store {
    /// All watermarks and all reporters' totals of one moment.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn counting_snapshot(&self) -> Result<CountingSnapshot> {
        let mut tx = self.begin_patient_read().await?;
        let snapshot = read_snapshot(&mut tx).await?;
        tx.rollback().await.map_err(during("reading the account"))?;
        Ok(snapshot)
    }

    /// Counts everything again, in one snapshot, and names what differs.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn recount_counting(&self) -> Result<CountingRecount> {
        let mut tx = self.begin_patient_read().await?;
        let snapshot = read_snapshot(&mut tx).await?;
        let (ledger_rows, ledger) = grouped(&mut tx, LEDGER).await?;
        let (parked_rows, parked) = grouped(&mut tx, PARKED).await?;
        let mut recount = CountingRecount { ledger_rows, parked_rows, ..CountingRecount::default() };
        for aside in &snapshot.shards {
            let usage = sqlx::query(USAGE).bind(i64::from(aside.shard.get())).fetch_one(&mut *tx).await;
            let usage = usage.map_err(during("recounting usage"))?;
            recount.usage_rows += number::<u64>(&usage, 0)?;
            let counted = i128::from(integer(&usage, 1)?) + i128::from(aside.expired);
            compare_shard(&mut recount.differences, &snapshot.replicas, aside.shard, counted, &ledger, &parked);
        }
        recount.differences.extend(snapshot.reporters.iter().filter_map(reporter_difference));
        recount.differences.truncate(DIFFERENCES_MAX);
        tx.rollback().await.map_err(during("recounting"))?;
        Ok(recount)
    }

    async fn begin_patient_read(&self) -> Result<Transaction<'static, Any>> {
        let mut tx = self.begin_read().await?;
        if let Some(patience) = self.engine().patience() {
            sqlx::query(patience).execute(&mut *tx).await.map_err(during("asking for patience"))?;
        }
        Ok(tx)
    }
}

async fn read_snapshot(connection: &mut AnyConnection) -> Result<CountingSnapshot> {
    let reading = "reading the account";
    let replicas = read_marks(&mut *connection, None).await?;
    let expired = sqlx::query(EXPIRED).fetch_all(&mut *connection).await.map_err(during(reading))?;
    let corrected = sqlx::query(CORRECTED).fetch_all(&mut *connection).await.map_err(during(reading))?;
    let mut shards: Vec<ShardAside> =
        ShardIndex::all().map(|shard| ShardAside { shard, expired: 0, corrected: 0 }).collect();
    for row in &expired {
        shards[shard_of(row, 0)?.index()].expired = number(row, 1)?;
    }
    for row in &corrected {
        shards[shard_of(row, 0)?.index()].corrected = integer(row, 1)?;
    }
    let mut sums: BTreeMap<NodeId, [i64; 4]> = BTreeMap::new();
    let totals = sqlx::query(TOTALS).fetch_all(&mut *connection).await.map_err(during(reading))?;
    for row in &totals {
        let folded = [integer(row, 1)?, integer(row, 2)?, integer(row, 3)?, integer(row, 4)?];
        sums.insert(parsed(NodeId::parse, text(row, 0)?)?, folded);
    }
    for marks in &replicas {
        let blobs = read_blobs(&mut *connection, &marks.replica, None).await?;
        for blob in blobs.into_iter().filter(|it| it.parts.generation <= marks.smallest()) {
            for part in blob.parts.parts {
                add(sums.entry(part.reporter).or_default(), part.totals)?;
            }
        }
    }
    let line = |(reporter, sums)| Ok(ReporterLine { reporter, totals: totals_of(sums)? });
    Ok(CountingSnapshot { replicas, shards, reporters: sums.into_iter().map(line).collect::<Result<_>>()? })
}

/// Bytes of rows by (replica, shard), with the number of rows.
type Grouped = BTreeMap<(String, ShardIndex), i128>;

async fn grouped(connection: &mut AnyConnection, statement: &'static str) -> Result<(u64, Grouped)> {
    let rows = sqlx::query(statement).fetch_all(connection).await.map_err(during("recounting"))?;
    let mut count = 0;
    let mut read = |row: &AnyRow| {
        count += number::<u64>(row, 2)?;
        Ok(((text(row, 0)?.to_owned(), shard_of(row, 1)?), i128::from(integer(row, 3)?)))
    };
    let grouped = rows.iter().map(&mut read).collect::<Result<_>>()?;
    Ok((count, grouped))
}

/// Compares the watermarks of a shard with what was counted of it.
fn compare_shard(
    differences: &mut Vec<CountingDifference>,
    replicas: &[ReplicaMarks],
    shard: ShardIndex,
    usage: i128,
    ledger: &Grouped,
    parked: &Grouped,
) {
    let mut durable = 0;
    for marks in replicas {
        let totals = marks.shards[shard.index()].totals;
        let key = (marks.replica.as_str().to_owned(), shard);
        let of = |grouped: &Grouped| grouped.get(&key).copied().unwrap_or_default();
        durable += i128::from(totals.durable);
        let figures = [
            (Between::ReceivedAndAccounted, i128::from(totals.received), accounted(totals)),
            (
                Between::MarkAndLedger,
                i128::from(totals.durable),
                of(ledger) + i128::from(totals.pruned) + i128::from(totals.unparked),
            ),
            (Between::MarkAndParked, i128::from(totals.parked), of(parked)),
        ];
        for (between, recorded, counted) in figures.into_iter().filter(|(_, one, two)| one != two) {
            let (replica, shard) = (Some(marks.replica.clone()), Some(shard));
            differences.push(CountingDifference { between, replica, shard, reporter: None, recorded, counted });
        }
    }
    if durable != usage {
        differences.push(CountingDifference {
            between: Between::MarksAndUsage,
            replica: None,
            shard: Some(shard),
            reporter: None,
            recorded: durable,
            counted: usage,
        });
    }
}

fn accounted(totals: ShardTotals) -> i128 {
    i128::from(totals.durable) + i128::from(totals.parked) + i128::from(totals.rejected)
}

fn reporter_difference(line: &ReporterLine) -> Option<CountingDifference> {
    let ReporterTotals { received, counted, parked, rejected } = line.totals;
    let accounted = i128::from(counted) + i128::from(parked) + i128::from(rejected);
    let recorded = i128::from(received);
    (recorded != accounted).then(|| CountingDifference {
        between: Between::ReporterAccount,
        replica: None,
        shard: None,
        reporter: Some(line.reporter.clone()),
        recorded,
        counted: accounted,
    })
}
