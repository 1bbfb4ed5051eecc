//! A report as the server reads it: one compact form, whichever language it came in.
//!
//! Ids lie in one text inside, so the whole is one value without a lifetime that goes to the writer as it is. Items are
//! in the order in which they were sent. What was refused is beside them, never dropped: each item that came is in one
//! of the three lists.

use domain::ids::NodeId;
use domain::time::Micros;

use super::body::{INTEGER_MAX, LOAD_PERMILLE_MAX, NodePart, REPORT_BYTES_MAX, REPORT_ITEMS_MAX, ReportKind};
use super::fault::{Refused, ReportError};
use super::found::Found;
use super::{json, scan};

/// The language of a report and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// The media types that are taken, for refusals.
    pub const ACCEPTED: &[&str] = &["application/json", "application/x-protobuf"];

    /// The language of a media type, without its parameters.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let is = |name: &str| media_type.eq_ignore_ascii_case(name);
        match () {
            () if is("application/json") => Some(Self::Json),
            // Two names are in use for the same thing; the first is what most senders say.
            () if is("application/x-protobuf") || is("application/protobuf") => Some(Self::Protobuf),
            () => None,
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }
}

/// Bytes of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic<'a> {
    /// Its place in the report, from 0.
    pub index: u32,
    /// A valid id.
    pub instance: &'a str,
    /// At most 2^53−1, as `down`.
    pub up: u64,
    pub down: u64,
    /// The lease to which the bytes are accounted.
    pub lease: Option<&'a str>,
}

/// A device that is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Online<'a> {
    /// Its place in the report: after all of traffic.
    pub index: u32,
    /// A valid id.
    pub instance: &'a str,
    /// 1 to 128 bytes.
    pub device: &'a str,
}

/// Where the texts of an item of traffic lie, and its numbers.
#[derive(Debug, Clone, Copy)]
struct TrafficPart {
    at: u32,
    index: u32,
    up: u64,
    down: u64,
    instance_length: u8,
    lease_length: u8,
}

#[derive(Debug, Clone, Copy)]
struct OnlinePart {
    at: u32,
    index: u32,
    instance_length: u8,
    device_length: u8,
}

/// What a report says before its items.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    pub reporter: Option<std::borrow::Cow<'a, str>>,
    pub incarnation: Option<u64>,
    pub sequence: Option<u64>,
    pub kind: ReportKind,
    pub observed_at: Option<Micros>,
    pub node: Option<NodePart>,
    pub in_force: Option<u64>,
}

/// The items of a report, as a reader adds them.
#[derive(Debug, Default)]
pub(super) struct Items {
    text: String,
    traffic: Vec<TrafficPart>,
    online: Vec<OnlinePart>,
    refused_traffic: Vec<Refused>,
    refused_online: Vec<Refused>,
    traffic_sent: u32,
    online_sent: u32,
}

impl Items {
    fn make_room(&self) -> Result<(), ReportError> {
        match self.traffic_sent as usize + (self.online_sent as usize) < REPORT_ITEMS_MAX {
            true => Ok(()),
            false => Err(ReportError::TooManyItems),
        }
    }

    /// Room for items that are about to come, as far as a body of so many bytes can hold them.
    pub fn expect(&mut self, body_bytes: usize) {
        /// What an item takes in the tighter language, with an id of a few letters.
        const ITEM_BYTES: usize = 20;
        let count = (body_bytes / ITEM_BYTES).min(REPORT_ITEMS_MAX);
        self.traffic.reserve(count);
        self.text.reserve(body_bytes / 2);
    }

    pub fn add_traffic(&mut self, mut found: Found<'_>) -> Result<(), ReportError> {
        self.make_room()?;
        let index = self.traffic_sent;
        self.traffic_sent += 1;
        match found.judge_traffic() {
            Ok((instance, up, down, lease)) => {
                let (at, instance_length, lease_length) = push(&mut self.text, instance, lease);
                self.traffic.push(TrafficPart { at, index, up, down, instance_length, lease_length });
            }
            Err(refused) => self.refused_traffic.push(Refused { index, ..refused }),
        }
        Ok(())
    }

    pub fn add_online(&mut self, mut found: Found<'_>) -> Result<(), ReportError> {
        self.make_room()?;
        let index = self.online_sent;
        self.online_sent += 1;
        match found.judge_online() {
            Ok((instance, device)) => {
                let (at, instance_length, device_length) = push(&mut self.text, instance, device);
                self.online.push(OnlinePart { at, index, instance_length, device_length });
            }
            Err(refused) => self.refused_online.push(Refused { index, ..refused }),
        }
        Ok(())
    }
}

/// Appends two texts; where they begin, and their lengths.
fn push(text: &mut String, first: &str, second: &str) -> (u32, u8, u8) {
    let at = u32::try_from(text.len()).expect("a body has at most REPORT_BYTES_MAX bytes");
    text.push_str(first);
    text.push_str(second);
    let length = |part: &str| u8::try_from(part.len()).expect("ids, devices and leases have at most 128 bytes");
    (at, length(first), length(second))
}

/// A report, read and checked. What it names may exist or not.
#[derive(Debug)]
pub struct ReadReport {
    pub reporter: NodeId,
    pub incarnation: u64,
    /// From 1.
    pub sequence: u64,
    pub kind: ReportKind,
    /// Absent: the receiver's time counts.
    pub observed_at: Option<Micros>,
    pub node: Option<NodePart>,
    pub in_force: Option<u64>,
    /// In the order of their indices.
    pub rejected: Vec<Refused>,
    items: Items,
}

impl ReadReport {
    /// All items as they were sent, those that were refused too.
    pub fn items(&self) -> u64 {
        u64::from(self.items.traffic_sent) + u64::from(self.items.online_sent)
    }

    /// The good items of traffic, in the order sent.
    pub fn traffic(&self) -> impl ExactSizeIterator<Item = Traffic<'_>> {
        let text = &self.items.text;
        self.items.traffic.iter().map(move |part| {
            let (instance, lease) = split(text, part.at, part.instance_length, part.lease_length);
            let lease = Some(lease).filter(|lease| !lease.is_empty());
            Traffic { index: part.index, instance, up: part.up, down: part.down, lease }
        })
    }

    /// The good items of presence, in the order sent.
    pub fn online(&self) -> impl ExactSizeIterator<Item = Online<'_>> {
        let (text, before) = (&self.items.text, self.items.traffic_sent);
        self.items.online.iter().map(move |part| {
            let (instance, device) = split(text, part.at, part.instance_length, part.device_length);
            Online { index: before + part.index, instance, device }
        })
    }

    /// About how many bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        let Items { text, traffic, online, .. } = &self.items;
        let refused = self.rejected.iter().map(|it| size_of::<Refused>() + it.detail.len()).sum::<usize>();
        size_of::<Self>()
            + text.capacity()
            + traffic.capacity() * size_of::<TrafficPart>()
            + online.capacity() * size_of::<OnlinePart>()
            + refused
    }
}

fn split(text: &str, at: u32, first: u8, second: u8) -> (&str, &str) {
    let (at, first, second) = (at as usize, usize::from(first), usize::from(second));
    (&text[at..at + first], &text[at + first..at + first + second])
}

/// Reads a report. Items cannot make it fail.
///
/// # Errors
/// [`ReportError`] when the bytes are not of that language, the envelope is malformed, or a limit is passed.
pub fn read(bytes: &[u8], encoding: Encoding) -> Result<ReadReport, ReportError> {
    if bytes.len() as u64 > REPORT_BYTES_MAX {
        return Err(ReportError::TooManyBytes);
    }
    let mut items = Items::default();
    items.expect(bytes.len());
    let envelope = match encoding {
        Encoding::Json => json::read(bytes, &mut items)?,
        Encoding::Protobuf => scan::read(bytes, &mut items)?,
    };
    check(envelope, items)
}

fn check(envelope: Envelope<'_>, mut items: Items) -> Result<ReadReport, ReportError> {
    let missing = |field: &str| ReportError::field(field, "is missing");
    let reporter = envelope.reporter.filter(|text| !text.is_empty()).ok_or_else(|| missing("reporter"))?;
    let reporter = NodeId::parse(&reporter).map_err(|error| ReportError::field("reporter", error.to_string()))?;
    let incarnation = bounded("incarnation", envelope.incarnation.ok_or_else(|| missing("incarnation"))?)?;
    let sequence = bounded("sequence", envelope.sequence.ok_or_else(|| missing("sequence"))?)?;
    if sequence == 0 {
        return Err(ReportError::field("sequence", "the first message of a life has sequence 1"));
    }
    let in_force = envelope.in_force.map(|revision| bounded("in_force", revision)).transpose()?;
    if envelope.node.and_then(|node| node.load_permille).is_some_and(|load| load > LOAD_PERMILLE_MAX) {
        return Err(ReportError::field("node.load_permille", format!("at most {LOAD_PERMILLE_MAX}")));
    }
    let mut rejected = std::mem::take(&mut items.refused_traffic);
    let before = items.traffic_sent;
    rejected.extend(items.refused_online.drain(..).map(|it| Refused { index: before + it.index, ..it }));
    let Envelope { kind, observed_at, node, .. } = envelope;
    Ok(ReadReport { reporter, incarnation, sequence, kind, observed_at, node, in_force, rejected, items })
}

fn bounded(field: &str, value: u64) -> Result<u64, ReportError> {
    match value {
        0..=INTEGER_MAX => Ok(value),
        _ => Err(ReportError::field(field, format!("at most {INTEGER_MAX}"))),
    }
}
