//! What is observed of a node, as revisioned facts.
//!
//! Nothing here is a clock: a fact changes by being written, so that two readers of one revision agree (I1), and
//! looking moves nobody (I7).

use serde::{Deserialize, Serialize};

use crate::time::Micros;

/// Observed health. A node that never reported counts as healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Never reported.
    #[default]
    Unknown,
    /// Reports and says it is up.
    Up,
    /// Reports that it is down.
    Down,
    /// Fell silent for longer than the time to live.
    Silent,
}

impl Health {
    /// The spelling in tables and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
            Self::Silent => "silent",
        }
    }

    /// Whether the node counts as healthy.
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Unknown | Self::Up)
    }
}

/// A load band: permille ÷ 100, so 0 ..= 10 and more for a node that is over its own measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoadBand(pub u8);

/// The facts about one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    pub health: Health,
    pub band: LoadBand,
    /// When the health last changed.
    pub since: Micros,
}
