//! The audit log: leaves staged in the transaction of each mutation, chained later by one appender in commit order.
//!
//! A chain head that every transaction moved on would serialise them all. The leaf is stored as the very bytes that
//! are hashed, so anybody with the table and SHA-256 can check it (I24). Hashes of leaves are those of RFC 6962.

use domain::ids::Revision;
use domain::time::Micros;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;

use crate::bulk::{Bulk, Cell, ColumnType};
use crate::dialect::Engine;
use crate::engine::{Store, hash, integer, number, revision, text};
use crate::error::{Result, during};

/// What was done. Time, actor and change come from the change that stages it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLeaf {
    /// For example `create`, `update`, `delete`, `decide`.
    pub verb: &'static str,
    /// The kind of the object.
    pub kind: String,
    pub id: String,
    /// Never resident data (I22): counts and hashes, not labels.
    pub detail: String,
}

/// A leaf on its way.
#[derive(Debug, Clone)]
pub(crate) struct StagedLeaf {
    pub at: Micros,
    pub actor: String,
    pub leaf: AuditLeaf,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub seq: u64,
    pub revision: Revision,
    /// JSON: the bytes that are hashed.
    pub leaf: String,
    pub leaf_hash: [u8; 32],
    pub chain_hash: [u8; 32],
}

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    pub seq: u64,
    /// All zero before the first entry.
    pub chain_hash: [u8; 32],
    /// Leaves that are staged and not chained yet.
    pub staged: u64,
}

/// What a check of the log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCheck {
    /// Entries that were read.
    pub entries: u64,
    /// The first entry that is missing or whose hashes are not those of its leaf and of the entry before.
    pub broken_at: Option<u64>,
}

/// A thousand leaves in one transaction of the appender: a few hundred kilobytes.
pub const AUDIT_APPEND_MAX: u32 = 1_000;

/// A page of the log.
pub const AUDIT_PAGE_MAX: u32 = 1_000;

const STAGE: Bulk = Bulk {
    during: "staging audit leaves",
    sql: "WITH source (ordinal, at_us, actor, verb, kind, object_id, detail) AS ({source})
INSERT INTO audit_stage (change_id, ordinal, at_us, actor, verb, kind, object_id, detail)
SELECT $1, ordinal, at_us, actor, verb, kind, object_id, detail
FROM source",
    columns: &[
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
    ],
};

/// Writes the leaves of a change.
pub(crate) async fn stage_leaves(
    engine: Engine,
    connection: &mut AnyConnection,
    change_id: i64,
    leaves: &[StagedLeaf],
) -> Result<()> {
    let mut cells = Vec::with_capacity(leaves.len() * STAGE.columns.len());
    for (ordinal, staged) in (0u32..).zip(leaves) {
        let StagedLeaf { at, actor, leaf } = staged;
        cells.extend([Cell::from(ordinal), at.0.into(), actor.as_str().into(), leaf.verb.into()]);
        cells.extend([Cell::from(leaf.kind.as_str()), leaf.id.as_str().into(), leaf.detail.as_str().into()]);
    }
    STAGE.execute(engine, connection, &cells, &[change_id.into()]).await.map(|_| ())
}

const FIRST_HEAD: &str = "INSERT INTO audit_head (audit_head_id, seq, chain_hash)
VALUES (1, 0, $1)
ON CONFLICT (audit_head_id) DO NOTHING";

const HEAD: &str = "SELECT seq, chain_hash FROM audit_head WHERE audit_head_id = 1";

const STAGED: &str =
    "SELECT c.revision, s.change_id, s.ordinal, s.at_us, s.actor, s.verb, s.kind, s.object_id, s.detail
FROM audit_stage s
JOIN change c ON c.change_id = s.change_id
ORDER BY c.revision, s.ordinal
LIMIT $1";

const APPEND: &str = "INSERT INTO audit_entry (seq, revision, leaf, leaf_hash, chain_hash)
VALUES ($1, $2, $3, $4, $5)";

const UNSTAGE: Bulk = Bulk {
    during: "taking leaves off the stage",
    sql: "WITH source (change_id, ordinal) AS ({source})
DELETE FROM audit_stage
WHERE (change_id, ordinal) IN (SELECT change_id, ordinal FROM source)",
    columns: &[ColumnType::Integer, ColumnType::Integer],
};

const MOVE_HEAD: &str = "UPDATE audit_head SET seq = $1, chain_hash = $2 WHERE audit_head_id = 1";

const STAGED_COUNT: &str = "SELECT COUNT(*) FROM audit_stage";

const PAGE: &str = "SELECT seq, revision, leaf, leaf_hash, chain_hash
FROM audit_entry
WHERE seq > $1
ORDER BY seq
LIMIT $2";

impl Store {
    /// Chains staged leaves in commit order and says how many; 0 when all are chained. It may run anywhere, any number
    /// of times: appenders wait for each other.
    ///
    /// # Errors
    /// [`crate::StoreError::Contention`] and [`crate::StoreError::Unavailable`]: nothing was chained, run it again.
    pub async fn append_audit(&self, limit: u32) -> Result<u64> {
        let mut tx = self.begin_write().await?;
        let first = sqlx::query(FIRST_HEAD).bind(vec![0u8; 32]).execute(&mut *tx).await;
        first.map_err(during("preparing the audit log"))?;
        let head = sqlx::query(self.engine().exclude(HEAD)).fetch_one(&mut *tx).await;
        let head = head.map_err(during("locking the audit log"))?;
        let (mut seq, mut chain) = (integer(&head, 0)?, hash(&head, 1)?);
        let limit = i64::from(limit.min(AUDIT_APPEND_MAX));
        let staged = sqlx::query(STAGED).bind(limit).fetch_all(&mut *tx).await;
        let staged = staged.map_err(during("reading staged leaves"))?;
        let mut done = Vec::with_capacity(staged.len() * 2);
        for row in &staged {
            let leaf = leaf_text(row)?;
            let leaf_hash = hash_leaf(&leaf);
            chain = hash_link(&chain, &leaf_hash);
            seq += 1;
            let append = sqlx::query(APPEND).bind(seq).bind(integer(row, 0)?).bind(leaf);
            let append = append.bind(leaf_hash.to_vec()).bind(chain.to_vec()).execute(&mut *tx).await;
            append.map_err(during("appending to the audit log"))?;
            done.extend([Cell::Integer(integer(row, 1)?), Cell::Integer(integer(row, 2)?)]);
        }
        if staged.is_empty() {
            tx.rollback().await.map_err(during("leaving the audit log"))?;
            return Ok(0);
        }
        UNSTAGE.execute(self.engine(), &mut tx, &done, &[]).await?;
        let moved = sqlx::query(MOVE_HEAD).bind(seq).bind(chain.to_vec()).execute(&mut *tx).await;
        moved.map_err(during("moving the audit head on"))?;
        tx.commit().await.map_err(during("committing the audit log"))?;
        Ok(staged.len() as u64)
    }

    /// Where the log ends and how much waits.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn audit_head(&self) -> Result<AuditHead> {
        let mut tx = self.begin_read().await?;
        let head = sqlx::query(HEAD).fetch_all(&mut *tx).await.map_err(during("reading the audit head"))?;
        let staged = sqlx::query(STAGED_COUNT).fetch_one(&mut *tx).await.map_err(during("counting staged leaves"))?;
        let (seq, chain_hash) = match head.first() {
            Some(row) => (number(row, 0)?, hash(row, 1)?),
            None => (0, [0; 32]),
        };
        Ok(AuditHead { seq, chain_hash, staged: number(&staged, 0)? })
    }

    /// Entries after `after`, in order; at most [`AUDIT_PAGE_MAX`].
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone.
    pub async fn audit_entries(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::from(limit.min(AUDIT_PAGE_MAX)));
        let rows = sqlx::query(PAGE).bind(after).bind(limit).fetch_all(&mut *self.reader().await?).await;
        let rows = rows.map_err(during("reading the audit log"))?;
        rows.iter()
            .map(|row| {
                Ok(AuditEntry {
                    seq: number(row, 0)?,
                    revision: revision(row, 1)?,
                    leaf: text(row, 2)?.to_owned(),
                    leaf_hash: hash(row, 3)?,
                    chain_hash: hash(row, 4)?,
                })
            })
            .collect()
    }

    /// Computes the hashes of entries `from ..= to` anew and compares; the first is compared with the entry before it.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`] when the database is gone. A broken log is no error but the answer.
    pub async fn verify_audit(&self, from: u64, to: u64) -> Result<AuditCheck> {
        let from = from.max(1);
        let before = if from == 1 { Vec::new() } else { self.audit_entries(from - 2, 1).await? };
        let mut chain = before.first().map_or([0; 32], |entry| entry.chain_hash);
        let mut check = AuditCheck { entries: 0, broken_at: None };
        let to = to.min(self.audit_head().await?.seq);
        let mut next = from;
        while next <= to {
            let page = self.audit_entries(next - 1, AUDIT_PAGE_MAX).await?;
            if page.is_empty() {
                return Ok(AuditCheck { broken_at: Some(next), ..check });
            }
            for entry in page.iter().take_while(|entry| entry.seq <= to) {
                chain = hash_link(&chain, &hash_leaf(&entry.leaf));
                let is_sound =
                    entry.seq == next && entry.leaf_hash == hash_leaf(&entry.leaf) && entry.chain_hash == chain;
                if !is_sound {
                    return Ok(AuditCheck { broken_at: Some(next), ..check });
                }
                check.entries += 1;
                next += 1;
            }
            if page.last().is_some_and(|last| last.seq > to) {
                break;
            }
        }
        Ok(check)
    }
}

/// A leaf as JSON with its keys in a fixed order.
fn leaf_text(row: &sqlx::any::AnyRow) -> Result<String> {
    let quoted = |at| text(row, at).map(|text| serde_json::Value::from(text).to_string());
    Ok(format!(
        r#"{{"revision":{},"change":{},"ordinal":{},"at_us":{},"actor":{},"verb":{},"kind":{},"id":{},"detail":{}}}"#,
        integer(row, 0)?,
        integer(row, 1)?,
        integer(row, 2)?,
        integer(row, 3)?,
        quoted(4)?,
        quoted(5)?,
        quoted(6)?,
        quoted(7)?,
        quoted(8)?,
    ))
}

/// SHA-256 of a zero byte and the leaf: the leaf hash of RFC 6962, so that a Merkle tree can stand on the same leaves.
fn hash_leaf(leaf: &str) -> [u8; 32] {
    Sha256::new().chain_update([0u8]).chain_update(leaf.as_bytes()).finalize().into()
}

/// SHA-256 of the former chain hash and the leaf hash.
fn hash_link(chain: &[u8; 32], leaf: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(chain).chain_update(leaf).finalize().into()
}
