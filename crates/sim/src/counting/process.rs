//! A process of a replica and its disk: intake, cut, what a flush brings, restart and the disk that came back.
//!
//! Whose turn a report is and what a running total means are decided by the functions of the domain that are shipped.
//! Memory is a copy of what the log holds above the watermarks; where a defect lets the two differ, the log may lag.

use domain::aggregation::{Position, ShardIndex, Traffic, Turn, Vector, advance, turn};

use super::database::{Blob, Database, REPORTS, SHARDS, ShardCommit, Units, Writer};
use super::switch::Defect;

/// What the log says of one report: the generation of each shard's item (0: not there), and how many units it counts.
///
/// A delta counts one unit, its own; a running total counts those since the one before; an item that is skipped none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Entry {
    pub generations: [u8; SHARDS],
    pub units: [u8; SHARDS],
    /// Left out of the flush: the reporter is at home elsewhere. Known to a process only, the log says nothing of it.
    pub is_withheld: bool,
}

impl Entry {
    pub fn is_there(&self) -> bool {
        self.generations[0] != 0
    }
}

/// A disk: the log with its last cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    pub entries: [Entry; REPORTS],
    /// The last cut; one number for all shards unless a defect seals each alone.
    pub cut: [u8; SHARDS],
    /// The log has nothing of this generation and of those before.
    pub begins_after: u8,
}

/// Where the flush of a process stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Flush {
    #[default]
    Idle,
    /// The blobs through this generation are written.
    Blobs { to: u8 },
    /// The answer to the commit of this shard was lost.
    Unsure { to: u8, shard: u8 },
    /// The first of two transactions of this shard is through; only with defects that have two.
    Half { to: u8, shard: u8 },
}

/// The memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Process {
    pub life: u8,
    /// The last sequence of the reporter; `None` when it is not at home here, or nothing was asked yet.
    pub last: Option<u8>,
    pub disk: Disk,
    /// The watermarks as far as it knows.
    pub marks: [u8; SHARDS],
    /// It serves readers what lies above these generations.
    pub serves_above: [u8; SHARDS],
    pub baselines: [u8; SHARDS],
    /// What the store knew of the reporter when it was asked: through, and shards that are ahead.
    pub ahead: [u8; SHARDS],
    pub flush: Flush,
    /// Generations whose blobs the store has folded in this life: the log may drop them.
    pub cleaned: u8,
}

/// How a report was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Applied,
    Duplicate,
    Refused,
}

impl Process {
    /// Starts on a disk; a disk that is behind the database is given up first, for what reporters kept.
    ///
    /// `None` if the replica is retired.
    pub fn start(replica: usize, database: &mut Database, disk: &mut Disk, defect: Option<Defect>) -> Option<Self> {
        if database.replicas[replica].is_closed {
            return None;
        }
        let life = database.open(replica, defect);
        let rows = &database.replicas[replica];
        let ends_before = (0..SHARDS).any(|shard| rows.generation(shard) > disk.cut[shard]);
        let begins_later = rows.smallest() < disk.begins_after && defect != Some(Defect::LogForgetsItsBeginning);
        if ends_before || begins_later {
            let old = *disk;
            let largest = database.recover(replica, defect);
            // A log that begins later ends later too: its numbers are not used again.
            let cut = old.cut.map(|cut| cut.max(largest));
            *disk = Disk { cut, begins_after: largest, ..Disk::default() };
            if defect == Some(Defect::OldLogIsKept) {
                disk.entries = old.entries;
            }
        }
        let rows = &database.replicas[replica];
        let marks = std::array::from_fn(|shard| match defect {
            Some(Defect::PrunedLedger) => last_bit(rows.marks[shard].ledger),
            _ => rows.generation(shard),
        });
        let mut process = Self { life, disk: *disk, marks, serves_above: marks, ..Self::default() };
        let is_home = database.home.is_some_and(|home| usize::from(home) == replica);
        if is_home || defect == Some(Defect::TwoHomes) {
            process.adopt(database, defect);
        }
        Some(process)
    }

    /// Takes over the reporter: what the store knows of it, and what its own log will still bring.
    ///
    /// What the log has of generations that every shard has reached says nothing: the store knows it, or left it out.
    fn adopt(&mut self, database: &Database, defect: Option<Defect>) {
        let small = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        let vector = database.vector();
        self.last = Some(small(vector.through()));
        let ahead = vector.ahead();
        self.ahead = std::array::from_fn(|shard| {
            let shard = u8::try_from(shard).ok().and_then(ShardIndex::new);
            shard.and_then(|shard| ahead.get(&shard)).map_or(0, |sequence| small(*sequence))
        });
        self.baselines = database.baselines;
        let is_old_read = defect == Some(Defect::OldLogIsKept);
        let floor = if is_old_read { 0 } else { self.marks.iter().copied().min().unwrap_or(0) };
        for (entry, sequence) in self.disk.entries.iter().zip(1u8..).filter(|(entry, _)| !entry.is_withheld) {
            for (shard, mark) in self.marks.iter().enumerate() {
                if entry.generations[shard] > *mark && entry.units[shard] > 0 {
                    self.baselines[shard] = sequence;
                }
            }
            let is_pending = entry.generations.iter().any(|generation| *generation > floor);
            if is_pending && defect != Some(Defect::DedupeNotDurable) {
                self.last = self.last.max(Some(sequence));
            }
        }
    }

    /// Takes a report: whose turn, what it counts, into the open generation, onto the disk.
    pub fn receive(
        &mut self,
        replica: usize,
        sequence: u8,
        is_cumulative: bool,
        database: &mut Database,
        disk: &mut Disk,
        defect: Option<Defect>,
    ) -> Taken {
        if self.last.is_none() {
            if defect != Some(Defect::TwoHomes) && !database.claim(replica) {
                return Taken::Refused;
            }
            self.adopt(database, defect);
        }
        let at = |sequence: u8| Position { incarnation: 1, sequence: u64::from(sequence) };
        match turn(self.last.filter(|last| *last > 0).map(at), at(sequence)) {
            Turn::Duplicate => return Taken::Duplicate,
            Turn::Gap { .. } | Turn::Stale { .. } => return Taken::Refused,
            Turn::Next | Turn::NewLife => {}
        }
        let entry = self.effect(sequence, is_cumulative, defect);
        self.last = Some(sequence);
        self.disk.entries[usize::from(sequence) - 1] = entry;
        if defect != Some(Defect::AcknowledgeBeforeLog) {
            disk.entries = self.disk.entries;
        }
        Taken::Applied
    }

    /// What a report counts: nothing in the shards that hold it.
    fn effect(&mut self, sequence: u8, is_cumulative: bool, defect: Option<Defect>) -> Entry {
        let mut entry = Entry::default();
        let held = (0u8..).zip(self.ahead).filter_map(|(shard, held)| Some((ShardIndex::new(shard)?, u64::from(held))));
        let vector = Vector::new(0, held);
        let skipped = vector.skipped(u64::from(sequence));
        for shard in 0..SHARDS {
            entry.generations[shard] = self.disk.cut[shard] + 1;
            let is_held = u8::try_from(shard).ok().and_then(ShardIndex::new).is_some_and(|it| skipped.contains(it));
            if is_held && defect != Some(Defect::ReplaySkipsNothing) {
                continue;
            }
            entry.units[shard] = 1;
            if is_cumulative {
                let total = |reports: u8| Traffic { up: u64::from(reports), down: 0 };
                let before = Some(self.baselines[shard]).filter(|it| *it > 0).map(total);
                let advance = advance(before, total(sequence));
                entry.units[shard] = u8::try_from(advance.delta.up).unwrap_or(u8::MAX);
                self.baselines[shard] = u8::try_from(advance.baseline.up).unwrap_or(u8::MAX);
            }
        }
        entry
    }

    /// Whether something was counted since the last cut of this shard.
    pub fn has_open(&self, shard: usize) -> bool {
        self.disk.entries.iter().any(|entry| entry.generations[shard] > self.disk.cut[shard])
    }

    /// The last generation that is sealed.
    pub fn sealed(&self) -> u8 {
        self.disk.cut.iter().copied().max().unwrap_or(0)
    }

    /// How far this shard can be committed in a flush that ends there: not beyond its own seal.
    pub fn target(&self, shard: usize, to: u8) -> u8 {
        to.min(self.disk.cut[shard])
    }

    /// Whether a sealed generation through this one waits for its commit.
    pub fn has_uncommitted(&self, to: u8) -> bool {
        (0..SHARDS).any(|shard| self.marks[shard] < self.target(shard, to))
    }

    /// What each sealed generation above the watermarks says of the reporter.
    pub fn blobs(&self, to: u8) -> Vec<(u8, Blob)> {
        let from = self.marks.iter().copied().min().unwrap_or(0);
        let of = |generation: u8| {
            let mut blob = Blob::default();
            for (entry, sequence) in self.disk.entries.iter().zip(1u8..) {
                // One vector for all shards: it names a report if any of them sealed it here.
                if entry.is_there() && !entry.is_withheld && entry.generations.contains(&generation) {
                    blob.sequence = sequence;
                    let is_first = entry.generations.iter().min() == Some(&generation);
                    blob.units += if is_first { SHARDS as u8 } else { 0 };
                }
            }
            (generation, blob)
        };
        (from + 1..=to).map(of).filter(|(_, blob)| blob.sequence > 0).collect()
    }

    /// Leaves the reporter out of the generations through this one, and forgets it: it is at home elsewhere.
    pub fn withhold(&mut self, to: u8) {
        for entry in self.disk.entries.iter_mut().filter(|entry| entry.generations[0] <= to) {
            *entry = Entry { units: [0; SHARDS], is_withheld: true, ..*entry };
        }
        self.last = None;
    }

    /// What the commit of a shard through a generation brings.
    pub fn shard_commit(&self, shard: usize, to: u8, is_cumulative: bool) -> ShardCommit {
        let from = self.marks[shard];
        let mut commit =
            ShardCommit { shard, from, to, units: Units::default(), received: 0, last_blob: 0, baseline: None };
        for (index, entry) in self.disk.entries.iter().enumerate() {
            let generation = entry.generations[shard];
            if from < generation && generation <= to {
                let units = usize::from(entry.units[shard]);
                commit.last_blob = if entry.is_withheld { commit.last_blob } else { generation.max(commit.last_blob) };
                commit.units[index + 1 - units..=index].iter_mut().for_each(|count| *count += 1);
                commit.received += entry.units[shard];
                let total = u8::try_from(index + 1).ok();
                commit.baseline = if is_cumulative && units > 0 { total } else { commit.baseline };
            }
        }
        commit
    }

    /// As what it writes.
    pub fn writer(&self, replica: usize) -> Writer {
        Writer { replica, life: self.life }
    }
}

fn last_bit(bits: u16) -> u8 {
    u8::try_from(u16::BITS - bits.leading_zeros()).unwrap_or(0).saturating_sub(1)
}
