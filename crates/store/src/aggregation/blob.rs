//! What a generation says of its reporters, written before any of its shards commits, and folded into rows when every
//! shard has passed it.
//!
//! With it a replay after a lost disk knows exactly what is durable (I10). A blob that stands is never written again:
//! it decides for good which reporters were at home here and which are stranded. Folding is exact: it deletes the
//! blobs that it read and names them, and a generation that is folded takes no blob any more.

use std::collections::{BTreeMap, BTreeSet};

use domain::aggregation::GenerationIndex;
use domain::ids::{NodeId, ReplicaId};
use domain::time::Micros;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::replica::{Hold, cell, hold_own, stored};
use super::reporter_home::restore_homes;
use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, blob, integer, number, parsed};
use crate::error::{Result, StoreError, during};

/// Bytes of a reporter: received = counted + parked + rejected (I11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReporterTotals {
    pub received: u64,
    /// Counted in usage.
    pub counted: u64,
    pub parked: u64,
    pub rejected: u64,
}

/// What one generation holds of one life of a reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReporterPart {
    pub reporter: NodeId,
    pub incarnation: u64,
    /// The last sequence in it.
    pub through: u64,
    pub totals: ReporterTotals,
}

/// The reporters that a generation touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationParts {
    pub generation: GenerationIndex,
    /// In any order, each (reporter, incarnation) once.
    pub parts: Vec<ReporterPart>,
}

/// A life whose home is elsewhere: what this generation holds of it must be left out of the flush.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stranded {
    pub generation: GenerationIndex,
    pub reporter: NodeId,
    pub incarnation: u64,
}

/// What was folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// Everything up to here is folded now, whenever that was.
    pub folded: GenerationIndex,
    /// What this call folded; none: there is nothing more to fold for now.
    pub generations: Vec<GenerationIndex>,
}

/// Sixty-four generations in one call: an hour of catching up.
pub const BLOBS_PER_CALL_MAX: usize = 64;

/// Sixty-four generations in one fold: its transaction stays short.
pub const FOLD_GENERATIONS_MAX: usize = 64;

/// The bytes of a blob; the variant is its version.
#[derive(Serialize, Deserialize)]
enum Body {
    V1(Vec<StoredPart>),
}

/// A part as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct StoredPart {
    reporter: String,
    incarnation: u64,
    through: u64,
    received: u64,
    counted: u64,
    parked: u64,
    rejected: u64,
}

impl StoredPart {
    fn of(part: &ReporterPart) -> Self {
        let ReporterTotals { received, counted, parked, rejected } = part.totals;
        let (reporter, incarnation, through) = (part.reporter.as_str().to_owned(), part.incarnation, part.through);
        Self { reporter, incarnation, through, received, counted, parked, rejected }
    }

    fn read(self) -> Result<ReporterPart> {
        let Self { received, counted, parked, rejected, .. } = self;
        Ok(ReporterPart {
            reporter: parsed(NodeId::parse, &self.reporter)?,
            incarnation: self.incarnation,
            through: self.through,
            totals: ReporterTotals { received, counted, parked, rejected },
        })
    }
}

const STANDING: Bulk = Bulk {
    during: "reading blobs",
    sql: "WITH source (generation) AS ({source})
SELECT b.generation, b.body
FROM source s
CROSS JOIN reporter_blob b
WHERE b.generation = s.generation AND b.replica_id = $1",
    columns: &[ColumnType::Integer],
};

const PUT: &str = "INSERT INTO reporter_blob (replica_id, generation, body, at_us)
VALUES ($1, $2, $3, $4)";

const BLOBS: &str = "SELECT generation, at_us, body
FROM reporter_blob
WHERE replica_id = $1
ORDER BY generation
LIMIT $2";

const SMALLEST: &str = "SELECT MIN(generation) FROM watermark WHERE replica_id = $1";

const FOLD: Bulk = Bulk {
    during: "folding reporters",
    sql: "WITH source (reporter_id, incarnation, through, received, counted, parked, rejected) AS ({source})
INSERT INTO reporter_total (reporter_id, incarnation, replica_id, through, received, counted, parked, rejected)
SELECT reporter_id, incarnation, $1, through, received, counted, parked, rejected
FROM source
WHERE true
ON CONFLICT (reporter_id, incarnation, replica_id) DO UPDATE
SET through = CASE WHEN excluded.through > reporter_total.through THEN excluded.through ELSE reporter_total.through END,
  received = reporter_total.received + excluded.received, counted = reporter_total.counted + excluded.counted,
  parked = reporter_total.parked + excluded.parked, rejected = reporter_total.rejected + excluded.rejected",
    columns: &[
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Integer,
    ],
};

/// Shards that were ahead of the others once and are no more.
const OVERTAKEN: Bulk = Bulk {
    during: "forgetting shards that were ahead",
    sql: "WITH source (reporter_id, incarnation, through) AS ({source})
DELETE FROM reporter_ahead
WHERE EXISTS (
  SELECT 1
  FROM source s
  WHERE s.reporter_id = reporter_ahead.reporter_id AND s.incarnation = reporter_ahead.incarnation
    AND s.through >= reporter_ahead.sequence)",
    columns: &[ColumnType::Text, ColumnType::Integer, ColumnType::Integer],
};

const IS_ANY_AHEAD: &str = "SELECT 1 FROM reporter_ahead LIMIT 1";

const DELETE: Bulk = Bulk {
    during: "deleting folded blobs",
    sql: "WITH source (generation) AS ({source})
DELETE FROM reporter_blob
WHERE generation IN (SELECT generation FROM source) AND replica_id = $1",
    columns: &[ColumnType::Integer],
};

const CLEANED: Bulk = Bulk {
    during: "marking generations as cleaned",
    sql: "WITH source (generation) AS ({source})
UPDATE ledger
SET state = 'cleaned'
WHERE generation IN (SELECT generation FROM source) AND replica_id = $1 AND state = 'committed'",
    columns: &[ColumnType::Integer],
};

const SET_FOLDED: &str = "UPDATE intake_replica SET folded = $1 WHERE replica_id = $2";

impl Store {
    /// Writes what generations hold of their reporters, before any shard of them commits, and names those at home
    /// elsewhere. May be repeated: a blob that stands stays as it is and decides who is stranded.
    ///
    /// # Errors
    /// [`StoreError::ReplicaClosed`] after a retirement; [`StoreError::FormerLife`] when another process has opened the
    /// replica; [`StoreError::TwoLogs`] when a generation stands with other contents. Nothing was written then, nor after [`StoreError::Contention`]; after [`StoreError::Unavailable`] do
    /// it again.
    pub async fn put_reporter_blobs(
        &self,
        replica: &ReplicaId,
        generations: &[GenerationParts],
        now: Micros,
    ) -> Result<Vec<Stranded>> {
        if generations.len() > BLOBS_PER_CALL_MAX {
            return Err(StoreError::misuse(format!("at most {BLOBS_PER_CALL_MAX} generations in one call")));
        }
        let engine = self.engine();
        let mut tx = self.begin_write().await?;
        // Alone: two flushers of one replica write its blobs one after the other, and the second finds the first's.
        let held = hold_own(self, &mut tx, replica, Hold::Alone).await?;
        // A flusher that slept through the fold must not bring a generation back: it would be folded twice.
        let live: Vec<&GenerationParts> = generations.iter().filter(|it| it.generation > held.folded).collect();
        let lives: BTreeSet<(&str, u64)> =
            live.iter().flat_map(|it| &it.parts).map(|it| (it.reporter.as_str(), it.incarnation)).collect();
        let mut keys = Vec::with_capacity(lives.len() * 2);
        for (reporter, incarnation) in lives {
            keys.extend([Cell::from(reporter), cell(incarnation)?]);
        }
        let elsewhere = restore_homes(engine, &mut tx, replica, &keys, now).await?;
        let elsewhere: BTreeSet<(&str, u64)> = elsewhere.iter().map(|(id, life)| (id.as_str(), *life)).collect();
        let mut standing = standing(engine, &mut tx, replica, &live).await?;
        let mut stranded = Vec::new();
        for it in live {
            let of_it = match standing.remove(&it.generation) {
                Some(found) => compare(replica, it, found)?,
                None => put(&mut tx, replica, it, &elsewhere, now).await?,
            };
            stranded.extend(of_it.into_iter().map(|part| Stranded {
                generation: it.generation,
                reporter: part.reporter.clone(),
                incarnation: part.incarnation,
            }));
        }
        tx.commit().await.map_err(during("writing blobs"))?;
        Ok(stranded)
    }

    /// Folds the reporters of generations up to `through` that every shard has passed and whose blobs were written
    /// before a time, oldest first, at most [`FOLD_GENERATIONS_MAX`]; marks their ledger rows as cleaned. Call it again
    /// until it names none; the log may then drop everything up to what is folded.
    ///
    /// # Errors
    /// [`StoreError::ReplicaClosed`], [`StoreError::FormerLife`] and [`StoreError::Contention`]: nothing was folded.
    /// [`StoreError::Unavailable`]: call it again.
    pub async fn fold_generations(
        &self,
        replica: &ReplicaId,
        through: GenerationIndex,
        blobs_before: Micros,
    ) -> Result<Folded> {
        let mut tx = self.begin_write().await?;
        let held = hold_own(self, &mut tx, replica, Hold::Alone).await?;
        let smallest = sqlx::query(SMALLEST).bind(replica.as_str()).fetch_one(&mut *tx).await;
        let smallest = GenerationIndex(number(&smallest.map_err(during("reading the smallest watermark"))?, 0)?);
        let may = |it: &Blob| it.parts.generation <= through.min(smallest) && it.at < blobs_before;
        let blobs = read_blobs(&mut tx, replica, Some(FOLD_GENERATIONS_MAX)).await?;
        let blobs: Vec<GenerationParts> = blobs.into_iter().take_while(may).map(|it| it.parts).collect();
        let Some(last) = blobs.last().map(|it| it.generation) else {
            return Ok(Folded { folded: held.folded, generations: Vec::new() });
        };
        fold(self.engine(), &mut tx, replica, &blobs).await?;
        let generations: Vec<GenerationIndex> = blobs.iter().map(|it| it.generation).collect();
        delete_blobs(self.engine(), &mut tx, replica, &generations).await?;
        mark_cleaned(self.engine(), &mut tx, replica, &generations).await?;
        set_folded(&mut tx, replica, last).await?;
        tx.commit().await.map_err(during("folding reporters"))?;
        Ok(Folded { folded: last, generations })
    }
}

/// A blob with the time at which it was written.
pub(super) struct Blob {
    pub parts: GenerationParts,
    pub at: Micros,
}

/// Writes a blob without those that are at home elsewhere, and answers with them.
async fn put<'a>(
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    generation: &'a GenerationParts,
    elsewhere: &BTreeSet<(&str, u64)>,
    now: Micros,
) -> Result<Vec<&'a ReporterPart>> {
    let is_stranded = |it: &&ReporterPart| elsewhere.contains(&(it.reporter.as_str(), it.incarnation));
    let (stranded, here): (Vec<_>, Vec<_>) = generation.parts.iter().partition(is_stranded);
    let mut here: Vec<StoredPart> = here.into_iter().map(StoredPart::of).collect();
    here.sort_unstable();
    let body = postcard::to_stdvec(&Body::V1(here)).map_err(|_| StoreError::misuse("a blob that cannot be written"))?;
    let put = sqlx::query(PUT).bind(replica.as_str()).bind(stored(generation.generation.0)?).bind(body).bind(now.0);
    put.execute(connection).await.map_err(during("writing a blob"))?;
    Ok(stranded)
}

/// The parts that a standing blob lacks. What it has must be what is given now, or two logs bear one name.
fn compare<'a>(
    replica: &ReplicaId,
    given: &'a GenerationParts,
    standing: Vec<StoredPart>,
) -> Result<Vec<&'a ReporterPart>> {
    let mut standing: BTreeMap<(String, u64), StoredPart> =
        standing.into_iter().map(|it| ((it.reporter.clone(), it.incarnation), it)).collect();
    let mut stranded = Vec::new();
    let mut is_equal = true;
    for part in &given.parts {
        match standing.remove(&(part.reporter.as_str().to_owned(), part.incarnation)) {
            Some(found) => is_equal &= found == StoredPart::of(part),
            None => stranded.push(part),
        }
    }
    if is_equal && standing.is_empty() {
        return Ok(stranded);
    }
    Err(StoreError::TwoLogs { replica: replica.clone(), generation: given.generation })
}

/// The blobs of these generations that stand.
async fn standing(
    engine: Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    generations: &[&GenerationParts],
) -> Result<BTreeMap<GenerationIndex, Vec<StoredPart>>> {
    let keys: Vec<Cell<'_>> = generations.iter().map(|it| cell(it.generation.0)).collect::<Result<_>>()?;
    let rows = STANDING.fetch(engine, connection, &keys, &[replica.as_str().into()]).await?;
    rows.iter().map(|row| Ok((GenerationIndex(number(row, 0)?), decode(blob(row, 1)?)?))).collect()
}

fn decode(body: &[u8]) -> Result<Vec<StoredPart>> {
    let Body::V1(parts) = postcard::from_bytes(body).map_err(|_| StoreError::corrupt("a blob that cannot be read"))?;
    Ok(parts)
}

/// The blobs of a replica, by generation.
pub(super) async fn read_blobs(
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    limit: Option<usize>,
) -> Result<Vec<Blob>> {
    let limit = limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = sqlx::query(BLOBS).bind(replica.as_str()).bind(limit).fetch_all(connection).await;
    let rows = rows.map_err(during("reading blobs"))?;
    let read = |row| {
        let parts = decode(blob(row, 2)?)?.into_iter().map(StoredPart::read).collect::<Result<_>>()?;
        let parts = GenerationParts { generation: GenerationIndex(number(row, 0)?), parts };
        Ok(Blob { parts, at: Micros(integer(row, 1)?) })
    };
    rows.iter().map(read).collect()
}

/// Adds what generations say of their reporters to the rows, in key order.
pub(super) async fn fold(
    engine: Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    generations: &[GenerationParts],
) -> Result<()> {
    let mut sums: BTreeMap<(&str, u64), (u64, [i64; 4])> = BTreeMap::new();
    for part in generations.iter().flat_map(|it| &it.parts) {
        let (through, sum) = sums.entry((part.reporter.as_str(), part.incarnation)).or_default();
        *through = part.through.max(*through);
        let ReporterTotals { received, counted, parked, rejected } = part.totals;
        for (sum, more) in sum.iter_mut().zip([received, counted, parked, rejected]) {
            *sum = sum.checked_add(stored(more)?).ok_or_else(|| StoreError::misuse("a total beyond 63 bits"))?;
        }
    }
    let (mut totals, mut throughs) = (Vec::with_capacity(sums.len() * 7), Vec::with_capacity(sums.len() * 3));
    for ((reporter, incarnation), (through, sum)) in sums {
        let key = [Cell::from(reporter), cell(incarnation)?, cell(through)?];
        totals.extend(key.into_iter().chain(sum.map(Cell::Integer)));
        throughs.extend(key);
    }
    FOLD.execute(engine, &mut *connection, &totals, &[replica.as_str().into()]).await?;
    let ahead = sqlx::query(IS_ANY_AHEAD).fetch_all(&mut *connection).await;
    if !ahead.map_err(during("looking for shards that are ahead"))?.is_empty() {
        OVERTAKEN.execute(engine, connection, &throughs, &[]).await?;
    }
    Ok(())
}

/// Changes the totals of reporters by signed amounts: received, counted, parked, rejected. In key order.
pub(super) async fn move_totals(
    engine: Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    moves: &BTreeMap<(NodeId, u64), [i64; 4]>,
) -> Result<()> {
    let mut cells = Vec::with_capacity(moves.len() * 7);
    for ((reporter, incarnation), by) in moves {
        cells.extend([Cell::from(reporter.as_str()), cell(*incarnation)?, Cell::Integer(0)]);
        cells.extend(by.map(Cell::Integer));
    }
    FOLD.execute(engine, connection, &cells, &[replica.as_str().into()]).await.map(|_| ())
}

pub(super) async fn delete_blobs(
    engine: Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    generations: &[GenerationIndex],
) -> Result<()> {
    let keys: Vec<Cell<'_>> = generations.iter().map(|it| cell(it.0)).collect::<Result<_>>()?;
    DELETE.execute(engine, connection, &keys, &[replica.as_str().into()]).await.map(|_| ())
}

pub(super) async fn mark_cleaned(
    engine: Engine,
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    generations: &[GenerationIndex],
) -> Result<()> {
    let keys: Vec<Cell<'_>> = generations.iter().map(|it| cell(it.0)).collect::<Result<_>>()?;
    CLEANED.execute(engine, connection, &keys, &[replica.as_str().into()]).await.map(|_| ())
}

pub(super) async fn set_folded(
    connection: &mut AnyConnection,
    replica: &ReplicaId,
    folded: GenerationIndex,
) -> Result<()> {
    let set = sqlx::query(SET_FOLDED).bind(stored(folded.0)?).bind(replica.as_str()).execute(connection).await;
    set.map(|_| ()).map_err(during("recording what is folded"))
}
