//! The bytes of a group of reports in the log: effects, so that replay applies and never judges.
//!
//! Integers are varints of seven bits, little end first. An instance is named once a generation, by the slot that is
//! defined where its number is used for the first time. A record that does not read back exactly is corrupt.

use domain::aggregation::{Minute, SHARD_COUNT, Traffic};
use domain::time::Micros;
use store::ReporterTotals;

use crate::aggregation::hot::{Group, Names, Slot};

/// The first byte of a record; another one is of a newer release.
const VERSION: u8 = 1;

/// A record cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a record of the log is corrupt: {what}")]
pub struct Corrupt {
    what: &'static str,
}

impl Corrupt {
    /// A record that says something impossible.
    pub fn new(what: &'static str) -> Self {
        Self { what }
    }
}

/// How a new slot is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// It was defined before.
    Before,
    /// Here, by its id.
    Id(&'a str),
    /// As another slot is.
    As(u32),
}

/// An addition as it is logged.
#[derive(Debug, Clone, Copy)]
pub struct LoggedAdd<'a> {
    pub slot: u32,
    pub named: Named<'a>,
    pub traffic: Traffic,
    pub total: Option<Traffic>,
}

/// An item kept aside, as it is logged.
#[derive(Debug, Clone, Copy)]
pub struct LoggedPark<'a> {
    pub id: &'a str,
    pub traffic: Traffic,
    pub total: Option<Traffic>,
}

/// A report as it is logged.
#[derive(Debug)]
pub struct LoggedReport<'a> {
    pub reporter: &'a str,
    pub incarnation: u64,
    pub sequence: u64,
    pub received_at: Micros,
    pub minute: Minute,
    pub totals: ReporterTotals,
    pub rejected: Vec<(u8, u64)>,
    pub adds: Vec<LoggedAdd<'a>>,
    pub parks: Vec<LoggedPark<'a>>,
}

/// A group as it is logged.
#[derive(Debug)]
pub struct LoggedGroup<'a> {
    pub received: Vec<(u8, u64)>,
    pub reports: Vec<LoggedReport<'a>>,
}

/// Writes a group. The slots of the group stand at the end of `slots` already.
pub fn encode(group: &Group, slots: &[Slot], names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + group.reports.len() * 48 + group.adds.len() * 12);
    out.push(VERSION);
    let received = group.received.iter().zip(0u8..).filter(|(bytes, _)| **bytes > 0);
    put_pairs(&mut out, received.map(|(bytes, shard)| (shard, *bytes)).collect());
    put(&mut out, group.reports.len() as u64);
    let (mut defined, mut stated) = (group.slots_before, group.stated.iter());
    for report in &group.reports {
        put_text(&mut out, report.reporter.as_str());
        let minute = u64::from(report.minute.0);
        for number in [report.incarnation, report.sequence, report.received_at.0.max(0) as u64, minute] {
            put(&mut out, number);
        }
        let ReporterTotals { received, counted, parked, rejected } = report.totals;
        for number in [received, counted, parked, rejected] {
            put(&mut out, number);
        }
        put_pairs(&mut out, report.rejected.clone());
        put(&mut out, report.adds.len() as u64);
        for add in &group.adds[report.adds.clone()] {
            put(&mut out, u64::from(add.slot) << 1 | u64::from(add.has_total));
            if add.slot as usize >= defined {
                defined = add.slot as usize + 1;
                let slot = &slots[add.slot as usize];
                match slots.get(slot.next as usize) {
                    Some(_) => put(&mut out, u64::from(slot.next) + 1),
                    None => {
                        put(&mut out, 0);
                        put_text(&mut out, names.text(slot.name));
                    }
                }
            }
            put(&mut out, add.up);
            put(&mut out, add.down);
            if add.has_total {
                put_traffic(&mut out, *stated.next().expect("a total stands for each such addition"));
            }
        }
        put(&mut out, report.parks.len() as u64);
        for park in &group.parks[report.parks.clone()] {
            put_text(&mut out, names.text(park.name));
            put(&mut out, park.up);
            put(&mut out, park.down);
            put(&mut out, u64::from(park.total.is_some()));
            if let Some(total) = park.total {
                put_traffic(&mut out, total);
            }
        }
    }
    out
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_traffic(out: &mut Vec<u8>, traffic: Traffic) {
    put(out, traffic.up);
    put(out, traffic.down);
}

fn put_pairs(out: &mut Vec<u8>, pairs: Vec<(u8, u64)>) {
    put(out, pairs.len() as u64);
    for (shard, bytes) in pairs {
        out.push(shard);
        put(out, bytes);
    }
}

/// Reads a group. `defined` slots stand before it in its generation.
///
/// # Errors
/// [`Corrupt`] when it is not what [`encode`] writes.
pub fn decode(bytes: &[u8], mut defined: usize) -> Result<LoggedGroup<'_>, Corrupt> {
    let mut reader = Reader { bytes };
    if reader.byte()? != VERSION {
        return Err(Corrupt { what: "another version" });
    }
    let received = reader.pairs()?;
    let count = reader.count()?;
    let mut reports = Vec::with_capacity(count);
    for _ in 0..count {
        reports.push(reader.report(&mut defined)?);
    }
    if reader.bytes.is_empty() { Ok(LoggedGroup { received, reports }) } else { Err(Corrupt { what: "bytes left" }) }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Corrupt> {
        let (first, rest) = self.bytes.split_first().ok_or(Corrupt { what: "it ends early" })?;
        self.bytes = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Corrupt> {
        let (mut number, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(Corrupt { what: "a number is too long" })?;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// A number of things that follow; each takes a byte at least, so no more can follow than bytes are left.
    fn count(&mut self) -> Result<usize, Corrupt> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count <= self.bytes.len() { Ok(count) } else { Err(Corrupt { what: "a count is too large" }) }
    }

    fn text(&mut self) -> Result<&'a str, Corrupt> {
        let length = self.count()?;
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        std::str::from_utf8(text).map_err(|_| Corrupt { what: "a text is not UTF-8" })
    }

    fn traffic(&mut self) -> Result<Traffic, Corrupt> {
        Ok(Traffic { up: self.number()?, down: self.number()? })
    }

    fn pairs(&mut self) -> Result<Vec<(u8, u64)>, Corrupt> {
        let count = self.count()?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let shard = self.byte()?;
            if shard >= SHARD_COUNT {
                return Err(Corrupt { what: "there is no such shard" });
            }
            pairs.push((shard, self.number()?));
        }
        Ok(pairs)
    }

    fn report(&mut self, defined: &mut usize) -> Result<LoggedReport<'a>, Corrupt> {
        let reporter = self.text()?;
        let (incarnation, sequence) = (self.number()?, self.number()?);
        let received_at = Micros(i64::try_from(self.number()?).map_err(|_| Corrupt { what: "a time is too large" })?);
        let minute = Minute(u32::try_from(self.number()?).map_err(|_| Corrupt { what: "a minute is too large" })?);
        let (received, counted) = (self.number()?, self.number()?);
        let totals = ReporterTotals { received, counted, parked: self.number()?, rejected: self.number()? };
        let rejected = self.pairs()?;
        let count = self.count()?;
        let mut adds = Vec::with_capacity(count);
        for _ in 0..count {
            adds.push(self.add(defined)?);
        }
        let count = self.count()?;
        let mut parks = Vec::with_capacity(count);
        for _ in 0..count {
            let (id, traffic) = (self.text()?, self.traffic()?);
            let total = if self.number()? == 1 { Some(self.traffic()?) } else { None };
            parks.push(LoggedPark { id, traffic, total });
        }
        Ok(LoggedReport { reporter, incarnation, sequence, received_at, minute, totals, rejected, adds, parks })
    }

    fn add(&mut self, defined: &mut usize) -> Result<LoggedAdd<'a>, Corrupt> {
        let head = self.number()?;
        let slot = u32::try_from(head >> 1).map_err(|_| Corrupt { what: "a slot is too large" })?;
        let named = match (slot as usize).cmp(defined) {
            std::cmp::Ordering::Less => Named::Before,
            std::cmp::Ordering::Greater => return Err(Corrupt { what: "a slot was passed over" }),
            std::cmp::Ordering::Equal => {
                *defined += 1;
                match self.number()? {
                    0 => Named::Id(self.text()?),
                    other if other as usize <= slot as usize => Named::As(other as u32 - 1),
                    _ => return Err(Corrupt { what: "a slot is named by a later one" }),
                }
            }
        };
        let traffic = self.traffic()?;
        let total = if head & 1 == 1 { Some(self.traffic()?) } else { None };
        Ok(LoggedAdd { slot, named, traffic, total })
    }
}
