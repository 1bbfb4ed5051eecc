//! The open generation: counts of each instance in each minute, since the last cut.
//!
//! A slot holds one (instance, minute); the slots of an instance are chained, the newest first. Slot numbers are those
//! of the log, where an id is written once a generation. A slot that was staged and not logged is taken back by
//! shortening the list: a number is only believed if its slot names it back.

use domain::aggregation::{Minute, SHARD_COUNT, Traffic};
use domain::ids::NodeId;
use domain::time::Micros;
use store::{ReporterPart, ReporterTotals};

use super::group::{Add, ReportEffects};
use super::names::{NameIx, Names};

/// The end of a chain of slots.
pub const NO_SLOT: u32 = u32::MAX;

/// Slots of one instance that are looked at for a minute; beyond, a minute may have two slots, which are summed when
/// the generation is sealed. Sixteen: a reporter that catches up goes on where it was, at the head of the chain.
const CHAIN_LOOK_MAX: usize = 16;

/// What one instance used in one minute.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub name: NameIx,
    pub minute: Minute,
    /// An older slot of the same instance.
    pub next: u32,
    pub up: u64,
    pub down: u64,
}

/// Bytes of one shard in one generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardSums {
    pub up: u64,
    pub down: u64,
    /// As counted at the parser.
    pub received: u64,
    pub parked: u64,
    pub rejected: u64,
}

impl ShardSums {
    /// Bytes that are pending: they become durable with the commit.
    pub fn counted(&self) -> u64 {
        self.up + self.down
    }

    /// Whether nothing came in.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// An item of an instance that nobody knows.
#[derive(Debug, Clone)]
pub struct Parked {
    pub name: NameIx,
    pub reporter: NodeId,
    pub incarnation: u64,
    pub sequence: u64,
    pub minute: Minute,
    pub up: u64,
    pub down: u64,
}

/// A running total that a reporter stated.
#[derive(Debug, Clone)]
pub struct Total {
    pub name: NameIx,
    pub reporter: NodeId,
    pub incarnation: u64,
    pub total: Traffic,
}

/// The open generation.
pub struct Open {
    pub generation: u64,
    pub slots: Vec<Slot>,
    pub parked: Vec<Parked>,
    /// In the order stated; the last of an instance holds.
    pub totals: Vec<Total>,
    pub sums: Box<[ShardSums; SHARD_COUNT as usize]>,
    pub parts: Vec<ReporterPart>,
    /// The first and the last minute that were counted in.
    pub bucket: Option<(Minute, Minute)>,
    /// When its first report was received.
    pub since: Option<Micros>,
}

impl Open {
    /// An empty generation.
    pub fn new(generation: u64) -> Self {
        Self {
            generation,
            slots: Vec::new(),
            parked: Vec::new(),
            totals: Vec::new(),
            sums: Box::new([ShardSums::default(); SHARD_COUNT as usize]),
            parts: Vec::new(),
            bucket: None,
            since: None,
        }
    }

    /// Whether no report came in.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The slot of an instance in a minute, a new one if need be.
    pub fn slot_of(&mut self, names: &mut Names, name: NameIx, minute: Minute) -> u32 {
        let head = self.head(names, name);
        let mut at = head;
        for _ in 0..CHAIN_LOOK_MAX {
            match self.slots.get(at as usize) {
                Some(slot) if slot.minute == minute => return at,
                Some(slot) => at = slot.next,
                None => break,
            }
        }
        let slot = u32::try_from(self.slots.len()).expect("a generation is cut long before 2^32 slots");
        self.slots.push(Slot { name, minute, next: head, up: 0, down: 0 });
        names.set_slot(name, slot);
        slot
    }

    /// The newest slot of an instance, or `NO_SLOT`.
    pub fn head(&self, names: &Names, name: NameIx) -> u32 {
        let slot = names.slot(name);
        match self.slots.get(slot as usize) {
            Some(held) if held.name == name => slot,
            _ => NO_SLOT,
        }
    }

    /// Takes back the slots from `len` on, and gives their instances the older ones again.
    pub fn truncate(&mut self, names: &mut Names, len: usize) {
        while self.slots.len() > len {
            if let Some(slot) = self.slots.pop() {
                names.set_slot(slot.name, slot.next);
            }
        }
    }

    /// What an instance used, by minute, in no order; a minute may come twice.
    pub fn of_name(&self, names: &Names, name: NameIx) -> Vec<(Minute, u64, u64)> {
        let (mut found, mut at) = (Vec::new(), self.head(names, name));
        while let Some(slot) = self.slots.get(at as usize) {
            found.push((slot.minute, slot.up, slot.down));
            at = slot.next;
        }
        found
    }

    /// Adds the counts of a report that is logged. `part` is where its reporter stands in this generation.
    pub fn apply(&mut self, effects: &ReportEffects, adds: &[Add], part: Option<u32>) -> u32 {
        for add in adds {
            let slot = &mut self.slots[add.slot as usize];
            slot.up += add.up;
            slot.down += add.down;
            let sums = &mut self.sums[usize::from(add.shard)];
            sums.up += add.up;
            sums.down += add.down;
        }
        for (shard, bytes) in &effects.rejected {
            self.sums[usize::from(*shard)].rejected += bytes;
        }
        self.since.get_or_insert(effects.received_at);
        let (first, last) = self.bucket.unwrap_or((effects.minute, effects.minute));
        self.bucket = Some((first.min(effects.minute), last.max(effects.minute)));
        let part = part.unwrap_or_else(|| {
            let totals = ReporterTotals::default();
            let (reporter, incarnation) = (effects.reporter.clone(), effects.incarnation);
            self.parts.push(ReporterPart { reporter, incarnation, through: 0, totals });
            (self.parts.len() - 1) as u32
        });
        let held = &mut self.parts[part as usize];
        held.through = effects.sequence;
        held.totals.received += effects.totals.received;
        held.totals.counted += effects.totals.counted;
        held.totals.parked += effects.totals.parked;
        held.totals.rejected += effects.totals.rejected;
        part
    }

    /// Where a life of a reporter stands among the parts.
    pub fn find_part(&self, reporter: &NodeId, incarnation: u64) -> Option<u32> {
        let at = self.parts.iter().position(|it| it.reporter == *reporter && it.incarnation == incarnation)?;
        u32::try_from(at).ok()
    }

    /// Adds what was received at the parser, by shard.
    pub fn add_received(&mut self, received: &[u64; SHARD_COUNT as usize]) {
        for (sums, received) in self.sums.iter_mut().zip(received) {
            sums.received += received;
        }
    }

    /// Keeps an item aside.
    pub fn park(&mut self, names: &Names, parked: Parked) {
        self.sums[usize::from(names.shard(parked.name))].parked += parked.up + parked.down;
        self.parked.push(parked);
    }

    /// Keeps a running total that a report stated.
    pub fn note_total(&mut self, name: NameIx, effects: &ReportEffects, total: Option<Traffic>) {
        let (reporter, incarnation) = (&effects.reporter, effects.incarnation);
        self.totals.extend(total.map(|total| Total { name, reporter: reporter.clone(), incarnation, total }));
    }

    /// The memory that is held, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.parked.capacity() * size_of::<Parked>()
            + self.totals.capacity() * size_of::<Total>()
            + self.parts.capacity() * size_of::<ReporterPart>()
    }
}
