//! What the store holds of each life of a reporter: up to which sequence, in which shards more, and how many bytes.
//!
//! It is put together in one snapshot from the folded rows, the blobs above them and the watermarks (I12); bytes are
//! those of generations that every shard has passed. A replica that lost its disk, or a new home after a retirement,
//! counts a replayed report in exactly the shards that this does not hold it for (I10).

use std::collections::{BTreeMap, BTreeSet};

use domain::aggregation::{GenerationIndex, Marks, ShardIndex, Vector};
use domain::ids::{NodeId, ReplicaId};
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use super::blob::{Blob, ReporterTotals, read_blobs};
use super::replica::{ReplicaMarks, cell, read_marks, shard_of, stored};
use super::reporter_home::{ReporterHome, home_of};
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::engine::{Store, integer, maybe_number, number, parsed, text};
use crate::error::{Result, StoreError, during};
use crate::master_data::PAGE_MAX;

/// What is held of one life of a reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReporterState {
    pub reporter: NodeId,
    pub incarnation: u64,
    pub home: ReporterHome,
    /// Up to which sequence every shard holds all, and which shards hold more.
    pub vector: Vector,
    /// Bytes of the generations that every shard has passed.
    pub totals: ReporterTotals,
    /// Sequences that were skipped, both ends included, be it that they arrived since.
    pub gap: Option<(u64, u64)>,
    /// Sequences of former lives that never arrived; only [`Store::list_reporters`] looks for them.
    pub lost: Vec<LostRange>,
}

/// Sequences that will never arrive: a newer life of their reporter has begun. Both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRange {
    pub incarnation: u64,
    pub from: u64,
    pub to: u64,
}

/// Ten thousand reporters in one read: a megabyte or two.
pub const REPORTERS_PER_READ_MAX: u32 = 10_000;

/// A hundred former lives of each reporter are looked at for what was lost: the newest matter.
const FORMER_LIVES_MAX: i64 = 100;

const ONE: &str = "SELECT reporter_id, incarnation, replica_id, term, claimed_us, gap_from, gap_to
FROM reporter_home
WHERE reporter_id = $1 AND incarnation = $2";

const AT_HOME: &str = "SELECT reporter_id, incarnation, replica_id, term, claimed_us, gap_from, gap_to
FROM reporter_home
WHERE replica_id = $1 AND (reporter_id, incarnation) > ($2, $3)
ORDER BY reporter_id, incarnation
LIMIT $4";

const NEWEST: &str = "SELECT h.reporter_id, h.incarnation, h.replica_id, h.term, h.claimed_us, h.gap_from, h.gap_to
FROM reporter_home h
WHERE h.reporter_id > $1
  AND NOT EXISTS (SELECT 1 FROM reporter_home n WHERE n.reporter_id = h.reporter_id AND n.incarnation > h.incarnation)
ORDER BY h.reporter_id
LIMIT $2";

const GAPS: &str = "SELECT reporter_id, incarnation, replica_id, term, claimed_us, gap_from, gap_to
FROM reporter_home
WHERE reporter_id = $1 AND incarnation < $2 AND gap_from IS NOT NULL
ORDER BY incarnation DESC
LIMIT $3";

const TOTALS: Bulk = Bulk {
    during: "reading the totals of reporters",
    sql: "WITH source (reporter_id, incarnation) AS ({source})
SELECT t.reporter_id, t.incarnation, CAST(MAX(t.through) AS BIGINT), CAST(SUM(t.received) AS BIGINT),
  CAST(SUM(t.counted) AS BIGINT), CAST(SUM(t.parked) AS BIGINT), CAST(SUM(t.rejected) AS BIGINT)
FROM source s
CROSS JOIN reporter_total t
WHERE t.reporter_id = s.reporter_id AND t.incarnation = s.incarnation
GROUP BY t.reporter_id, t.incarnation",
    columns: &[ColumnType::Text, ColumnType::Integer],
};

const AHEAD: Bulk = Bulk {
    during: "reading shards that are ahead",
    sql: "WITH source (reporter_id, incarnation) AS ({source})
SELECT a.reporter_id, a.incarnation, a.shard, a.sequence
FROM source s
CROSS JOIN reporter_ahead a
WHERE a.reporter_id = s.reporter_id AND a.incarnation = s.incarnation",
    columns: &[ColumnType::Text, ColumnType::Integer],
};

impl Store {
    /// What is held of a life of a reporter; nothing when it has no home.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn load_reporter(&self, reporter: &NodeId, incarnation: u64) -> Result<Option<ReporterState>> {
        let mut tx = self.begin_read().await?;
        let one = sqlx::query(ONE).bind(reporter.as_str()).bind(stored(incarnation)?).fetch_all(&mut *tx).await;
        let states = self.states(&mut tx, &one.map_err(during("reading a reporter"))?).await?;
        tx.rollback().await.map_err(during("reading a reporter"))?;
        Ok(states.into_iter().next())
    }

    /// What is held of all lives that are at home on a replica, by (reporter, incarnation), at most
    /// [`REPORTERS_PER_READ_MAX`].
    ///
    /// # Errors
    /// As [`Store::load_reporter`].
    pub async fn load_reporters_of(
        &self,
        replica: &ReplicaId,
        after: Option<(&NodeId, u64)>,
        limit: u32,
    ) -> Result<Vec<ReporterState>> {
        let (reporter, incarnation) = after.map_or(("", 0), |(reporter, life)| (reporter.as_str(), life));
        let mut tx = self.begin_read().await?;
        let homes = sqlx::query(AT_HOME).bind(replica.as_str()).bind(reporter).bind(stored(incarnation)?);
        let homes = homes.bind(i64::from(limit.min(REPORTERS_PER_READ_MAX))).fetch_all(&mut *tx).await;
        let states = self.states(&mut tx, &homes.map_err(during("reading reporters"))?).await?;
        tx.rollback().await.map_err(during("reading reporters"))?;
        Ok(states)
    }

    /// The newest life of each reporter, by reporter, at most [`PAGE_MAX`], with what former lives lost.
    ///
    /// # Errors
    /// As [`Store::load_reporter`].
    pub async fn list_reporters(&self, after: Option<&NodeId>, limit: u32) -> Result<Vec<ReporterState>> {
        let limit = i64::from(limit.min(PAGE_MAX));
        let mut tx = self.begin_read().await?;
        let newest = sqlx::query(NEWEST).bind(after.map_or("", NodeId::as_str)).bind(limit).fetch_all(&mut *tx).await;
        let mut states = self.states(&mut tx, &newest.map_err(during("listing reporters"))?).await?;
        for state in &mut states {
            let gaps = sqlx::query(GAPS).bind(state.reporter.as_str()).bind(stored(state.incarnation)?);
            let gaps = gaps.bind(FORMER_LIVES_MAX).fetch_all(&mut *tx).await.map_err(during("reading gaps"))?;
            state.lost = self.states(&mut tx, &gaps).await?.iter().filter_map(lost_of).collect();
        }
        tx.rollback().await.map_err(during("listing reporters"))?;
        Ok(states)
    }

    /// The states of these homes, in their order.
    async fn states(&self, tx: &mut Transaction<'static, Any>, homes: &[AnyRow]) -> Result<Vec<ReporterState>> {
        let mut states: Vec<ReporterState> = homes.iter().map(state_of).collect::<Result<_>>()?;
        if states.is_empty() {
            return Ok(states);
        }
        let mut keys = Vec::with_capacity(states.len() * 2);
        for it in &states {
            keys.extend([Cell::from(it.reporter.as_str()), cell(it.incarnation)?]);
        }
        let totals = TOTALS.fetch(self.engine(), &mut *tx, &keys, &[]).await?;
        let ahead = AHEAD.fetch(self.engine(), &mut *tx, &keys, &[]).await?;
        drop(keys);
        let homes: BTreeSet<&ReplicaId> = states.iter().map(|it| &it.home.replica).collect();
        let mut held = Held::default();
        for replica in homes {
            let marks = read_marks(&mut *tx, Some(replica)).await?;
            let marks = marks.first().ok_or_else(|| StoreError::corrupt("a home on a replica that is not there"))?;
            held.add_blobs(marks, read_blobs(&mut *tx, replica, None).await?);
        }
        held.add_rows(&totals, &ahead)?;
        for state in &mut states {
            held.fill(state)?;
        }
        Ok(states)
    }
}

/// What was read of several lives, by (reporter, incarnation).
#[derive(Default)]
struct Held {
    folded: BTreeMap<(NodeId, u64), (u64, [i64; 4])>,
    ahead: BTreeMap<(NodeId, u64), Vec<(ShardIndex, u64)>>,
    /// By home.
    replicas: BTreeMap<ReplicaId, Touched>,
}

/// What a replica holds of lives above what is folded.
struct Touched {
    marks: Marks,
    smallest: GenerationIndex,
    touches: BTreeMap<(NodeId, u64), Vec<Touch>>,
}

/// What a generation says of one life.
#[derive(Clone, Copy)]
struct Touch {
    generation: GenerationIndex,
    through: u64,
    totals: ReporterTotals,
}

impl Held {
    fn add_blobs(&mut self, marks: &ReplicaMarks, blobs: Vec<Blob>) {
        let mut touches: BTreeMap<(NodeId, u64), Vec<Touch>> = BTreeMap::new();
        for Blob { parts, .. } in blobs {
            let generation = parts.generation;
            for part in parts.parts {
                let touch = Touch { generation, through: part.through, totals: part.totals };
                touches.entry((part.reporter, part.incarnation)).or_default().push(touch);
            }
        }
        let touched = Touched { marks: marks.generations(), smallest: marks.smallest(), touches };
        self.replicas.insert(marks.replica.clone(), touched);
    }

    fn add_rows(&mut self, totals: &[AnyRow], ahead: &[AnyRow]) -> Result<()> {
        for row in totals {
            let sums = [integer(row, 3)?, integer(row, 4)?, integer(row, 5)?, integer(row, 6)?];
            self.folded.insert(key_of(row)?, (number(row, 2)?, sums));
        }
        for row in ahead {
            self.ahead.entry(key_of(row)?).or_default().push((shard_of(row, 2)?, number(row, 3)?));
        }
        Ok(())
    }

    fn fill(&self, state: &mut ReporterState) -> Result<()> {
        let key = (state.reporter.clone(), state.incarnation);
        let (folded, mut sums) = self.folded.get(&key).copied().unwrap_or_default();
        let mut vector = Vector::new(folded, []);
        if let Some(Touched { marks, smallest, touches }) = self.replicas.get(&state.home.replica) {
            let touches = touches.get(&key).map_or(&[][..], Vec::as_slice);
            vector = Vector::of_generations(folded, touches.iter().map(|it| (it.generation, it.through)), marks);
            for touch in touches.iter().filter(|it| it.generation <= *smallest) {
                add(&mut sums, touch.totals)?;
            }
        }
        let ahead = self.ahead.get(&key).into_iter().flatten().copied();
        vector.join(&Vector::new(vector.through(), ahead));
        (state.vector, state.totals) = (vector, totals_of(sums)?);
        Ok(())
    }
}

/// Adds totals to sums of received, counted, parked and rejected bytes.
pub(super) fn add(sums: &mut [i64; 4], totals: ReporterTotals) -> Result<()> {
    let ReporterTotals { received, counted, parked, rejected } = totals;
    for (sum, more) in sums.iter_mut().zip([received, counted, parked, rejected]) {
        *sum = sum.checked_add(stored(more)?).ok_or_else(|| StoreError::corrupt("a total beyond 63 bits"))?;
    }
    Ok(())
}

/// Sums of received, counted, parked and rejected bytes as totals.
pub(super) fn totals_of([received, counted, parked, rejected]: [i64; 4]) -> Result<ReporterTotals> {
    let positive = |sum: i64| {
        u64::try_from(sum).map_err(|_| StoreError::corrupt(format!("a reporter's total is below zero: {sum}")))
    };
    Ok(ReporterTotals {
        received: positive(received)?,
        counted: positive(counted)?,
        parked: positive(parked)?,
        rejected: positive(rejected)?,
    })
}

fn key_of(row: &AnyRow) -> Result<(NodeId, u64)> {
    Ok((parsed(NodeId::parse, text(row, 0)?)?, number(row, 1)?))
}

fn state_of(row: &AnyRow) -> Result<ReporterState> {
    let (reporter, incarnation) = key_of(row)?;
    let gap = maybe_number(row, 5)?.zip(maybe_number(row, 6)?);
    let (vector, totals) = (Vector::default(), ReporterTotals::default());
    Ok(ReporterState { reporter, incarnation, home: home_of(row, 2)?, vector, totals, gap, lost: Vec::new() })
}

/// The part of a former life's gap that never arrived.
fn lost_of(state: &ReporterState) -> Option<LostRange> {
    let (from, to) = state.gap?;
    let from = from.max(state.vector.through() + 1);
    (from <= to).then_some(LostRange { incarnation: state.incarnation, from, to })
}
