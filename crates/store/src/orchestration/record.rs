//! The record of a batch, and how any decision is rebuilt from it (I9).
//!
//! A batch holds its start (frame and state) or names the batch that does; the decisions of all batches between lead
//! from there to its start. The blobs are postcard of types of `domain`: a change of those needs a new column.

use domain::ids::{DecisionId, Revision};
use domain::orchestration::{Batch, Decided, Frame, State, replay_state};
use domain::time::Micros;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;

use super::batch::BatchCommit;
use crate::audit::AuditLeaf;
use crate::change::Change;
use crate::engine::{Store, blob, integer, maybe_number, number, revision, text};
use crate::error::{Result, StoreError, during};
use crate::tasks::LeaseProof;

/// Sixty-four batches: a single PUT makes a batch of one, and a snapshot of a thousand groups is 40 kilobytes.
pub const BASE_BATCHES_MAX: u32 = 64;

/// Half of a full batch: whoever explains a decision reads at most so many requests before its batch, and a snapshot for
/// each full batch adds but a fifth to what its five thousand decisions take.
pub const BASE_REQUESTS_MAX: u32 = 2_500;

/// What the next batch may stand on: a chain of batches without a void decision, in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The batch with the snapshot.
    snapshot: u64,
    /// The last batch of the chain.
    last: u64,
    batches: u32,
    requests: u32,
}

/// A batch without its decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    pub batch: u64,
    /// The leader's holding of the lease.
    pub term: i64,
    pub at: Micros,
    /// The revision of the topology that was decided on.
    pub revision: Revision,
    /// The version of the decision rules.
    pub rules: u32,
    /// The batch with the snapshot; none: it has its own.
    pub base: Option<u64>,
    pub actor: String,
    /// How many decisions.
    pub count: u32,
}

/// A batch as it was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub row: BatchRow,
    pub batch: Batch,
    /// SHA-256 of the requests and outcomes as they are kept.
    pub hash: [u8; 32],
}

const LAST: &str = "SELECT COALESCE(MAX(batch_id), 0) FROM decision_batch";

const PUT: &str =
    "INSERT INTO decision_batch (batch_id, term, at_us, revision, rules, base_id, actor, snapshot, decided,
  decisions, change_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const ROW: &str = "SELECT batch_id, term, at_us, revision, rules, base_id, actor, decisions
FROM decision_batch
WHERE batch_id = $1";

const CHAIN: &str = "SELECT batch_id, term, at_us, revision, rules, base_id, actor, decisions, decided
FROM decision_batch
WHERE batch_id >= $1 AND batch_id <= $2
ORDER BY batch_id
LIMIT $3";

const SNAPSHOT: &str = "SELECT snapshot FROM decision_batch WHERE batch_id = $1 AND snapshot IS NOT NULL";

/// The record that is about to be written.
pub(super) struct Record {
    pub batch: u64,
    base: Option<Base>,
}

impl Record {
    /// Finds the place of the next batch. Only the holder of the lease writes batches, so nobody else takes it.
    pub(super) async fn begin(change: &mut Change, batch: &BatchCommit<'_>) -> Result<Self> {
        let last = sqlx::query(LAST).fetch_one(change.parts().1).await.map_err(during("reading the last batch"))?;
        let last: u64 = number(&last, 0)?;
        match batch.base {
            // Another leader has written since: what the caller has in memory is not what stands.
            Some(base) if base.last != last => Err(StoreError::LeaseLost { name: batch.lease.name.clone() }),
            base => Ok(Self { batch: last + 1, base }),
        }
    }

    /// Writes the record and its audit leaf, and answers with what the next batch may stand on.
    pub(super) async fn write(
        &self,
        change: &mut Change,
        batch: &BatchCommit<'_>,
        recorded: &[Decided],
        is_whole: bool,
    ) -> Result<Option<Base>> {
        let snapshot = self.base.is_none().then(|| encode(&(batch.frame, batch.start)));
        let decided = encode(&recorded);
        let count = u32::try_from(recorded.len()).map_err(|_| StoreError::misuse("a batch is bounded"))?;
        let detail = format!(
            "count={count} decided={} snapshot={}",
            crate::hex(&Sha256::digest(&decided)),
            snapshot.as_ref().map_or_else(|| "-".to_owned(), |it| crate::hex(&Sha256::digest(it)))
        );
        let LeaseProof { term, .. } = batch.lease;
        let put = sqlx::query(PUT).bind(signed(self.batch)?).bind(*term).bind(batch.now.0);
        let put = put.bind(signed(batch.frame.revision.0)?).bind(i64::from(batch.frame.rules));
        let put = put.bind(self.base.map(|base| signed(base.snapshot)).transpose()?).bind(batch.actor.to_owned());
        let put = put.bind(snapshot).bind(decided).bind(i64::from(count)).bind(change.id());
        put.execute(change.parts().1).await.map_err(during("recording a batch"))?;
        change.stage(AuditLeaf { verb: "decide", kind: "Batch".to_owned(), id: self.batch.to_string(), detail });
        Ok(self.next_base(count, is_whole))
    }

    fn next_base(&self, count: u32, is_whole: bool) -> Option<Base> {
        let (snapshot, batches, requests) =
            self.base.map_or((self.batch, 0, 0), |it| (it.snapshot, it.batches, it.requests));
        let next = Base { snapshot, last: self.batch, batches: batches + 1, requests: requests + count };
        let is_short = next.batches <= BASE_BATCHES_MAX && next.requests <= BASE_REQUESTS_MAX;
        (is_whole && is_short).then_some(next)
    }
}

fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| StoreError::misuse("a counter has at most 63 bits"))
}

fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data always has a postcard form")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8], batch: u64) -> Result<T> {
    postcard::from_bytes(bytes)
        .map_err(|error| StoreError::corrupt(format!("batch {batch} does not read back: {error}")))
}

impl Store {
    /// A batch without its decisions.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is gone.
    pub async fn batch(&self, batch: u64) -> Result<Option<BatchRow>> {
        let rows = sqlx::query(ROW).bind(signed(batch)?).fetch_all(&mut *self.reader().await?).await;
        rows.map_err(during("reading a batch"))?.first().map(read).transpose()
    }

    /// The batch of a decision with the state it was run from; none when there is no such decision.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a batch that it stands on is missing.
    pub async fn rebuild(&self, decision: DecisionId) -> Result<Option<Rebuilt>> {
        let Some(row) = self.batch(decision.batch).await? else {
            return Ok(None);
        };
        if decision.ordinal >= row.count {
            return Ok(None);
        }
        let from = row.base.unwrap_or(row.batch);
        let mut tx = self.begin_read().await?;
        let snapshot = sqlx::query(SNAPSHOT).bind(signed(from)?).fetch_all(&mut *tx).await;
        let snapshot = snapshot.map_err(during("reading a snapshot"))?;
        let snapshot = snapshot.first().ok_or_else(|| StoreError::corrupt(format!("batch {from} has no snapshot")))?;
        let (frame, mut start): (Frame, State) = decode(blob(snapshot, 0)?, from)?;
        let limit = i64::from(BASE_BATCHES_MAX) + 1;
        let chain =
            sqlx::query(CHAIN).bind(signed(from)?).bind(signed(row.batch)?).bind(limit).fetch_all(&mut *tx).await;
        let chain = chain.map_err(during("reading a chain of batches"))?;
        if chain.len() as u64 != row.batch - from + 1 {
            return Err(StoreError::corrupt(format!("a batch between {from} and {} is missing", row.batch)));
        }
        let mut decided: Vec<Decided> = Vec::new();
        let mut hash = [0; 32];
        for link in &chain {
            // What stood in the former link leads from its start to the start of this one.
            replay_state(&frame, &mut start, &decided);
            let batch = number(link, 0)?;
            let kept = blob(link, 8)?;
            decided = decode(kept, batch)?;
            if batch == row.batch {
                hash = Sha256::digest(kept).into();
            }
        }
        Ok(Some(Rebuilt { row, batch: Batch { frame, start, decided }, hash }))
    }
}

fn read(row: &AnyRow) -> Result<BatchRow> {
    Ok(BatchRow {
        batch: number(row, 0)?,
        term: integer(row, 1)?,
        at: Micros(integer(row, 2)?),
        revision: revision(row, 3)?,
        rules: number(row, 4)?,
        base: maybe_number(row, 5)?,
        actor: text(row, 6)?.to_owned(),
        count: number(row, 7)?,
    })
}
