//! Conservation (I11): received = durable + pending + parked + rejected, in bytes, at one watermark.
//!
//! `received` is counted at the parser and never derived from the others, or the equation would prove nothing.
//! The moves here are the only ones there are: what is received becomes pending, parked or rejected; a commit makes the
//! pending durable; a parked item whose instance appears becomes durable. Each keeps a balanced account balanced.

use serde::{Deserialize, Serialize};

use super::traffic::TOTAL_MAX;

/// The bytes of a shard or of a reporter, by where they are. Up and down together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// As sent, counted at the parser.
    pub received: u64,
    /// In usage rows, or expired from them.
    pub durable: u64,
    /// Acknowledged, and above the watermark.
    pub pending: u64,
    /// Kept until the instance exists or an operator decides.
    pub parked: u64,
    /// Refused, with a figure that could be read.
    pub rejected: u64,
}

impl Account {
    /// What is received and accounted for nowhere; negative when more is accounted for than was received.
    pub fn difference(&self) -> i128 {
        let accounted = [self.durable, self.pending, self.parked, self.rejected];
        i128::from(self.received) - accounted.into_iter().map(i128::from).sum::<i128>()
    }

    /// Whether every byte received is somewhere, and no byte is twice.
    pub fn is_balanced(&self) -> bool {
        self.difference() == 0
    }

    /// The sum of two accounts; `None` when a figure passes [`TOTAL_MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let add = |one: u64, two: u64| one.checked_add(two).filter(|sum| *sum <= TOTAL_MAX);
        Some(Self {
            received: add(self.received, other.received)?,
            durable: add(self.durable, other.durable)?,
            pending: add(self.pending, other.pending)?,
            parked: add(self.parked, other.parked)?,
            rejected: add(self.rejected, other.rejected)?,
        })
    }

    /// After the commit of all that is pending.
    #[must_use]
    pub fn committed(self) -> Self {
        Self { durable: self.durable.saturating_add(self.pending), pending: 0, ..self }
    }

    /// After parked bytes were moved into usage; `None` when fewer are parked.
    pub fn unpark(self, bytes: u64) -> Option<Self> {
        let parked = self.parked.checked_sub(bytes)?;
        Some(Self { parked, durable: self.durable.checked_add(bytes)?, ..self })
    }
}
