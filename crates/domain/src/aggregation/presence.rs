//! Presence: which devices of an instance are online, as a join-semilattice.
//!
//! A device maps to its newest sighting; `join` takes the greater of two by (stamp, reporter), so replicas that heard the
//! same agree whatever the order or the number of times (I18). Bounded: the newest [`DEVICES_MAX`] are kept, which is a
//! join too, since a device that was dropped has that many newer ones above it for ever.
//! Expiry is a question about a time that is handed in; forgetting only frees memory and changes no answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ID_LENGTH_MAX, NodeId};
use crate::time::Micros;

/// Devices remembered of one instance: ten times what a family of gateways shows, and 100 kB at most (I26).
pub const DEVICES_MAX: usize = 1_000;

/// How long a device counts as online after it was seen: ten reports of a node that reports twice a minute.
pub const PRESENCE_TTL_US: i64 = 5 * 60 * 1_000_000;

/// A device of a customer, as its node names it: 1 to 128 printable characters without blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Box<str>);

/// A text is no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a device is 1 to {ID_LENGTH_MAX} printable characters without blanks")]
pub struct DeviceIdError;

impl DeviceId {
    /// Parses a device.
    ///
    /// # Errors
    /// [`DeviceIdError`] when it is empty, too long, or holds a blank or a control character.
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        let length = text.chars().count();
        let is_plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
        let is_valid = (1..=ID_LENGTH_MAX).contains(&length) && is_plain;
        if is_valid { Ok(Self(text.into())) } else { Err(DeviceIdError) }
    }

    /// The device as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceId {
    type Error = DeviceIdError;
    fn try_from(text: String) -> Result<Self, DeviceIdError> {
        Self::parse(&text)
    }
}

impl From<DeviceId> for String {
    fn from(device: DeviceId) -> String {
        device.0.into()
    }
}

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A sighting. Fields are compared from top to bottom; the greater is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seen {
    pub at: Micros,
    pub reporter: NodeId,
}

/// The devices of one instance with their newest sightings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    devices: BTreeMap<DeviceId, Seen>,
}

impl Presence {
    /// Takes one sighting in.
    pub fn observe(&mut self, device: DeviceId, seen: Seen) {
        self.take(device, seen);
        self.bound();
    }

    /// Takes in all that the other knows. Commutative, associative, idempotent.
    pub fn join(&mut self, other: &Self) {
        for (device, seen) in &other.devices {
            self.take(device.clone(), seen.clone());
        }
        self.bound();
    }

    /// The devices seen less than `ttl_us` before `now`, in the order of their names.
    pub fn online(&self, now: Micros, ttl_us: i64) -> impl Iterator<Item = (&DeviceId, &Seen)> {
        self.devices.iter().filter(move |(_, seen)| is_online(seen, now, ttl_us))
    }

    /// Frees what is no longer online; `online` answers as before, for this time and every later one.
    pub fn forget(&mut self, now: Micros, ttl_us: i64) {
        self.devices.retain(|_, seen| is_online(seen, now, ttl_us));
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// How many devices are remembered, online or not.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    fn take(&mut self, device: DeviceId, seen: Seen) {
        match self.devices.get_mut(&device) {
            Some(known) if *known >= seen => {}
            Some(known) => *known = seen,
            None => {
                self.devices.insert(device, seen);
            }
        }
    }

    /// Keeps the newest; equal sightings fall to the greater name.
    fn bound(&mut self) {
        let excess = self.devices.len().saturating_sub(DEVICES_MAX);
        if excess == 0 {
            return;
        }
        let mut oldest: Vec<(&Seen, &DeviceId)> = self.devices.iter().map(|(device, seen)| (seen, device)).collect();
        let (dropped, _, _) = oldest.select_nth_unstable(excess);
        let dropped: Vec<DeviceId> = dropped.iter().map(|(_, device)| (*device).clone()).collect();
        for device in dropped {
            self.devices.remove(&device);
        }
    }
}

fn is_online(seen: &Seen, now: Micros, ttl_us: i64) -> bool {
    now.since_us(seen.at) < ttl_us
}
