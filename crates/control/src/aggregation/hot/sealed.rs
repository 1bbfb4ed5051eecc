//! Sealed generations: counts of instances in hours of periods, by shard, in an order that merges.
//!
//! Neighbours merge, so a backlog of sixty generations costs little more than one. Of each generation its sums stay
//! apart, for the ledger, and so do the reporters that it touched. Rows of shards that hold the generation already are
//! left out when it is sealed.

use std::collections::BTreeMap;

use domain::aggregation::{Hour, Minute, SHARD_COUNT};
use domain::ids::NodeId;
use domain::time::Micros;
use store::ReporterPart;

use super::calendar::Calendar;
use super::names::{NameIx, Names};
use super::open::{Open, Parked, ShardSums, Total};

/// What an instance used in an hour of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub name: NameIx,
    pub hour: Hour,
    pub period: Micros,
    pub up: u64,
    pub down: u64,
}

impl Row {
    /// Rows merge by this.
    fn key(&self) -> (NameIx, Micros, Hour) {
        (self.name, self.period, self.hour)
    }
}

/// The rows of one shard.
#[derive(Debug, Default)]
pub struct ShardPart {
    /// Ascending by number, period and hour.
    pub rows: Vec<Row>,
    pub parked: Vec<(u64, Parked)>,
    pub totals: BTreeMap<(NodeId, u64, NameIx), domain::aggregation::Traffic>,
}

/// The sums of one generation.
#[derive(Debug, Clone)]
pub struct GenerationSums {
    pub generation: u64,
    /// When it was cut.
    pub sealed: Micros,
    pub bucket_from: Minute,
    /// The last minute, which belongs to it.
    pub bucket_to: Minute,
    pub since: Option<Micros>,
    /// How many rows of usage it has in each shard, merged with nothing.
    pub rows: Box<[u32; SHARD_COUNT as usize]>,
    pub shards: Box<[ShardSums; SHARD_COUNT as usize]>,
    pub parts: Vec<ReporterPart>,
}

/// Sealed generations, one or many neighbours.
pub struct Sealed {
    /// For each shard the generation after which its rows begin.
    pub after: Box<[u64; SHARD_COUNT as usize]>,
    /// The last generation.
    pub to: u64,
    pub shards: Vec<ShardPart>,
    pub generations: Vec<GenerationSums>,
}

/// Slots that are looked up under one hold of the lock: about a millisecond.
const LOOKED_UP_AT_ONCE: usize = 4_096;

impl Sealed {
    /// Seals a generation. `look` lends the names for a moment.
    pub fn of(
        open: &Open,
        at: Micros,
        marks: &[u64; SHARD_COUNT as usize],
        calendar: &Calendar,
        mut look: impl FnMut(&mut dyn FnMut(&Names)),
    ) -> Self {
        let mut shards: Vec<ShardPart> = (0..SHARD_COUNT).map(|_| ShardPart::default()).collect();
        let is_held = |shard: u8| marks[usize::from(shard)] >= open.generation;
        for slots in open.slots.chunks(LOOKED_UP_AT_ONCE) {
            look(&mut |names| {
                for slot in slots.iter().filter(|it| it.up + it.down > 0) {
                    let shard = names.shard(slot.name);
                    if is_held(shard) {
                        continue;
                    }
                    let period = calendar.period(names.text(slot.name), slot.minute.start()).start;
                    let (name, hour) = (slot.name, slot.minute.hour());
                    let row = Row { name, hour, period, up: slot.up, down: slot.down };
                    shards[usize::from(shard)].rows.push(row);
                }
            });
        }
        look(&mut |names| keep_aside(names, open, &is_held, &mut shards));
        let mut rows = Box::new([0u32; SHARD_COUNT as usize]);
        for (part, rows) in shards.iter_mut().zip(rows.iter_mut()) {
            part.rows.sort_unstable_by_key(Row::key);
            part.rows.dedup_by(add);
            part.rows.shrink_to_fit();
            *rows = part.rows.len() as u32;
        }
        let mut sums = open.sums.clone();
        for (sums, shard) in sums.iter_mut().zip(0u8..) {
            if is_held(shard) {
                *sums = ShardSums::default();
            }
        }
        let (first, last) = open.bucket.unwrap_or((Minute::of(at), Minute::of(at)));
        let sums = GenerationSums {
            generation: open.generation,
            sealed: at,
            bucket_from: first,
            bucket_to: last,
            since: open.since,
            rows,
            shards: sums,
            parts: open.parts.clone(),
        };
        let after = Box::new(marks.map(|mark| mark.max(open.generation - 1)));
        Self { after, to: open.generation, shards, generations: vec![sums] }
    }

    /// Takes in the generations that come right after.
    pub fn append(&mut self, later: Self) {
        debug_assert!(later.after.iter().all(|after| *after >= self.to));
        for (held, later) in self.shards.iter_mut().zip(later.shards) {
            held.rows = merge(std::mem::take(&mut held.rows), later.rows);
            held.parked.extend(later.parked);
            held.totals.extend(later.totals);
        }
        self.to = later.to;
        self.generations.extend(later.generations);
    }

    /// What an instance used.
    pub fn of_name(&self, shard: u8, name: NameIx) -> &[Row] {
        let rows = &self.shards[usize::from(shard)].rows;
        let first = rows.partition_point(|row| row.name < name);
        let length = rows[first..].partition_point(|row| row.name == name);
        &rows[first..first + length]
    }

    /// The most rows of a shard.
    pub fn rows_max(&self) -> usize {
        self.shards.iter().map(|it| it.rows.len().max(it.parked.len()).max(it.totals.len())).max().unwrap_or(0)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.shards.iter().map(|it| it.rows.len()).sum()
    }

    /// Whether a shard has nothing to commit above its mark: no bytes in any direction, no total.
    pub fn is_empty(&self, shard: usize) -> bool {
        let part = &self.shards[shard];
        let is_zero = self.generations.iter().all(|it| it.shards[shard].is_zero());
        is_zero && part.rows.is_empty() && part.totals.is_empty() && part.parked.is_empty()
    }

    /// The memory that is held, in bytes.
    pub fn bytes_held(&self) -> usize {
        let part = |it: &ShardPart| {
            it.rows.capacity() * size_of::<Row>()
                + it.parked.capacity() * size_of::<(u64, Parked)>()
                + it.totals.len() * 80
        };
        let generations = self.generations.iter().map(|it| 4_096 + it.parts.capacity() * size_of::<ReporterPart>());
        self.shards.iter().map(part).sum::<usize>() + generations.sum::<usize>()
    }
}

fn keep_aside(names: &Names, open: &Open, is_held: &impl Fn(u8) -> bool, shards: &mut [ShardPart]) {
    for parked in &open.parked {
        let shard = names.shard(parked.name);
        if !is_held(shard) {
            shards[usize::from(shard)].parked.push((open.generation, parked.clone()));
        }
    }
    for Total { name, reporter, incarnation, total } in &open.totals {
        let shard = names.shard(*name);
        if !is_held(shard) {
            shards[usize::from(shard)].totals.insert((reporter.clone(), *incarnation, *name), *total);
        }
    }
}

/// Adds a row to one of the same key; false when the keys differ.
fn add(later: &mut Row, held: &mut Row) -> bool {
    let is_same = later.key() == held.key();
    if is_same {
        held.up += later.up;
        held.down += later.down;
    }
    is_same
}

/// Merges two lists of rows, each ascending.
fn merge(held: Vec<Row>, later: Vec<Row>) -> Vec<Row> {
    if held.is_empty() {
        return later;
    }
    let mut merged = Vec::with_capacity(held.len().max(later.len()) + held.len().min(later.len()) / 4);
    let (mut held, mut later) = (held.into_iter().peekable(), later.into_iter().peekable());
    loop {
        match (held.peek(), later.peek()) {
            (Some(a), Some(b)) => match a.key().cmp(&b.key()) {
                std::cmp::Ordering::Less => merged.extend(held.next()),
                std::cmp::Ordering::Greater => merged.extend(later.next()),
                std::cmp::Ordering::Equal => {
                    if let (Some(a), Some(b)) = (held.next(), later.next()) {
                        merged.push(Row { up: a.up + b.up, down: a.down + b.down, ..a });
                    }
                }
            },
            (Some(_), None) => merged.extend(held.by_ref()),
            (None, Some(_)) => merged.extend(later.by_ref()),
            (None, None) => return merged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: NameIx, hour: u32, up: u64) -> Row {
        Row { name, hour: Hour(hour), period: Micros(0), up, down: 1 }
    }

    #[test]
    fn rows_merge_by_their_key_and_lose_nothing() {
        let merged = merge(vec![row(1, 1, 5), row(2, 1, 7)], vec![row(1, 1, 1), row(1, 2, 2), row(3, 1, 3)]);
        let ups: Vec<(u32, u64, u64)> = merged.iter().map(|it| (it.name, it.up, it.down)).collect();
        assert_eq!(ups, [(1, 6, 2), (1, 2, 1), (2, 7, 1), (3, 3, 1)]);
    }
}
