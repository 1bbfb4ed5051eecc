//! The access template: the executable delivery policy of a product.
//!
//! A mode with its boundary, an order, a limit, and what happens to broken ownerships. A mode carries exactly the
//! members that it needs, so that a `shard` of regions cannot be said.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Labels;
use crate::ids::{AccessTemplateId, GroupId, NodeId, RegionId};

/// What is delivered, and from within which boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Named nodes.
    Fixed { nodes: BTreeSet<NodeId> },
    /// The union of groups.
    Merge { groups: BTreeSet<GroupId> },
    /// One group of these, sticky.
    Shard { groups: BTreeSet<GroupId> },
    /// One group inside one of these regions, sticky.
    Regional { regions: BTreeSet<RegionId> },
}

impl Mode {
    /// The spelling in manifests, tables and answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fixed { .. } => "fixed",
            Self::Merge { .. } => "merge",
            Self::Shard { .. } => "shard",
            Self::Regional { .. } => "regional",
        }
    }

    /// Whether each instance is owned by one group.
    pub fn is_sticky(&self) -> bool {
        matches!(self, Self::Shard { .. } | Self::Regional { .. })
    }
}

/// In which order nodes are delivered. Ties fall to the smaller id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Smaller priority first.
    #[default]
    Priority,
    /// Larger weight first.
    Weight,
    /// By the hash of instance and node: differs between instances, stable for each.
    StableShuffle,
    /// Smaller load band first.
    Load,
    /// Nearest first.
    Proximity,
}

impl Order {
    /// All orders, in the order of the contract.
    pub const ALL: &[Self] = &[Self::Priority, Self::Weight, Self::StableShuffle, Self::Load, Self::Proximity];

    /// The spelling in manifests, tables and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Weight => "weight",
            Self::StableShuffle => "stable_shuffle",
            Self::Load => "load",
            Self::Proximity => "proximity",
        }
    }
}

/// What happens to an ownership that has become invalid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBroken {
    /// The allocator repairs it.
    #[default]
    Repair,
    /// It waits for a plan.
    Hold,
}

/// The executable delivery policy of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTemplate {
    pub id: AccessTemplateId,
    pub mode: Mode,
    pub order: Order,
    /// At most so many nodes delivered; absent means all.
    pub limit: Option<u32>,
    pub on_broken: OnBroken,
    pub labels: Labels,
}
