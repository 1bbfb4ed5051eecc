//! What is kept: the only crate that knows a table. One SQL text serves SQLite and PostgreSQL.
//!
//! Read `dialect` and `change` first: where the engines differ, and why revision order is commit order. The rest is
//! one room for each of the six words, each with its statements above the functions that bind them. Nothing here
//! decides: what is written was decided in `domain`, and what is read goes back there.

mod bulk;
mod change;
mod dialect;
mod engine;
mod error;
mod migrate;

mod access;
mod aggregation;
mod master_data;
mod orchestration;
mod resolution;
mod tasks;

mod audit;
mod idempotency;

pub use access::TokenRow;
pub use aggregation::{
    BLOBS_PER_CALL_MAX, Between, CORRECTIONS_PER_CALL_MAX, Claim, Correction, CorrectionRow, CountingDifference,
    CountingRecount, CountingSnapshot, CumulativeTotal, DIFFERENCES_MAX, EXPIRED_PER_CALL_MAX, Expired,
    FOLD_GENERATIONS_MAX, FactWrite, Folded, GenerationParts, Home, Homing, LedgerAdd, LedgerFilter, LedgerKey,
    LedgerRow, LedgerState, LostRange, PARKED_PER_CALL_MAX, ParkedAdd, ParkedFate, ParkedKey, ParkedRow, ParkedWhy,
    REPORTERS_PER_READ_MAX, ROWS_PER_COMMIT_MAX, Recovered, ReplicaMarks, ReporterHome, ReporterLine, ReporterPart,
    ReporterState, ReporterTotals, RetirePreview, Settled, ShardAside, ShardCommit, ShardMark, ShardTotals, Stranded,
    USAGE_ROWS_PER_READ_MAX, UsageAdd, UsageKey, UsageRange, UsageRead, UsageRow,
};
pub use audit::{AUDIT_APPEND_MAX, AUDIT_PAGE_MAX, AuditCheck, AuditEntry, AuditHead, AuditLeaf};
pub use change::{Change, Intent, RETRIES_MAX, Touched, retry};
pub use dialect::{Engine, STALL_MAX_MS};
pub use engine::{Head, Location, Store};
pub use error::{Result, StoreError};
pub use idempotency::{ANSWERS_FORGOTTEN_MAX, IdempotentAnswer};
pub use master_data::{Action, INSTANCES_PER_CALL_MAX, InstanceWrite, Needed, NeededBy, PAGE_MAX};
pub use migrate::NEWEST as SCHEMA_VERSION;
pub use orchestration::{
    BASE_BATCHES_MAX, BASE_REQUESTS_MAX, BATCH_MAX, Base, BatchCommit, BatchCommitted, BatchRow, Books,
    HISTORY_KEPT_MAX, LoadDifference, MOVES_PER_CALL_MAX, MoveCounts, MoveState, PlanMove, PlanMoveOf, PlanRow,
    Rebuilt, Recount, Seen,
};
pub use resolution::{CHANGES_PER_READ_MAX, ChangeRow, Changed, INSTANCES_PER_READ_MAX, InstanceRow, ViewSnapshot};
pub use tasks::{Forgotten, LEASE_TTL_MIN_US, LOOKED_AT_MAX, Lease, LeaseProof};

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
