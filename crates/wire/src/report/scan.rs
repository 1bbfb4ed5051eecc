//! Reads a report in protobuf, in one pass, without copying: the schema is `proto/tenure/report/v1/report.proto`.
//!
//! Written by hand because a generated reader gives up at the first bad item and makes two texts of every item. An item
//! whose bytes are broken is named; what follows it is found by its length. Of a field that comes twice the last holds,
//! as protobuf says. Numbers of fields are held to the schema by a test.

use std::borrow::Cow;

use domain::time::Micros;

use super::body::{NodePart, NodeStatus, ReportKind};
use super::fault::{ItemFault, ReportError};
use super::found::{Found, ItemField};
use super::reading::{Envelope, Items};

/// Bytes of a number of 64 bits at most.
const VARINT_BYTES_MAX: usize = 10;

/// What is wrong with bytes that are no protobuf, and where.
#[derive(Debug)]
struct Broken {
    at: usize,
    said: &'static str,
}

/// The value of a field, as far as its wire type tells.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A fixed number of four or eight bytes: no field of ours is one.
    Fixed,
}

/// Bytes and how far they are read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, said: &'static str) -> Broken {
        Broken { at: self.at, said }
    }

    #[inline]
    fn number(&mut self) -> Result<u64, Broken> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, Broken> {
        let mut number = 0u64;
        for place in 0..VARINT_BYTES_MAX {
            let Some(&byte) = self.bytes.get(self.at) else { return Err(self.broken("a number breaks off")) };
            let bits = u64::from(byte & 0x7f);
            if place == VARINT_BYTES_MAX - 1 && byte > 1 {
                return Err(self.broken("a number has more than 64 bits"));
            }
            self.at += 1;
            number |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.broken("a number has more than 64 bits"))
    }

    fn skip(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return Err(self.broken("a field is longer than what holds it")) };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// The next field, or the end.
    #[inline]
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Broken> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let key = self.number()?;
        if !(8..1 << 32).contains(&key) {
            return Err(self.broken("a field has no number that protobuf knows"));
        }
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                Value::Bytes(self.skip(length)?)
            }
            1 => self.skip(8).map(|_| Value::Fixed)?,
            5 => self.skip(4).map(|_| Value::Fixed)?,
            _ => return Err(self.broken("a field has a wire type that is none, or a group")),
        };
        Ok(Some((key >> 3, value)))
    }
}

/// Reads the envelope; items go into `items`.
pub(super) fn read<'a>(bytes: &'a [u8], items: &mut Items) -> Result<Envelope<'a>, ReportError> {
    let mut reader = Reader { bytes, at: 0 };
    // Protobuf does not send zeros: what is absent is 0.
    let mut envelope = Envelope { incarnation: Some(0), sequence: Some(0), ..Envelope::default() };
    loop {
        let next = reader.next();
        let broken = |broken: Broken| ReportError::Protobuf { offset: broken.at, detail: broken.said.to_owned() };
        match next.map_err(broken)? {
            None => return Ok(envelope),
            Some((6, Value::Bytes(item))) => items.add_traffic(traffic(item))?,
            Some((7, Value::Bytes(item))) => items.add_online(online(item))?,
            Some((number, value)) => put_envelope(&mut envelope, number, value)?,
        }
    }
}

/// The field of this number in an item of traffic.
fn field_of_traffic(number: u64) -> Option<ItemField> {
    match number {
        1 => Some(ItemField::Instance),
        2 => Some(ItemField::Up),
        3 => Some(ItemField::Down),
        4 => Some(ItemField::Lease),
        _ => None,
    }
}

/// The field of this number in an item of presence.
fn field_of_online(number: u64) -> Option<ItemField> {
    match number {
        1 => Some(ItemField::Instance),
        2 => Some(ItemField::Device),
        _ => None,
    }
}

fn traffic(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    (found.up, found.down) = (Some(0), Some(0));
    item(bytes, field_of_traffic, &mut found);
    found
}

fn online(bytes: &[u8]) -> Found<'_> {
    let mut found = Found::default();
    item(bytes, field_of_online, &mut found);
    found
}

#[inline]
fn item<'a>(bytes: &'a [u8], field_of: impl Fn(u64) -> Option<ItemField>, found: &mut Found<'a>) {
    let mut reader = Reader { bytes, at: 0 };
    loop {
        match reader.next() {
            Ok(None) => return,
            Ok(Some((number, value))) => match (field_of(number), value) {
                (Some(field), Value::Number(number)) => found.put_number(field, number),
                (Some(field), Value::Bytes(text)) => put_bytes(found, field, text),
                (Some(field), Value::Fixed) => {
                    found.blame_field(ItemFault::WrongType, field, "has the wire type of a fixed number");
                }
                (None, _) => found.blame_unknown(&number.to_string()),
            },
            Err(broken) => {
                return found
                    .blame(ItemFault::MalformedItem, format!("byte {} of the item: {}", broken.at, broken.said));
            }
        }
    }
}

#[inline]
fn put_bytes<'a>(found: &mut Found<'a>, field: ItemField, bytes: &'a [u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => found.put_text(field, Cow::Borrowed(text)),
        Err(_) => {
            let fault = match field {
                ItemField::Instance => ItemFault::InvalidId,
                ItemField::Device => ItemFault::InvalidDevice,
                ItemField::Lease => ItemFault::InvalidLease,
                ItemField::Up | ItemField::Down => ItemFault::WrongType,
            };
            found.blame_field(fault, field, "is not UTF-8");
        }
    }
}

fn put_envelope<'a>(envelope: &mut Envelope<'a>, number: u64, value: Value<'a>) -> Result<(), ReportError> {
    let wrong_type = |field: &str| ReportError::field(field, "has the wire type of something else");
    match (number, value) {
        (1, Value::Bytes(bytes)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| ReportError::field("reporter", "is not UTF-8"))?;
            envelope.reporter = Some(Cow::Borrowed(text));
        }
        (2, Value::Number(number)) => envelope.incarnation = Some(number),
        (3, Value::Number(number)) => envelope.sequence = Some(number),
        (4, Value::Number(number)) => {
            envelope.kind = match number {
                0 => ReportKind::Delta,
                1 => ReportKind::Cumulative,
                _ => return Err(ReportError::field("kind", format!("there is no kind {number}"))),
            }
        }
        // Protobuf writes a time before 1970 as its two's complement.
        (5, Value::Number(number)) => envelope.observed_at = Some(Micros(number.cast_signed())),
        (8, Value::Bytes(bytes)) => {
            let node = envelope.node.get_or_insert_default();
            put_node(node, bytes)?;
        }
        (9, Value::Number(number)) => envelope.in_force = Some(number),
        (1, _) => return Err(wrong_type("reporter")),
        (2, _) => return Err(wrong_type("incarnation")),
        (3, _) => return Err(wrong_type("sequence")),
        (4, _) => return Err(wrong_type("kind")),
        (5, _) => return Err(wrong_type("observed_at_us")),
        (6, _) => return Err(wrong_type("traffic")),
        (7, _) => return Err(wrong_type("online")),
        (8, _) => return Err(wrong_type("node")),
        (9, _) => return Err(wrong_type("in_force")),
        _ => return Err(ReportError::field(&number.to_string(), "unknown field")),
    }
    Ok(())
}

fn put_node(node: &mut NodePart, bytes: &[u8]) -> Result<(), ReportError> {
    let mut reader = Reader { bytes, at: 0 };
    loop {
        match reader.next() {
            Ok(None) => return Ok(()),
            Ok(Some((1, Value::Number(number)))) => {
                node.status = match number {
                    0 => None,
                    1 => Some(NodeStatus::Up),
                    2 => Some(NodeStatus::Down),
                    _ => return Err(ReportError::field("node.status", format!("there is no status {number}"))),
                }
            }
            // What does not fit is above the limit, which the check of the envelope names.
            Ok(Some((2, Value::Number(number)))) => {
                node.load_permille = Some(u32::try_from(number).unwrap_or(u32::MAX));
            }
            Ok(Some((number, _))) => {
                return Err(ReportError::field("node", format!("field {number} is unknown or of another type")));
            }
            Err(broken) => {
                return Err(ReportError::field("node", format!("byte {}: {}", broken.at, broken.said)));
            }
        }
    }
}
