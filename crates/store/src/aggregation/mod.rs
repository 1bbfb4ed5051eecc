//! What is observed of nodes, and what reports become: homes, watermarks, usage, the ledger, the account of every byte.
//!
//! Facts are revisioned rows that a view follows; all of counting stands outside the revisions. Nothing here judges:
//! whether a node is silent, and what a report counts, is decided elsewhere and written down here. Read `replica` and
//! `commit` first: the watermark alone decides whether a generation counts (I12).

mod health;
mod home;

mod replica;

mod commit;
mod cumulative;
mod ledger;
mod usage;

mod blob;
mod reporter;
mod reporter_home;

mod parked;
mod retire;

mod conservation;
mod correction;
mod retention;

pub use blob::{
    BLOBS_PER_CALL_MAX, FOLD_GENERATIONS_MAX, Folded, GenerationParts, ReporterPart, ReporterTotals, Stranded,
};
pub use commit::{ROWS_PER_COMMIT_MAX, ShardCommit};
pub use conservation::{
    Between, CountingDifference, CountingRecount, CountingSnapshot, DIFFERENCES_MAX, ReporterLine, ShardAside,
};
pub use correction::{CORRECTIONS_PER_CALL_MAX, Correction, CorrectionRow};
pub use cumulative::CumulativeTotal;
pub use health::FactWrite;
pub(crate) use health::{facts_of_changes, list_facts};
pub use home::{Claim, Home};
pub use ledger::{LedgerAdd, LedgerFilter, LedgerKey, LedgerRow, LedgerState};
pub use parked::{PARKED_PER_CALL_MAX, ParkedAdd, ParkedFate, ParkedKey, ParkedRow, ParkedWhy, Settled};
pub use replica::{ReplicaMarks, ShardMark, ShardTotals};
pub use reporter::{LostRange, REPORTERS_PER_READ_MAX, ReporterState};
pub use reporter_home::{Homing, ReporterHome};
pub use retention::{EXPIRED_PER_CALL_MAX, Expired, UsageKey};
pub use retire::{Recovered, RetirePreview};
pub use usage::{USAGE_ROWS_PER_READ_MAX, UsageAdd, UsageRange, UsageRead, UsageRow};
