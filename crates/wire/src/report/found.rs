//! One item as a reader found it, before it is judged; and the judgement, the same for both languages.
//!
//! The first fault is the one that is named. Text that is quoted in a detail is cut, so an answer stays small.

use std::borrow::Cow;

use domain::ids::{InstanceId, check_id};

use super::body::{DEVICE_LENGTH_MAX, INTEGER_MAX, LEASE_LENGTH_MAX};
use super::fault::{ItemFault, Refused};

/// Characters of a foreign text that a detail quotes: enough to find it again.
const QUOTED_MAX: usize = 48;

/// A field of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemField {
    Instance,
    Up,
    Down,
    Lease,
    Device,
}

impl ItemField {
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Up => "up",
            Self::Down => "down",
            Self::Lease => "lease",
            Self::Device => "device",
        }
    }

    /// The field of this name in an item of traffic.
    pub fn of_traffic(name: &str) -> Option<Self> {
        match name {
            "instance" => Some(Self::Instance),
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            "lease" => Some(Self::Lease),
            _ => None,
        }
    }

    /// The field of this name in an item of presence.
    pub fn of_online(name: &str) -> Option<Self> {
        match name {
            "instance" => Some(Self::Instance),
            "device" => Some(Self::Device),
            _ => None,
        }
    }
}

/// What a reader found in one item. An empty text is as good as none, as in protobuf.
#[derive(Debug, Default)]
pub struct Found<'a> {
    pub instance: Option<Cow<'a, str>>,
    pub device: Option<Cow<'a, str>>,
    pub lease: Option<Cow<'a, str>>,
    pub up: Option<u64>,
    pub down: Option<u64>,
    fault: Option<(ItemFault, String)>,
}

impl<'a> Found<'a> {
    /// Notes a fault, unless there is one already.
    #[cold]
    pub fn blame(&mut self, fault: ItemFault, detail: String) {
        self.fault.get_or_insert((fault, detail));
    }

    #[cold]
    pub fn blame_field(&mut self, fault: ItemFault, field: ItemField, said: &str) {
        self.blame(fault, format!("field {:?}: {said}", field.name()));
    }

    #[cold]
    pub fn blame_unknown(&mut self, name: &str) {
        self.blame(ItemFault::UnknownField, format!("unknown field {}", quote(name)));
    }

    /// Takes a number, if it is one that every JSON reader takes for what it is.
    pub fn put_number(&mut self, field: ItemField, number: u64) {
        // A negative number of a sender whose schema has signed integers arrives with the highest bit set.
        if number > i64::MAX as u64 {
            return self.blame_field(ItemFault::Negative, field, "a number of bytes is never negative");
        }
        if number > INTEGER_MAX {
            return self.blame_field(ItemFault::TooLarge, field, &format!("at most {INTEGER_MAX}"));
        }
        match field {
            ItemField::Up => self.up = Some(number),
            ItemField::Down => self.down = Some(number),
            _ => self.blame_field(ItemFault::WrongType, field, "expected a text"),
        }
    }

    /// Takes a text.
    pub fn put_text(&mut self, field: ItemField, text: Cow<'a, str>) {
        match field {
            ItemField::Instance => self.instance = Some(text),
            ItemField::Lease => self.lease = Some(text),
            ItemField::Device => self.device = Some(text),
            ItemField::Up | ItemField::Down => {
                self.blame_field(ItemFault::WrongType, field, "expected an integer");
            }
        }
    }

    /// The instance and the bytes, once they are found good; [`Refused`] without its index otherwise.
    pub fn judge_traffic(&mut self) -> Result<(&str, u64, u64, &str), Refused> {
        self.judge_instance();
        if self.fault.is_none() && self.lease.as_ref().is_some_and(|lease| !is_plain(lease, LEASE_LENGTH_MAX)) {
            let said = format!("at most {LEASE_LENGTH_MAX} bytes without control characters");
            self.blame_field(ItemFault::InvalidLease, ItemField::Lease, &said);
        }
        for (field, value) in [(ItemField::Up, self.up), (ItemField::Down, self.down)] {
            if value.is_none() && self.fault.is_none() {
                self.blame_field(ItemFault::MissingField, field, "is missing");
            }
        }
        match (&self.instance, self.up, self.down) {
            (Some(instance), Some(up), Some(down)) if self.fault.is_none() => {
                Ok((instance, up, down, self.lease.as_deref().unwrap_or_default()))
            }
            _ => Err(self.refuse()),
        }
    }

    /// The instance and the device, once they are found good.
    pub fn judge_online(&mut self) -> Result<(&str, &str), Refused> {
        self.judge_instance();
        if self.fault.is_none() {
            let said = format!("1 to {DEVICE_LENGTH_MAX} bytes without control characters");
            match self.device.as_deref() {
                None | Some("") => self.blame_field(ItemFault::MissingField, ItemField::Device, "is missing"),
                Some(device) if !is_plain(device, DEVICE_LENGTH_MAX) => {
                    self.blame_field(ItemFault::InvalidDevice, ItemField::Device, &said);
                }
                Some(_) => {}
            }
        }
        match (&self.instance, &self.device) {
            (Some(instance), Some(device)) if self.fault.is_none() => Ok((instance, device)),
            _ => Err(self.refuse()),
        }
    }

    fn judge_instance(&mut self) {
        if self.fault.is_some() {
            return;
        }
        match self.instance.as_deref() {
            None | Some("") => self.blame_field(ItemFault::MissingField, ItemField::Instance, "is missing"),
            Some(text) => {
                if let Err(error) = check_id(text) {
                    self.blame(ItemFault::InvalidId, format!("field \"instance\": {}: {error}", quote(text)));
                }
            }
        }
    }

    #[cold]
    fn refuse(&self) -> Refused {
        let (code, detail) = self.fault.clone().unwrap_or((ItemFault::MalformedItem, "nothing could be read".into()));
        let instance = self.instance.as_deref().and_then(|text| InstanceId::parse(text).ok());
        Refused { index: 0, code, detail, instance, up: self.up.unwrap_or(0), down: self.down.unwrap_or(0) }
    }
}

fn is_plain(text: &str, length_max: usize) -> bool {
    text.len() <= length_max && !text.chars().any(char::is_control)
}

/// A foreign text, in quotation marks and no longer than a line.
pub fn quote(text: &str) -> String {
    let cut: String = text.chars().take(QUOTED_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}
