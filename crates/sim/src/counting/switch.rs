//! The known defects, each a switch that turns one rule of the protocol off.
//!
//! A switch changes as little as its defect needs, so that the counterexample shows that defect and no other.
//! The shipped protocol has none of them. The list only grows: a defect once found stays findable.

/// One rule of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// A restart remembers counts and forgets which reports they came from.
    DedupeNotDurable,
    /// A report is acknowledged before its record is on disk.
    AcknowledgeBeforeLog,
    /// The ledger has one row for each bucket: a later generation of the same minute finds it taken.
    LedgerKeyedByBucket,
    /// The ledger row is committed first, the usage in a transaction of its own.
    LedgerBeforeUsage,
    /// The usage is committed first, the ledger row in a transaction of its own.
    LedgerAfterUsage,
    /// The log drops a generation when its flush begins.
    CleanupBeforeCommit,
    /// Nothing in the database says how far a shard is committed.
    NoWatermark,
    /// Ledger rows say what is committed, and retention deletes them.
    PrunedLedger,
    /// The watermark is read, then written without comparing.
    ZombieFlusher,
    /// Each shard is sealed at a moment of its own, with one vector for all of them.
    SealPerShard,
    /// A replica accepts a reporter without asking whose it is.
    TwoHomes,
    /// A reader takes what memory still has, whatever it dropped since the snapshot.
    ReaderNeverReadsAgain,
    /// A reader does not look whether a replica was retired while it gathered.
    ReaderMissesRetirement,
    /// A process of a former life may commit: no life in the compare-and-set.
    FormerLifeCommits,
    /// A process of a former life may write the blob of a generation.
    FormerLifeWritesBlob,
    /// A start leaves blobs of generations that no shard reached, though its log has others of these numbers.
    StrangersBlobIsKept,
    /// After a disk was put back from a copy, sequences are taken from its old log.
    OldLogIsKept,
    /// A log does not say where it begins: what it never had is flushed as if it had been empty.
    LogForgetsItsBeginning,
    /// The log drops a generation at once when it is committed, though a standby may not have it.
    CleanupWithoutRetention,
    /// A shard commits without asking whether the blob of the generation still stands.
    BlobIsNotDemanded,
    /// A flush does not ask whether its reporter has another home meanwhile.
    HomesAreNotCompared,
    /// Recovery counts the bytes of what it could not complete, and the replay counts them again.
    LostBytesAreFolded,
    /// A replay after a lost disk counts for every shard, also for those that hold it.
    ReplaySkipsNothing,
}

impl Defect {
    /// All of them, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::DedupeNotDurable,
        Self::AcknowledgeBeforeLog,
        Self::LedgerKeyedByBucket,
        Self::LedgerBeforeUsage,
        Self::LedgerAfterUsage,
        Self::CleanupBeforeCommit,
        Self::NoWatermark,
        Self::PrunedLedger,
        Self::ZombieFlusher,
        Self::SealPerShard,
        Self::TwoHomes,
        Self::ReaderNeverReadsAgain,
        Self::ReaderMissesRetirement,
        Self::FormerLifeCommits,
        Self::FormerLifeWritesBlob,
        Self::StrangersBlobIsKept,
        Self::OldLogIsKept,
        Self::LogForgetsItsBeginning,
        Self::CleanupWithoutRetention,
        Self::BlobIsNotDemanded,
        Self::HomesAreNotCompared,
        Self::LostBytesAreFolded,
        Self::ReplaySkipsNothing,
    ];

    /// The spelling in the table and on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::DedupeNotDurable => "dedupe-not-durable",
            Self::AcknowledgeBeforeLog => "acknowledge-before-log",
            Self::LedgerKeyedByBucket => "ledger-keyed-by-bucket",
            Self::LedgerBeforeUsage => "ledger-before-usage",
            Self::LedgerAfterUsage => "ledger-after-usage",
            Self::CleanupBeforeCommit => "cleanup-before-commit",
            Self::NoWatermark => "no-watermark",
            Self::PrunedLedger => "pruned-ledger",
            Self::ZombieFlusher => "zombie-flusher",
            Self::SealPerShard => "seal-per-shard",
            Self::TwoHomes => "two-homes",
            Self::ReaderNeverReadsAgain => "reader-never-reads-again",
            Self::ReaderMissesRetirement => "reader-misses-retirement",
            Self::FormerLifeCommits => "former-life-commits",
            Self::FormerLifeWritesBlob => "former-life-writes-blob",
            Self::StrangersBlobIsKept => "strangers-blob-is-kept",
            Self::OldLogIsKept => "old-log-is-kept",
            Self::LogForgetsItsBeginning => "log-forgets-its-beginning",
            Self::CleanupWithoutRetention => "cleanup-without-retention",
            Self::BlobIsNotDemanded => "blob-is-not-demanded",
            Self::HomesAreNotCompared => "homes-are-not-compared",
            Self::LostBytesAreFolded => "lost-bytes-are-folded",
            Self::ReplaySkipsNothing => "replay-skips-nothing",
        }
    }
}

/// What may happen in an exploration, and how often. Everything else may happen at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Reports of the one reporter; each touches both shards.
    pub reports: u8,
    /// Cuts of each replica.
    pub cuts: u8,
    pub crashes: u8,
    /// Processes that hang and go on later, beside the process that took their place.
    pub stalls: u8,
    /// Disks that are lost, or put back as they were at an earlier cut.
    pub lost_disks: u8,
    pub retirements: u8,
    /// Databases that are replaced by a standby that is behind, within the time that logs keep what is committed.
    pub failovers: u8,
    /// Answers of the database that are lost.
    pub lost_replies: u8,
    /// Reads of the usage of an instance.
    pub reads: u8,
    /// Whether reports are running totals.
    pub is_cumulative: bool,
}
