//! Traffic: bytes up and down, and the bounds within which they are added.
//!
//! One item is at most 2^53−1 each way, what JSON carries exactly; a stored sum, both ways together, at most 2^63−1, what
//! a column holds. Nothing wraps and nothing saturates: a sum that does not fit is no sum.
//! `received` is the largest of all sums (I11), so [`room`] in it is room in every other.

use serde::{Deserialize, Serialize};

/// The largest figure of one item, each way: what every JSON reader keeps exactly.
pub const ITEM_MAX: u64 = (1 << 53) - 1;

/// The largest sum, both ways together: what an INTEGER or a BIGINT column holds.
pub const TOTAL_MAX: u64 = i64::MAX as u64;

/// Bytes up and down. Together at most [`TOTAL_MAX`] wherever they were added by [`Traffic::checked_add`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Traffic {
    pub up: u64,
    pub down: u64,
}

/// A figure that no item may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an item counts at most {ITEM_MAX} bytes each way, not {found}")]
pub struct TrafficError {
    found: u64,
}

impl Traffic {
    /// Nothing.
    pub const ZERO: Self = Self { up: 0, down: 0 };

    /// The traffic of one item of a report, a delta or a running total.
    ///
    /// # Errors
    /// [`TrafficError`] when a figure is above [`ITEM_MAX`].
    pub fn of_item(up: u64, down: u64) -> Result<Self, TrafficError> {
        match up.max(down) {
            found if found > ITEM_MAX => Err(TrafficError { found }),
            _ => Ok(Self { up, down }),
        }
    }

    /// Both ways together; `None` above [`TOTAL_MAX`].
    pub fn bytes(self) -> Option<u64> {
        self.up.checked_add(self.down).filter(|bytes| *bytes <= TOTAL_MAX)
    }

    /// The sum; `None` if both ways together would be above [`TOTAL_MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = Self { up: self.up.checked_add(other.up)?, down: self.down.checked_add(other.down)? };
        sum.bytes().map(|_| sum)
    }

    /// What is left; `None` if either way would fall below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self { up: self.up.checked_sub(other.up)?, down: self.down.checked_sub(other.down)? })
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

/// Whether a sum of bytes received so far has room for this item.
///
/// Asked for the shard and for the reporter. An item without room is rejected with code `overflow` and counts zero bytes,
/// neither as received nor as rejected, since the figure cannot be held.
pub fn room(received: u64, item: Traffic) -> bool {
    item.bytes().and_then(|bytes| received.checked_add(bytes)).is_some_and(|sum| sum <= TOTAL_MAX)
}
