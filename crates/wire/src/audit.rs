//! The bodies of `/v1/audit`: the hash chain over every change and decision batch, in commit order (I24).
//!
//! `leaf_hash` is the SHA-256 of the leaf, `chain_hash` that of the previous chain hash and the leaf hash. Hashes are
//! written in hexadecimal. An entry may be checked by anybody who holds the one before it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far the chain reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// The last entry; 0 when there is none.
    pub seq: u64,
    pub chain_hash: String,
    /// Leaves that are written but not chained yet.
    pub staged: u64,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    pub seq: u64,
    /// The revision of the change that the leaf belongs to.
    pub revision: u64,
    /// Canonical JSON.
    pub leaf: String,
    pub leaf_hash: String,
    pub chain_hash: String,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    pub items: Vec<AuditEntry>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// The outcome of walking the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    pub ok: bool,
    /// How many entries were checked.
    pub entries: u64,
    /// The first entry that does not follow from the one before it.
    pub broken_at: Option<u64>,
}
