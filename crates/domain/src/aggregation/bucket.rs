//! Buckets: the minute in which bytes are counted, and the hour of the usage row that they end in.
//!
//! Both are half open, `[start, start + width)`, UTC, and numbered from the epoch; days are sums of hours.
//! Minutes outside the range of the type saturate; a stamp is placed within 35 days of now before it gets here.

use serde::{Deserialize, Serialize};

use crate::time::Micros;

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;

/// A minute: the half-open `[start, start + 60 s)`, numbered from the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(pub u32);

/// An hour: the half-open `[start, start + 3600 s)`, numbered from the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub u32);

fn number(at: Micros, width_us: i64) -> u32 {
    u32::try_from(at.0.div_euclid(width_us).max(0)).unwrap_or(u32::MAX)
}

impl Minute {
    /// The minute that holds this time.
    pub fn of(at: Micros) -> Self {
        Self(number(at, MINUTE_US))
    }

    /// Its first instant.
    pub fn start(self) -> Micros {
        Micros(i64::from(self.0) * MINUTE_US)
    }

    /// The first instant after it.
    pub fn end(self) -> Micros {
        Micros((i64::from(self.0) + 1) * MINUTE_US)
    }

    /// The hour that it lies in.
    pub fn hour(self) -> Hour {
        Hour(self.0 / 60)
    }
}

impl Hour {
    /// The hour that holds this time.
    pub fn of(at: Micros) -> Self {
        Self(number(at, HOUR_US))
    }

    /// Its first instant.
    pub fn start(self) -> Micros {
        Micros(i64::from(self.0) * HOUR_US)
    }

    /// The first instant after it.
    pub fn end(self) -> Micros {
        Micros((i64::from(self.0) + 1) * HOUR_US)
    }
}
