//! The database of the model: watermarks, usage, blobs, homes, and one function for each transaction on them.
//!
//! Each function is one transaction: it happens whole or not at all. The compare-and-set on the watermark comes first
//! (I12). What the store knows of the reporter is computed by the vector of the domain, the one that is shipped.

use domain::aggregation::{GenerationIndex, Marks, SHARD_COUNT, ShardIndex, Vector};

use super::switch::Defect;

/// One to be retired or to lose its disk, one to take over.
pub const REPLICAS: usize = 2;
/// A report touches both, so that one may be committed without the other.
pub const SHARDS: usize = 2;
/// Reports at most; a scope may use fewer.
pub const REPORTS: usize = 3;
/// Generations at most, with those that the settling of a state adds.
pub const GENERATIONS: usize = 12;

/// What a flush brings of one shard: for each report how many units are counted, unit `j` being what report `j` said.
pub type Units = [u8; REPORTS];

/// What a generation says of the reporter: its last sequence and all its units. Sequence 0: it did not report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Blob {
    pub sequence: u8,
    pub units: u8,
}

/// The rows of one (replica, shard).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MarkRow {
    pub generation: u8,
    /// Counted at the parser, added in the transaction that brings the usage.
    pub received: u8,
    /// Generations with a ledger row, as bits; only defects decide by it.
    pub ledger: u16,
}

/// The rows of one replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ReplicaRows {
    pub marks: [MarkRow; SHARDS],
    /// Which life of its process may write; one more at each start.
    pub life: u8,
    pub is_closed: bool,
    pub blobs: [Blob; GENERATIONS],
    /// The last sequence of blobs that were folded.
    pub folded: u8,
}

impl ReplicaRows {
    pub fn generation(&self, shard: usize) -> u8 {
        self.marks[shard].generation
    }

    pub fn smallest(&self) -> u8 {
        self.marks.iter().map(|it| it.generation).min().unwrap_or(0)
    }

    pub fn largest(&self) -> u8 {
        self.marks.iter().map(|it| it.generation).max().unwrap_or(0)
    }
}

/// Everything in the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Database {
    pub replicas: [ReplicaRows; REPLICAS],
    /// How often each report is in the usage of each shard: 1 is right.
    pub usage: [Units; SHARDS],
    /// The running total (number of reports) that the last cumulative item of each shard stated.
    pub baselines: [u8; SHARDS],
    /// Shards that hold more than every shard does, from replicas that were retired or lost their disk.
    pub ahead: [u8; SHARDS],
    /// Units of the reporter from blobs that were folded.
    pub folded_units: u8,
    pub home: Option<u8>,
}

/// Why a transaction was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The watermark stands elsewhere.
    Moved,
    /// The replica is retired, or another life of it began.
    Fenced,
    /// The reporter is at home elsewhere.
    Stranded,
}

/// Who writes, and as what it takes itself.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    pub replica: usize,
    pub life: u8,
}

/// One shard of a range of generations, ready to be committed.
#[derive(Debug, Clone, Copy)]
pub struct ShardCommit {
    pub shard: usize,
    pub from: u8,
    pub to: u8,
    pub units: Units,
    pub received: u8,
    /// The last of its generations that has a blob; 0 if none has.
    pub last_blob: u8,
    /// The last running total among its items.
    pub baseline: Option<u8>,
}

impl Database {
    /// A process starts on a replica: a new life, so that every former one is fenced.
    ///
    /// Blobs that no shard has reached go: the log writes those again that it has, and what it has not was never counted.
    pub fn open(&mut self, replica: usize, defect: Option<Defect>) -> u8 {
        let rows = &mut self.replicas[replica];
        rows.life += 1;
        if defect != Some(Defect::StrangersBlobIsKept) {
            let largest = usize::from(rows.largest());
            rows.blobs[largest + 1..].fill(Blob::default());
        }
        rows.life
    }

    fn is_fenced(&self, writer: Writer) -> bool {
        let rows = &self.replicas[writer.replica];
        rows.is_closed || rows.life != writer.life
    }

    /// The first transaction of a flush: what each generation says of its reporter, before any shard commits it.
    ///
    /// A home that is missing is written again; [`Refused::Stranded`] when it is elsewhere.
    pub fn put_blobs(&mut self, writer: Writer, blobs: &[(u8, Blob)], defect: Option<Defect>) -> Result<(), Refused> {
        if self.is_fenced(writer) && defect != Some(Defect::FormerLifeWritesBlob) {
            return Err(Refused::Fenced);
        }
        let own = u8::try_from(writer.replica).ok();
        let is_compared = !matches!(defect, Some(Defect::TwoHomes | Defect::HomesAreNotCompared));
        if is_compared && !blobs.is_empty() {
            self.home = self.home.or(own);
            if self.home != own {
                return Err(Refused::Stranded);
            }
        }
        for (generation, blob) in blobs {
            let row = &mut self.replicas[writer.replica].blobs[usize::from(*generation)];
            // Written again if absent; one that stands is the same, since a sealed generation is immutable.
            if row.sequence == 0 {
                *row = *blob;
            }
            assert!(defect.is_some() || *row == *blob, "a sealed generation has two contents (I13)");
        }
        Ok(())
    }

    /// The transaction of one shard.
    pub fn commit_shard(
        &mut self,
        writer: Writer,
        commit: &ShardCommit,
        defect: Option<Defect>,
    ) -> Result<(), Refused> {
        let is_closed = self.replicas[writer.replica].is_closed;
        let has_life = self.replicas[writer.replica].life == writer.life || defect == Some(Defect::FormerLifeCommits);
        let rows = &self.replicas[writer.replica];
        let row = &rows.marks[commit.shard];
        let is_compared = !matches!(
            defect,
            Some(Defect::ZombieFlusher | Defect::NoWatermark | Defect::PrunedLedger | Defect::LedgerAfterUsage)
        );
        if is_compared && (is_closed || !has_life) {
            return Err(Refused::Fenced);
        }
        if is_compared && row.generation != commit.from {
            return Err(Refused::Moved);
        }
        // A database that failed over may have lost it, and nothing else.
        let has_blob = commit.last_blob == 0 || rows.blobs[usize::from(commit.last_blob)].sequence > 0;
        if is_compared && !has_blob && defect != Some(Defect::BlobIsNotDemanded) {
            return Err(Refused::Moved);
        }
        let bit = 1 << commit.to;
        let is_known = match defect {
            // One row for the one bucket: whatever generation wrote it.
            Some(Defect::LedgerKeyedByBucket) => row.ledger != 0,
            Some(Defect::PrunedLedger) => row.ledger & bit != 0,
            _ => false,
        };
        if !is_known {
            self.add_usage(writer.replica, commit);
        }
        let row = &mut self.replicas[writer.replica].marks[commit.shard];
        row.ledger |= bit;
        match defect {
            Some(Defect::NoWatermark | Defect::PrunedLedger | Defect::LedgerAfterUsage) => {}
            _ => row.generation = commit.to,
        }
        if is_known {
            row.received += commit.received;
        }
        Ok(())
    }

    /// Usage, running totals and what was received, without any guard.
    pub fn add_usage(&mut self, replica: usize, commit: &ShardCommit) {
        for (count, units) in self.usage[commit.shard].iter_mut().zip(commit.units) {
            *count += units;
        }
        self.replicas[replica].marks[commit.shard].received += commit.received;
        if let Some(total) = commit.baseline {
            self.baselines[commit.shard] = total;
        }
    }

    /// Folds the blobs that every shard has reached and that are old enough, as cleanup does. Returns through which.
    pub fn fold(&mut self, writer: Writer, old_enough: u8) -> Result<u8, Refused> {
        if self.is_fenced(writer) {
            return Err(Refused::Fenced);
        }
        let through = self.replicas[writer.replica].smallest().min(old_enough);
        self.fold_through(writer.replica, through);
        Ok(through)
    }

    fn fold_through(&mut self, replica: usize, through: u8) {
        let rows = &mut self.replicas[replica];
        for blob in &mut rows.blobs[..=usize::from(through)] {
            rows.folded = rows.folded.max(blob.sequence);
            self.folded_units += blob.units;
            *blob = Blob::default();
        }
    }

    /// Keeps of a replica what its shards hold beyond the smallest watermark, and deletes its blobs.
    fn fold_ahead(&mut self, replica: usize, defect: Option<Defect>) {
        self.fold_through(replica, self.replicas[replica].smallest());
        let rows = &mut self.replicas[replica];
        for (ahead, mark) in self.ahead.iter_mut().zip(&rows.marks) {
            let reached = &rows.blobs[..=usize::from(mark.generation)];
            let last = reached.iter().map(|blob| blob.sequence).max().unwrap_or(0);
            *ahead = last.max(*ahead);
        }
        if defect == Some(Defect::LostBytesAreFolded) {
            let largest = usize::from(rows.largest());
            self.folded_units += rows.blobs[..=largest].iter().map(|blob| blob.units).sum::<u8>();
        }
        // Those above the largest watermark go too: the next life has its own generations of these numbers.
        rows.blobs = [Blob::default(); GENERATIONS];
    }

    /// The disk of a replica is lost: its shards go on from the largest watermark. Returns that.
    pub fn recover(&mut self, replica: usize, defect: Option<Defect>) -> u8 {
        self.fold_ahead(replica, defect);
        let rows = &mut self.replicas[replica];
        let largest = rows.largest();
        rows.marks.iter_mut().for_each(|mark| mark.generation = largest);
        largest
    }

    /// A replica is gone for good.
    pub fn retire(&mut self, replica: usize, defect: Option<Defect>) {
        self.replicas[replica].is_closed = true;
        self.fold_ahead(replica, defect);
    }

    /// Claims the reporter for a replica if it is free or its home is retired; says whether it is at home there.
    pub fn claim(&mut self, replica: usize) -> bool {
        if self.replicas[replica].is_closed {
            return false;
        }
        let is_free = self.home.is_none_or(|home| self.replicas[usize::from(home)].is_closed);
        if is_free {
            self.home = u8::try_from(replica).ok();
        }
        self.home.is_some_and(|home| usize::from(home) == replica)
    }

    /// What the shards hold of the reporter, by all replicas together.
    pub fn vector(&self) -> Vector {
        let shard = |number: usize| ShardIndex::new(u8::try_from(number).unwrap_or(0)).unwrap_or(ShardIndex::ZERO);
        let rows = self.ahead.iter().enumerate().map(|(number, ahead)| (shard(number), u64::from(*ahead)));
        let mut vector = Vector::new(0, rows);
        for replica in &self.replicas {
            let generation = |number: u8| GenerationIndex(u64::from(number));
            // The other shards are empty: they are advanced with the one that is furthest.
            let mut marks: Marks = [generation(replica.largest()); SHARD_COUNT as usize];
            for (number, mark) in replica.marks.iter().enumerate() {
                marks[number] = generation(mark.generation);
            }
            let named = (0u8..).zip(&replica.blobs).filter(|(_, blob)| blob.sequence > 0);
            let named = named.map(|(number, blob)| (generation(number), u64::from(blob.sequence)));
            vector.join(&Vector::of_generations(u64::from(replica.folded), named, &marks));
        }
        vector
    }

    /// The units of the reporter at the smallest watermark of each replica.
    pub fn reporter_units(&self) -> u8 {
        let below = |rows: &ReplicaRows| -> u8 {
            rows.blobs[..=usize::from(rows.smallest())].iter().map(|blob| blob.units).sum()
        };
        self.folded_units + self.replicas.iter().map(below).sum::<u8>()
    }
}
